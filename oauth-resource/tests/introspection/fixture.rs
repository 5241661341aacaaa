//! An endpoint that answers as it is told, and who asks it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use oauth_core::fetch::{Fetch, Fetched, StaticFetch};
use oauth_core::testing::FixedClock;
use oauth_core::{PeerAddress, Secret, Timestamp, TokenVerifier, VerifyFault};
use oauth_resource::{
    IntrospectionCredentials, IntrospectionVerifier, IntrospectionVerifierBuilder, PeekedBody,
    ProtectedResource, TrustedIssuer,
};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};

pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const ENDPOINT: &str = "https://as.example/introspect";
pub(crate) const PROXY: &str = "10.0.0.1";
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

pub(crate) fn secret() -> Secret {
    Secret::new("s3cret with %/+:".to_owned())
}

pub(crate) fn live() -> Value {
    json!({
        "active": true, "sub": "alice", "client_id": "app", "aud": RESOURCE, "iss": ISSUER,
        "scope": "notes:read", "exp": NOW + 600, "token_type": "Bearer",
    })
}

pub(crate) fn builder(fetch: Arc<dyn Fetch>) -> IntrospectionVerifierBuilder {
    IntrospectionVerifier::builder(RESOURCE, TrustedIssuer::new(ISSUER))
        .endpoint(ENDPOINT)
        .credentials(IntrospectionCredentials::basic(RESOURCE, secret()))
        .fetch(fetch)
}

pub(crate) fn answering(answer: Fetched) -> (Arc<StaticFetch>, IntrospectionVerifier) {
    let fetch = Arc::new(StaticFetch::new().with(ENDPOINT, answer));
    (fetch.clone(), builder(fetch).build().unwrap())
}

pub(crate) fn name(outcome: Result<(), VerifyFault>) -> &'static str {
    outcome.map_or_else(|fault| fault.reason(), |()| "good")
}

/// What a resource behind this verifier answers to a request with a token.
pub(crate) fn protected(verifier: IntrospectionVerifier) -> impl AsyncFn(&str) -> (u16, HeaderMap, String) {
    let send = sending(verifier);
    async move |token: &str| send(token, Request::get("/mcp")).await
}

/// The same, from a peer at `PROXY`, which is believed, or another; with what it says of who came to it.
pub(crate) fn protected_from(
    verifier: impl TokenVerifier,
) -> impl AsyncFn(&str, &str, Option<&str>) -> (u16, HeaderMap, String) {
    let send = sending(verifier);
    async move |token: &str, peer: &str, forwarded: Option<&str>| {
        let mut request = Request::get("/mcp").extension(PeerAddress(peer.parse().unwrap()));
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        send(token, request).await
    }
}

fn sending(
    verifier: impl TokenVerifier,
) -> impl AsyncFn(&str, http::request::Builder) -> (u16, HeaderMap, String) {
    let layer = ProtectedResource::builder(RESOURCE, ISSUER)
        .verifier(verifier)
        .trusted_proxy(PROXY)
        .clock(Arc::new(FixedClock::at(now())))
        .build()
        .unwrap()
        .layer();
    let service = layer.layer(service_fn(|_: Request<PeekedBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner")))
    }));
    async move |token: &str, request: http::request::Builder| {
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = service.clone().oneshot(request.body(Full::default()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8_lossy(&body).into_owned())
    }
}
