//! The refusal, or the inner service's answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer::Answer;
use crate::body::ResponseBody;

pin_project! {
    /// The future of [`RequireExtension`](crate::extensions::RequireExtension).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Answer { answer: Option<Answer> },
        Inner { #[pin] future: F },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) } }
    }

    pub(super) const fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Answer { answer } => {
                let answer = answer.take().expect("a future is not polled after it is done");
                Poll::Ready(Ok(answer.map(ResponseBody::own)))
            }
            StateProjection::Inner { future } => {
                future.poll(cx).map_ok(|response| response.map(ResponseBody::inner))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
