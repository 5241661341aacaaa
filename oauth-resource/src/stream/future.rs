//! The inner service's answer, watched if it has no end in sight.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::stream::body::EndingBody;
use crate::stream::service::Opened;
use crate::stream::watch::Watch;

pin_project! {
    /// The future of [`EndStreams`](crate::EndStreams).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        watch: Option<Watch>,
        opened: Opened,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, watch: Option<Watch>, opened: Opened) -> Self {
        Self { inner, watch, opened }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<EndingBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let is_open = response.status() == StatusCode::OK && response.body().size_hint().exact().is_none();
        Poll::Ready(Ok(match this.watch.take().filter(|_| is_open) {
            Some(mut watch) => {
                if let Some(authorized) = this.opened.by() {
                    watch.opened_by(authorized);
                }
                response.map(|body| EndingBody::watched(body, watch))
            }
            None => response.map(EndingBody::unwatched),
        }))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
