//! The inner service's answer, with the session's identifier as its owner may name it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer::Answer;
use crate::authorized::Authorized;
use crate::body::ResponseBody;
use crate::session::key::SessionKey;
use crate::session::service::seal;

pin_project! {
    /// The future of [`BindSession`](crate::BindSession).
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
        Inner { #[pin] future: F, key: SessionKey, caller: Option<Authorized> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) } }
    }

    pub(crate) fn inner(future: F, key: SessionKey, caller: Option<Authorized>) -> Self {
        Self { state: State::Inner { future, key, caller } }
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
            StateProjection::Inner { future, key, caller } => {
                let mut response = ready!(future.poll(cx))?;
                seal(response.headers_mut(), key, caller.as_ref());
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
        }
    }
}
