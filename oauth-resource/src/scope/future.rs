//! Reads a request's body, decides, and passes it on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer::{Answer, keep_private};
use crate::body::ResponseBody;
use crate::challenge::Fault;
use crate::scope::body::PeekedBody;
use crate::scope::decide::{Caller, Settings};
use crate::scope::headers::Said;
use crate::scope::reading::{BODY_TIMEOUT, Reading, STRANGERS_BODY_TIMEOUT};

pin_project! {
    /// The future of [`RequireScope`](crate::RequireScope).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<PeekedBody<B>>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Answer { answer: Option<Answer> },
        Inner { #[pin] future: F },
        Reading { #[pin] reading: Reading<B>, waiting: Option<Box<Waiting<S>>> },
    }
}

/// A request whose body is being read, and where it goes then. Boxed: layers outside of this one move the future about.
struct Waiting<S> {
    parts: Parts,
    stranger: Option<Fault>,
    ready: S,
    settings: Arc<Settings>,
}

impl<S> Waiting<S> {
    fn caller(&self) -> Caller<'_> {
        Caller::of(&self.parts, self.stranger)
    }
}

impl<S: Service<Request<PeekedBody<B>>>, B> ResponseFuture<S, B> {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) } }
    }

    pub(crate) fn inner(future: S::Future) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(crate) fn reading(
        parts: Parts,
        body: B,
        stranger: Option<Fault>,
        ready: S,
        settings: Arc<Settings>,
    ) -> Self
    where
        B: Body<Data = Bytes>,
    {
        let waiting = Some(Box::new(Waiting { parts, stranger, ready, settings }));
        Self { state: State::Reading { reading: Reading::new(body), waiting } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future } => {
                    let mut response = ready!(future.poll(cx))?;
                    keep_private(response.headers_mut());
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProjection::Answer { answer } => {
                    let answer = answer.take().expect("a future is not polled after it is done");
                    return Poll::Ready(Ok(answer.map(ResponseBody::own)));
                }
                StateProjection::Reading { reading, waiting } => {
                    let pending = waiting.as_deref().expect("taken below alone, on the way to another state");
                    let limit = pending.settings.limit(pending.caller());
                    let within =
                        if pending.stranger.is_some() { STRANGERS_BODY_TIMEOUT } else { BODY_TIMEOUT };
                    match ready!(reading.poll(limit, within, cx)) {
                        Err(why) => {
                            let answer = pending.settings.unreadable(why, pending.caller());
                            State::Answer { answer: Some(answer) }
                        }
                        Ok((data, trailers)) => {
                            proceed(waiting.take().expect("looked at above"), data, trailers)
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

#[expect(clippy::boxed_local, reason = "what is in the box is moved once, into the request")]
fn proceed<S, B>(
    waiting: Box<Waiting<S>>,
    data: Bytes,
    trailers: Option<Box<HeaderMap>>,
) -> State<S, B, S::Future>
where
    S: Service<Request<PeekedBody<B>>>,
{
    let Waiting { parts, settings, .. } = &*waiting;
    let caller = waiting.caller();
    // A GET over HTTP/2 may have a body that turns out to be none.
    let is_bare = data.is_empty() && parts.method != http::Method::POST;
    let decision = if is_bare {
        settings.decide_bare(parts, caller)
    } else {
        settings.decide(parts, Said::of(&parts.headers), caller, &data)
    };
    match decision {
        Ok(()) => {
            let Waiting { parts, mut ready, .. } = *waiting;
            let request = Request::from_parts(parts, PeekedBody::read(data, trailers));
            State::Inner { future: ready.call(request) }
        }
        Err(answer) => State::Answer { answer: Some(*answer) },
    }
}

impl<S: Service<Request<PeekedBody<B>>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
