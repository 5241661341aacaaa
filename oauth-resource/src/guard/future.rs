//! The inner service's answer, readable for the page that asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer::Answer;
use crate::body::ResponseBody;
use crate::guard::origin::allow;

pin_project! {
    /// The future of [`Guard`](crate::Guard).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Answer { answer: Option<Answer> },
        Inner { #[pin] future: F, origin: Option<HeaderValue> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) } }
    }

    pub(crate) fn inner(future: F, origin: Option<HeaderValue>) -> Self {
        Self { state: State::Inner { future, origin } }
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
            StateProjection::Inner { future, origin } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some(origin) = origin.take() {
                    allow(response.headers_mut(), origin);
                }
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
        }
    }
}
