//! Reads a request's body, decides, and passes it on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::body::ResponseBody;
use crate::challenge::Fault;
use crate::scope::body::PeekedBody;
use crate::scope::decide::{Caller, Settings};

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
        Reading { #[pin] body: B, read: Read, waiting: Option<Box<Waiting<S>>>, patience: Patience },
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

/// What was read. Most bodies are one frame, which is passed on as it is.
#[derive(Default)]
struct Read {
    first: Bytes,
    // Boxed, both: hardly any request has some, and this is moved about.
    all: Option<Box<BytesMut>>,
    trailers: Option<Box<HeaderMap>>,
}

impl Read {
    fn len(&self) -> usize {
        self.all.as_ref().map_or(self.first.len(), |all| all.len())
    }

    fn push(&mut self, data: Bytes) {
        match &mut self.all {
            Some(all) => all.extend_from_slice(&data),
            None if self.first.is_empty() => self.first = data,
            None => {
                let mut all = BytesMut::with_capacity(self.first.len() + data.len());
                all.extend_from_slice(&self.first);
                all.extend_from_slice(&data);
                self.all = Some(Box::new(all));
            }
        }
    }

    fn take(&mut self) -> (Bytes, Option<Box<HeaderMap>>) {
        let data = self.all.take().map_or_else(|| std::mem::take(&mut self.first), |all| all.freeze());
        (data, self.trailers.take())
    }
}

/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for a body that is not there yet.
///
/// A server hands a body on only once somebody has asked for it: at the first look hardly any is there, at the second most are. No timer is
/// made before that. Outside of a tokio runtime there is none at all, and the host's own time-outs rule.
#[derive(Default)]
enum Patience {
    #[default]
    Fresh,
    /// Asked once, and to be asked again whether or not anything comes.
    Asked,
    Timed(Pin<Box<tokio::time::Sleep>>),
}

impl Patience {
    /// Ready once the time is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Fresh => {
                *self = Self::Asked;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Self::Asked if tokio::runtime::Handle::try_current().is_ok() => {
                *self = Self::Timed(Box::pin(tokio::time::sleep(BODY_TIMEOUT)));
            }
            _ => {}
        }
        match self {
            Self::Timed(sleep) => sleep.as_mut().poll(cx),
            _ => Poll::Pending,
        }
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
    ) -> Self {
        let waiting = Some(Box::new(Waiting { parts, stranger, ready, settings }));
        Self { state: State::Reading { body, read: Read::default(), waiting, patience: Patience::default() } }
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
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProjection::Answer { answer } => {
                    let answer = answer.take().expect("a future is not polled after it is done");
                    return Poll::Ready(Ok(answer.map(ResponseBody::own)));
                }
                StateProjection::Reading { body, read, waiting, patience } => {
                    let pending = waiting.as_deref().expect("taken below alone, on the way to another state");
                    let read_so_far = match read_all(body, read, pending, cx) {
                        Poll::Pending => {
                            ready!(patience.poll(cx));
                            Err(pending.settings.too_slow(pending.caller()))
                        }
                        Poll::Ready(outcome) => outcome,
                    };
                    match read_so_far {
                        Err(answer) => State::Answer { answer: Some(answer) },
                        Ok(()) => {
                            let (data, trailers) = read.take();
                            let waiting = waiting.take().expect("looked at above");
                            proceed(waiting, data, trailers)
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

fn read_all<S, B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    read: &mut Read,
    pending: &Waiting<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Answer>> {
    let limit = pending.settings.limit(pending.caller());
    loop {
        let frame = match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(Ok(())),
            Some(Ok(frame)) => frame,
            // The connection broke, or its framing: nothing was asked for. What exactly is for the server's log.
            Some(Err(_)) => {
                let why = "the request body cannot be read";
                return Poll::Ready(Err(answer::plain(StatusCode::BAD_REQUEST, "invalid_request", why)));
            }
        };
        match frame.into_data() {
            Ok(data) => {
                if data.len() > limit - read.len() {
                    return Poll::Ready(Err(pending.settings.too_long(pending.caller())));
                }
                read.push(data);
                // What has a length is at its end here; another look would only say so.
                if body.is_end_stream() {
                    return Poll::Ready(Ok(()));
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    read.trailers = Some(Box::new(trailers));
                }
            }
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
    let decision =
        if is_bare { settings.decide_bare(parts, caller) } else { settings.decide(parts, caller, &data) };
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
