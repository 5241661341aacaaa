//! Signed tokens of 564 bytes, and who verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use oauth_core::{Clock, Timestamp};
use oauth_resource::{JwtVerifier, TrustedIssuer};

use crate::fixture::{ISSUER, NOW, RESOURCE};

/// A clock that stands.
#[derive(Clone, Copy, Debug)]
pub struct Clocked;

impl Clock for Clocked {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A verifier with this key.
#[must_use]
pub fn verifier(key: &SigningKey) -> JwtVerifier {
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
    let trusted = TrustedIssuer::new(ISSUER).with_jwks(&jwks);
    JwtVerifier::builder(RESOURCE).issuer(trusted).build().expect("the configuration is one")
}

/// An access token (RFC 9068) with what an authorization server writes: 564 bytes by ES256 for a short subject.
#[must_use]
pub fn access_token(key: &SigningKey, subject: &str) -> String {
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": subject, "aud": RESOURCE, "client_id": "web-app-notes", "scope": "notes:read notes:write",
        "jti": "4f9Jt0qzTuyV5cHkUzvH2g", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 600, "auth_time": NOW.as_secs() - 60,
        "nbf": NOW.as_secs(), "grant": "0x3Zc1yQT6aFQm0wWm6y0g",
    });
    key.sign("at+jwt", &claims).expect("the key signs")
}

/// The same claims under a key of another name, with a signature that is none.
///
/// # Panics
/// If `token` is no JWT.
#[must_use]
pub fn forged(token: &str, kid: &str) -> String {
    let header = serde_json::json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}).to_string();
    let claims = token.split('.').nth(1).expect("it has three segments");
    format!("{}.{claims}.{}", URL_SAFE_NO_PAD.encode(header), "A".repeat(86))
}
