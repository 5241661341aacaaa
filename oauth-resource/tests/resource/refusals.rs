//! Refusals as errors of JSON-RPC, for clients that look there.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use oauth_core::dpop::ProofChecker;
use oauth_resource::{Dpop, JsonRpcRefusalsLayer, ProtectedResource, ProtectedResourceBuilder};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::fixture::{ISSUER, Inner, RESOURCE, Tokens, call, claims, post, rules};

async fn answered(
    configure: impl FnOnce(ProtectedResourceBuilder<Tokens>) -> ProtectedResourceBuilder<Tokens>,
    request: http::Request<Full<Bytes>>,
) -> (u16, Option<String>, String) {
    let tokens = Tokens::default();
    let mut lasting = claims("alice", "notes:read");
    lasting.expires_at = oauth_core::Timestamp::MAX;
    tokens.put("reader", lasting);
    let builder = ProtectedResource::builder(RESOURCE, ISSUER).scopes(rules()).verifier(tokens);
    let resource = configure(builder).build().unwrap();
    let refusals = JsonRpcRefusalsLayer::new(
        resource.resource(),
        "https://as.example/authorize",
        "https://as.example/token",
    );
    let service = refusals.layer(resource.layer().layer(Inner::default()));
    let answer = service.oneshot(request).await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, challenge, String::from_utf8(body.to_vec()).unwrap())
}

fn error(body: &str) -> (i64, String, Value) {
    let said: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&said["jsonrpc"], &said["id"]), (&json!("2.0"), &Value::Null), "{said}");
    let error = &said["error"];
    (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned(), error["data"].clone())
}

#[tokio::test]
async fn what_a_sign_in_helps_says_how_to_sign_in() {
    let data = |scopes: Value| {
        json!({
            "type": "oauth2", "grant_type": "authorization_code", "authorization_url": "https://as.example/authorize",
            "token_url": "https://as.example/token", "scopes": scopes, "resource": RESOURCE, "code_challenge_method": "S256",
        })
    };
    let (status, challenge, body) = answered(|builder| builder, post("", &call("add_note"))).await;
    assert_eq!((status, challenge.is_some()), (401, true));
    let unknown = (-32001, "Authentication required".to_owned(), data(json!(["notes:write"])));
    assert_eq!(error(&body), unknown);

    // What is named is what the challenge names: the step up of RS-21.
    let (status, challenge, body) = answered(|builder| builder, post("reader", &call("move_note"))).await;
    let scopes = json!(["notes:delete", "notes:write"]);
    assert_eq!((status, error(&body)), (403, (-32001, "Insufficient scope".to_owned(), data(scopes))));
    assert!(challenge.unwrap().contains(r#"scope="notes:delete notes:write""#));

    // With proofs of possession a challenge has two schemes, and the same scopes.
    let dpop = |builder: ProtectedResourceBuilder<Tokens>| builder.dpop(Dpop::optional(ProofChecker::new()));
    let (status, _, body) = answered(dpop, post("", &call("add_note"))).await;
    assert_eq!((status, error(&body)), (401, unknown));
}

#[tokio::test]
async fn what_no_sign_in_helps_stays_as_it_is() {
    let foreign = |mut request: http::Request<Full<Bytes>>| {
        request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        request
    };
    for (request, status) in
        [(foreign(post("reader", &call("list_notes"))), 403), (post("down", &call("list_notes")), 503)]
    {
        let (answered, challenge, body) = answered(|builder| builder, request).await;
        assert_eq!((answered, challenge), (status, None));
        assert!(!body.contains("authorization_url"), "{body}");
    }
    let (status, _, body) = answered(|builder| builder, post("reader", &call("list_notes"))).await;
    assert_eq!((status, &*body), (200, "inner"));
}
