//! Keys, tokens, and an issuer that answers as it is told.

use std::sync::{Arc, LazyLock};

use oauth_core::fetch::{Fetched, StaticFetch};
use oauth_core::jose::SigningKey;
use oauth_core::{Claims, Timestamp, TokenVerifier, VerifyFault};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use serde_json::{Value, json};

pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const JWKS: &str = "https://as.example/jwks.json";
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_es256);
pub(crate) static RSA: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_rs256);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

/// The set of these public keys.
pub(crate) fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk().to_json()).collect();
    json!({ "keys": keys }).to_string()
}

/// A token of the issuer with nothing wrong.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "app", "scope": "notes:read",
        "jti": "t-1", "iat": NOW, "exp": NOW + 600,
    })
}

pub(crate) fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

pub(crate) fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

pub(crate) fn sign(claims: &Value) -> String {
    KEY.sign("at+jwt", claims).unwrap()
}

/// Trusts the issuer's key, without a network.
pub(crate) fn trusted() -> TrustedIssuer {
    TrustedIssuer::new(ISSUER).with_jwks(&jwks(&[&KEY, &RSA]))
}

pub(crate) fn verifier(trusted: TrustedIssuer) -> JwtVerifier {
    JwtVerifier::builder(RESOURCE).issuer(trusted).build().unwrap()
}

pub(crate) async fn ask(verifier: &impl TokenVerifier, token: &str) -> Result<Claims, VerifyFault> {
    verifier.verify(token, now()).await
}

pub(crate) async fn accepts(verifier: &impl TokenVerifier, claims: &Value) -> bool {
    ask(verifier, &sign(claims)).await.is_ok()
}

/// The issuer's key set, at its address.
pub(crate) fn served(keys: &[&SigningKey]) -> Arc<StaticFetch> {
    Arc::new(StaticFetch::new().with(JWKS, Fetched::json(jwks(keys))))
}

pub(crate) fn refused(answer: &Result<Claims, VerifyFault>) -> bool {
    matches!(answer, Err(VerifyFault::Invalid | VerifyFault::Unrecognized | VerifyFault::Expired))
}

pub(crate) fn unavailable(answer: &Result<Claims, VerifyFault>) -> bool {
    matches!(answer, Err(VerifyFault::Unavailable { .. }))
}
