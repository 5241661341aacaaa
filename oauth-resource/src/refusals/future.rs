//! The inner service's answer, with the body of a refusal rewritten.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use serde_json::json;

use crate::body::ResponseBody;
use crate::refusals::layer::Told;

pin_project! {
    /// The future of [`JsonRpcRefusals`](crate::JsonRpcRefusals).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        told: Arc<Told>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, told: Arc<Told>) -> Self {
        Self { inner, told }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let Some(body) = rewritten(response.status(), response.headers(), this.told) else {
            return Poll::Ready(Ok(response.map(ResponseBody::inner)));
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.remove(CONTENT_LENGTH);
        Poll::Ready(Ok(response.map(|_| ResponseBody::own(Full::from(body)))))
    }
}

fn rewritten(status: StatusCode, headers: &HeaderMap, told: &Told) -> Option<String> {
    let message = match status {
        StatusCode::UNAUTHORIZED => "Authentication required",
        StatusCode::FORBIDDEN => "Insufficient scope",
        _ => return None,
    };
    // Without a challenge it is a refusal that no sign-in helps.
    let challenge = headers.get(WWW_AUTHENTICATE)?.to_str().ok()?;
    let scopes =
        challenge.split_once("scope=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    let scopes: Vec<&str> = scopes.split(' ').filter(|scope| !scope.is_empty()).collect();
    let data = json!({
        "type": "oauth2",
        "grant_type": "authorization_code",
        "authorization_url": told.authorization_url,
        "token_url": told.token_url,
        "scopes": scopes,
        "resource": told.resource,
        "code_challenge_method": "S256",
    });
    // To no request in particular: what was refused was not believed.
    let error = json!({ "code": -32001, "message": message, "data": data });
    Some(json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string())
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
