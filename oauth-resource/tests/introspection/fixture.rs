//! An endpoint that answers as it is told, and who asks it.

use std::sync::Arc;

use oauth_core::fetch::{Fetch, Fetched, StaticFetch};
use oauth_core::{Secret, Timestamp, VerifyFault};
use oauth_resource::{
    IntrospectionCredentials, IntrospectionVerifier, IntrospectionVerifierBuilder, TrustedIssuer,
};
use serde_json::{Value, json};

pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const ENDPOINT: &str = "https://as.example/introspect";
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
