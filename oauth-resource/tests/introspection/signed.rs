//! Answers that are signed (RFC 9701).

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use oauth_core::TokenVerifier as _;
use oauth_core::fetch::{Fetched, StaticFetch};
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use oauth_resource::{IntrospectionCredentials, IntrospectionVerifier, TrustedIssuer};
use serde_json::{Value, json};

use crate::fixture::{ENDPOINT, ISSUER, NOW, RESOURCE, live, name, now, secret};

fn signed(key: &SigningKey, typ: &str, change: &[(&str, Value)]) -> Fetched {
    let mut claims = json!({ "iss": ISSUER, "aud": RESOURCE, "iat": NOW, "token_introspection": live() });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    Fetched::new(StatusCode::OK, key.sign(typ, &claims).unwrap()).with_header(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/token-introspection+jwt"),
    )
}

const TYP: &str = "token-introspection+jwt";

#[tokio::test]
async fn a_signed_answer_is_this_resources_own_and_new() {
    // RS-73, RFC 9701 §5
    let key = SigningKey::generate_es256();
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
    let fetch = Arc::new(StaticFetch::new());
    let ask = |answer: Fetched| {
        fetch.set(ENDPOINT, answer);
        let trusted = TrustedIssuer::new(ISSUER).with_jwks(&jwks);
        let verifier = IntrospectionVerifier::builder(RESOURCE, trusted)
            .endpoint(ENDPOINT)
            .credentials(IntrospectionCredentials::basic("mcp-client", secret()))
            .fetch(fetch.clone())
            .signed_answers()
            .build()
            .unwrap();
        async move { name(verifier.verify("token", now()).await.map(drop)) }
    };
    assert_eq!(ask(signed(&key, TYP, &[])).await, "good");
    assert_eq!(fetch.requests()[0].headers["accept"], "application/token-introspection+jwt");
    assert_eq!(ask(signed(&key, TYP, &[("aud", "mcp-client".into())])).await, "good");
    // A-INTRO-7: made for another resource.
    assert_eq!(ask(signed(&key, TYP, &[("aud", "https://other.example/mcp".into())])).await, "invalid");
    assert_eq!(ask(signed(&key, TYP, &[("token_introspection", json!({"active": false}))])).await, "invalid");
    for (answer, what) in [
        (signed(&key, TYP, &[("iss", "https://evil.example".into())]), "issuer"),
        (signed(&key, TYP, &[("iat", (NOW - 200).into())]), "old"),
        (signed(&key, TYP, &[("iat", (NOW + 200).into())]), "of the future"),
        (signed(&key, TYP, &[("iat", Value::Null)]), "no time"),
        (signed(&key, TYP, &[("token_introspection", "x".into())]), "nothing"),
        (signed(&key, "JWT", &[]), "type"),
        (signed(&key, "at+jwt", &[]), "access token"),
        (signed(&SigningKey::generate_es256(), TYP, &[]), "key"),
        (Fetched::json(live().to_string()), "plain"),
    ] {
        assert_eq!(ask(answer).await, "unavailable", "{what}");
    }
    // What is outside of `token_introspection` says nothing of the token.
    let answer =
        signed(&key, TYP, &[("token_introspection", json!({"active": true})), ("sub", "root".into())]);
    assert_eq!(ask(answer).await, "invalid");
}

#[tokio::test]
async fn a_intro_7_a_signed_answer_is_no_access_token() {
    let key = SigningKey::generate_es256();
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
    let mut claims = live();
    for (name, value) in [("jti", json!("1")), ("iat", json!(NOW)), ("token_introspection", live())] {
        claims[name] = value;
    }
    let verifier = oauth_resource::JwtVerifier::builder(RESOURCE)
        .issuer(TrustedIssuer::new(ISSUER).with_jwks(&jwks).with_plain_jwt_type())
        .build()
        .unwrap();
    assert!(verifier.verify(&key.sign("at+jwt", &claims).unwrap(), now()).await.is_ok());
    assert!(verifier.verify(&key.sign(TYP, &claims).unwrap(), now()).await.is_err());
}
