//! JWT: algorithms that a client would like to choose. What is forged otherwise stands beside the verifiers.

use http::StatusCode;
use serde_json::{Value, json};

use crate::host::{CALLBACK, Host};

#[tokio::test]
async fn a_jwt_25_the_client_chooses_the_algorithm() {
    let host = Host::start().await;
    for member in
        ["token_endpoint_auth_signing_alg", "id_token_signed_response_alg", "request_object_signing_alg"]
    {
        for algorithm in ["none", "HS256", "None"] {
            let metadata = json!({
                "client_name": "App", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", member: algorithm,
            });
            let answer = host.register(&metadata).await;
            // Refused, or not taken up: the answer says what was registered.
            let is_refused = answer.status == StatusCode::BAD_REQUEST
                && answer.member("error") == Some("invalid_client_metadata");
            let is_ignored = answer.status == StatusCode::CREATED && answer.json.get(member).is_none();
            assert!(is_refused || is_ignored, "{member} {algorithm}: {}", answer.text());
        }
    }
    // A client that signs has a document with its keys; nobody registers one by request.
    let keys = json!({
        "client_name": "App", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "none", "jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]},
    });
    let answer = host.register(&keys).await;
    assert_eq!(answer.member("error"), Some("invalid_client_metadata"), "{}", answer.text());
    // And what is signed by nothing, or by a secret, is nobody's assertion, whatever a client says of itself.
    for assertion in [
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHAiLCJzdWIiOiJhcHAifQ.",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcHAiLCJzdWIiOiJhcHAifQ.AAAA",
    ] {
        let answer = host
            .token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("client_id", "app"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
            ])
            .await;
        assert!(!answer.status.is_success(), "{}", answer.text());
    }
    let metadata = host.get("/.well-known/oauth-authorization-server").await;
    let metadata: Value = serde_json::from_slice(metadata.body()).unwrap();
    for algorithms in
        ["token_endpoint_auth_signing_alg_values_supported", "id_token_signing_alg_values_supported"]
    {
        let offered = metadata[algorithms].as_array().cloned().unwrap_or_default();
        let is_weak =
            |name: &Value| name.as_str().is_none_or(|name| name == "none" || name.starts_with("HS"));
        assert!(!offered.iter().any(is_weak), "{algorithms}: {offered:?}");
    }
}
