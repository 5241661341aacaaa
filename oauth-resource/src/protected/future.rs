//! Reads a request's body, decides, passes it on, and hands out the answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer::{Answer, keep_private};
use crate::authorized::Authorized;
use crate::body::ResponseBody;
use crate::protected::service::Rules;
use crate::scope::{BODY_TIMEOUT, Caller, PeekedBody, Reading, Said, Whole};
use crate::session::{SESSION_ID, not_found, seal};

pin_project! {
    /// The future of [`Protected`](crate::Protected); `L` is that of the layers, one within the other.
    pub struct ResponseFuture<S, B, L>
    where
        S: Service<Request<PeekedBody<B>>>,
    {
        #[pin]
        state: State<S, B, S::Future, L>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F, L> {
        Answer { answer: Option<Answer> },
        Reading { #[pin] reading: Reading<B>, waiting: Option<Box<Waiting<S>>> },
        Inner { #[pin] future: F, caller: Authorized, rules: Arc<Rules> },
        Layered { layers: Pin<Box<L>> },
    }
}

/// A request whose body is being read, and where it goes then. Boxed: who serves moves the future about.
pub(super) struct Waiting<S> {
    pub(super) parts: Parts,
    pub(super) caller: Authorized,
    pub(super) said: Said,
    pub(super) names_session: bool,
    pub(super) ready: S,
    pub(super) rules: Arc<Rules>,
}

impl<S: Service<Request<PeekedBody<B>>>, B: Body<Data = Bytes>, L> ResponseFuture<S, B, L> {
    pub(super) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) } }
    }

    pub(super) fn layered(layers: L) -> Self {
        Self { state: State::Layered { layers: Box::pin(layers) } }
    }

    pub(super) fn reading(body: B, waiting: Waiting<S>) -> Self {
        Self { state: State::Reading { reading: Reading::new(body), waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, B, R, L> Future for ResponseFuture<S, B, L>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
    L: Future<Output = Result<Response<Layered<R>>, S::Error>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future, caller, rules } => {
                    let mut response = ready!(future.poll(cx))?;
                    seal(response.headers_mut(), &rules.session, Some(caller));
                    keep_private(response.headers_mut());
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProjection::Reading { reading, waiting } => {
                    let pending = waiting.as_deref().expect("taken below alone, on the way to another state");
                    let (scope, caller) = (&pending.rules.scope, Caller::Known(&pending.caller));
                    match ready!(reading.poll(scope.limit(caller), BODY_TIMEOUT, cx)) {
                        Err(why) => State::Answer { answer: Some(scope.unreadable(why, caller)) },
                        Ok(whole) => proceed(waiting.take().expect("looked at above"), whole),
                    }
                }
                StateProjection::Answer { answer } => {
                    let answer = answer.take().expect("a future is not polled after it is done");
                    return Poll::Ready(Ok(answer.map(ResponseBody::own)));
                }
                StateProjection::Layered { layers } => {
                    let response = ready!(layers.as_mut().poll(cx))?;
                    return Poll::Ready(Ok(response.map(|body| body.flat().flat().flat())));
                }
            };
            state.set(next);
        }
    }
}

/// A body within one of each layer.
type Layered<R> = ResponseBody<ResponseBody<ResponseBody<ResponseBody<R>>>>;

#[expect(clippy::boxed_local, reason = "what is in the box is moved once, into the request")]
fn proceed<S, B, L>(mut waiting: Box<Waiting<S>>, (data, trailers): Whole) -> State<S, B, S::Future, L>
where
    S: Service<Request<PeekedBody<B>>>,
{
    let Waiting { parts, caller, said, names_session, rules, .. } = &mut *waiting;
    if let Err(answer) = rules.scope.decide(parts, *said, Caller::Known(caller), &data) {
        return State::Answer { answer: Some(*answer) };
    }
    if *names_session && let Some(named) = parts.headers.get_mut(&SESSION_ID) {
        match rules.session.open_header(named, Some(caller)) {
            Some(inner) => *named = inner,
            None => return State::Answer { answer: Some(not_found()) },
        }
    }
    let Waiting { mut parts, caller, mut ready, rules, .. } = *waiting;
    parts.extensions.insert(caller.clone());
    let request = Request::from_parts(parts, PeekedBody::read(data, trailers));
    State::Inner { future: ready.call(request), caller, rules }
}

impl<S: Service<Request<PeekedBody<B>>>, B, L> fmt::Debug for ResponseFuture<S, B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
