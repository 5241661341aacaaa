//! A body that ends with the token that opened it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::stream::watch::Watch;

pin_project! {
    /// What [`EndStreams`](crate::EndStreams) answers with: the inner service's body, until its token ends.
    ///
    /// ```
    /// use http_body::Body as _;
    /// use http_body_util::Full;
    /// use oauth_resource::EndingBody;
    ///
    /// let body: EndingBody<Full<bytes::Bytes>> = EndingBody::unwatched(Full::from("hello"));
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    pub struct EndingBody<B> {
        #[pin]
        inner: Option<B>,
        watch: Option<Box<Watch>>,
    }
}

impl<B> EndingBody<B> {
    /// A body with an end in sight.
    pub const fn unwatched(body: B) -> Self {
        Self { inner: Some(body), watch: None }
    }

    pub(super) fn watched(body: B, watch: Watch) -> Self {
        Self { inner: Some(body), watch: Some(Box::new(watch)) }
    }
}

impl<B: Body<Data = Bytes>> Body for EndingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // First of all: a server that always has something to say must not talk on.
        if let Some(watch) = this.watch
            && let Poll::Ready(reason) = watch.poll(cx)
        {
            tracing::debug!(reason, "a stream ends with its token");
            this.inner.set(None);
            *this.watch = None;
            return Poll::Ready(None);
        }
        inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.inner, &self.watch) {
            (Some(inner), None) => inner.size_hint(),
            (Some(_), Some(_)) => SizeHint::default(),
            (None, _) => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for EndingBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndingBody").field("watched", &self.watch.is_some()).finish_non_exhaustive()
    }
}
