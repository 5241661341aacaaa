//! The answer to a request that presents a token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::bearer::service::{DPOP_NONCE, ProvenFor, Settings, Verdict};
use crate::body::ResponseBody;
use crate::challenge::Fault;

type Verifying = Pin<Box<dyn Future<Output = Verdict> + Send>>;

pin_project! {
    /// The future of [`RequireBearer`](crate::RequireBearer): the inner service's own where the token was accepted before.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        // What the answer tells for the next proof. Boxed: most have none, and this is moved about.
        nonce: Option<Box<HeaderValue>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Answer { answer: Option<Answer> },
        Inner { #[pin] future: F },
        Verifying { verdict: Verifying, waiting: Option<Box<Waiting<S, B>>> },
    }
}

/// A request whose token is being verified, and where it goes then.
struct Waiting<S, B> {
    request: Request<B>,
    ready: S,
    settings: Arc<Settings>,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer: Some(answer) }, nonce: None }
    }

    pub(crate) fn inner(future: S::Future) -> Self {
        Self { state: State::Inner { future }, nonce: None }
    }

    pub(crate) fn verifying(
        verdict: Verifying,
        request: Request<B>,
        ready: S,
        settings: Arc<Settings>,
        nonce: Option<HeaderValue>,
    ) -> Self {
        let waiting = Some(Box::new(Waiting { request, ready, settings }));
        Self { state: State::Verifying { verdict, waiting }, nonce: nonce.map(Box::new) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, nonce) = (this.state, this.nonce);
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future } => {
                    let response = ready!(future.poll(cx))?.map(ResponseBody::inner);
                    return Poll::Ready(Ok(match nonce.take() {
                        None => response,
                        Some(nonce) => tell(nonce, response),
                    }));
                }
                StateProjection::Answer { answer } => {
                    let answer = answer.take().expect("a future is not polled after it is done");
                    let answer = answer.map(ResponseBody::own);
                    return Poll::Ready(Ok(match nonce.take() {
                        None => answer,
                        Some(nonce) => tell(nonce, answer),
                    }));
                }
                StateProjection::Verifying { verdict, waiting } => {
                    let verdict = ready!(verdict.as_mut().poll(cx));
                    let Waiting { request, ready, settings } =
                        *waiting.take().expect("taken here alone, on the way to another state");
                    proceed(verdict, request, ready, &settings)
                }
            };
            state.set(next);
        }
    }
}

/// Puts the nonce for the next proof into an answer, which nobody may keep then (DPOP-9).
#[expect(clippy::boxed_local, reason = "as it was carried")]
fn tell<R>(nonce: Box<HeaderValue>, mut answer: Response<R>) -> Response<R> {
    let headers = answer.headers_mut();
    headers.insert(&DPOP_NONCE, *nonce);
    // Whatever the server behind allows: two callers with one nonce are told apart by nobody.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn proceed<S, B>(
    verdict: Verdict,
    mut request: Request<B>,
    mut ready: S,
    settings: &Settings,
) -> State<S, B, S::Future>
where
    S: Service<Request<B>>,
{
    match verdict {
        Verdict::Accepted(caller, proven) => {
            settings.admit(&mut request, true, caller);
            if let Some(proven) = proven {
                request.extensions_mut().insert(ProvenFor(proven));
            }
            State::Inner { future: ready.call(request) }
        }
        Verdict::Refused if settings.defers => {
            State::Inner { future: ready.call(settings.strip(request, Fault::Invalid)) }
        }
        Verdict::Refused => State::Answer { answer: Some(settings.refuse(Fault::Invalid)) },
        Verdict::Unproven(code) => State::Answer { answer: Some(settings.refuse_proof(code)) },
        Verdict::Unavailable(retry_after) => State::Answer { answer: Some(answer::unavailable(retry_after)) },
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
