//! The inner service's answer, and what becomes of it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer;
use crate::challenge::Fault;
use crate::tailor::body::TailoredBody;
use crate::tailor::demand::Demand;
use crate::tailor::lists::Tailor;
use crate::tailor::service::Settings;

pin_project! {
    /// The future of [`TailorAnswers`](crate::TailorAnswers).
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: F,
        demand: Demand,
        tailor: Option<Tailor>,
        settings: Arc<Settings>,
        body: PhantomData<fn() -> R>,
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn new(
        inner: F,
        demand: Demand,
        tailor: Option<Tailor>,
        settings: Arc<Settings>,
    ) -> Self {
        Self { inner, demand, tailor, settings, body: PhantomData }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<TailoredBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let demanded = this.demand.take();
        // A stream has begun: what is missing stands in it, as an error of the call.
        if !demanded.is_empty() && !is(response.headers(), EVENTS) {
            tracing::debug!(reason = "insufficient_scope", needed = %demanded, "refused by the tool");
            let answer = this.settings.challenge.answer(Fault::Scope, &demanded);
            return Poll::Ready(Ok(answer.map(TailoredBody::own)));
        }
        let mut response = match this.tailor.take() {
            Some(tailor) if response.status() == StatusCode::OK => cut(response, tailor),
            _ => response.map(TailoredBody::inner),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Poll::Ready(Ok(response))
    }
}

const EVENTS: &str = "text/event-stream";

fn cut<R>(response: Response<R>, tailor: Tailor) -> Response<TailoredBody<R>> {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    let is_stream = is(headers, EVENTS);
    // No list is in what is no message, and none but a stream answers requests of before.
    if !is_stream && (tailor.resumed || !is(headers, "application/json")) {
        return Response::from_parts(parts, TailoredBody::inner(body));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // It was not asked for, and cannot be read.
        tracing::warn!("a list of the mcp server is encoded, and is not shown");
        return answer::internal(tailor.refusal(b"")).map(TailoredBody::own);
    }
    let body = if is_stream { TailoredBody::events(body, tailor) } else { TailoredBody::whole(body, tailor) };
    // Both are of another text.
    headers.remove(CONTENT_LENGTH);
    headers.remove(ETAG);
    Response::from_parts(parts, body)
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case(kind))
    })
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
