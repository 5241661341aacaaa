//! The client against servers that are right, and servers that are not.

use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use oauth_core::testing::SeededEntropy;
use serde_json::{Value, json};

use super::*;
use crate::wire::InProcess;

const MCP: &str = "https://mcp.example/mcp";

/// A server with these documents, and a 401 with this challenge at `/mcp`.
fn server(challenge: &'static str, documents: Vec<(&'static str, Value)>) -> Client {
    let refuse = move || async move { (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]) };
    let router =
        documents.into_iter().fold(Router::new().route("/mcp", post(refuse)), |router, (path, document)| {
            router.route(path, get(move || async move { Json(document) }))
        });
    Client::new(InProcess::new(router), MCP).unwrap().with_entropy(SeededEntropy::new(1))
}

fn resource(named: &str) -> Value {
    json!({ "resource": named, "authorization_servers": ["https://mcp.example/t"], "scopes_supported": ["a", "b"] })
}

fn issuer(named: &str) -> Value {
    json!({ "issuer": named, "authorization_endpoint": "https://mcp.example/authorize", "token_endpoint": "https://mcp.example/token" })
}

#[tokio::test]
async fn documents_are_found_in_every_form() {
    let roots = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];
    let servers = [
        "/.well-known/oauth-authorization-server/t",
        "/.well-known/openid-configuration/t",
        "/t/.well-known/openid-configuration",
    ];
    for root in roots {
        for place in servers {
            let client =
                server("Bearer", vec![(root, resource(MCP)), (place, issuer("https://mcp.example/t"))]);
            let found = client.discover().await.unwrap();
            assert_eq!((found.resource_url.path(), found.server_url.path()), (root, place));
            assert_eq!(found.scope().unwrap(), "a b");
        }
    }
}

#[tokio::test]
async fn the_challenge_leads_and_names_the_scope() {
    let challenge = r#"Bearer resource_metadata="https://mcp.example/elsewhere", scope="a""#;
    let place = "/.well-known/oauth-authorization-server/t";
    let client = server(
        challenge,
        vec![("/elsewhere", resource("https://mcp.example/")), (place, issuer("https://mcp.example/t"))],
    );
    let found = client.discover().await.unwrap();
    assert_eq!((found.resource_url.path(), found.scope().as_deref()), ("/elsewhere", Some("a")));

    let pkce = Pkce::generate(&SeededEntropy::new(2));
    let request = client.authorize(&found, &Registration::public("c"), &pkce).unwrap();
    assert_eq!(request.pairs.get("resource"), Some("https://mcp.example/"));
    assert_eq!(request.pairs.get("scope"), Some("a"));
    let back = |query: &str| Callback::read(&format!("{}?{query}", Client::REDIRECT_URI).parse().unwrap());
    let state = request.state().unwrap();
    assert!(
        back(&format!("code=x&state={state}&iss=https%3A%2F%2Fmcp.example%2Ft"))
            .check(&request, &found)
            .is_ok()
    );
    // A-MIX-1: somebody else's answer.
    assert!(
        back(&format!("code=x&state={state}&iss=https%3A%2F%2Fevil.example"))
            .check(&request, &found)
            .is_err()
    );
    assert!(back("code=x&state=other").check(&request, &found).is_err());
}

#[tokio::test]
async fn a_document_about_somebody_else_is_refused() {
    let root = "/.well-known/oauth-protected-resource";
    let place = "/.well-known/oauth-authorization-server/t";
    for (named, by) in [
        ("https://evil.example/mcp", "https://mcp.example/t"),
        ("https://mcp.example/mcp/", "https://mcp.example/t"),
        ("https://mcp.example/mc", "https://mcp.example/t"),
        (MCP, "https://mcp.example/t/"),
        (MCP, "https://evil.example"),
    ] {
        let client = server("Bearer", vec![(root, resource(named)), (place, issuer(by))]);
        assert!(matches!(client.discover().await, Err(ClientError::Mismatch { .. })), "{named} {by}");
    }
    let nothing = server("Bearer", vec![]);
    assert!(matches!(nothing.discover().await, Err(ClientError::Status { .. })));
}

#[tokio::test]
async fn a_session_is_opened_and_kept() {
    async fn mcp(headers: HeaderMap, Json(message): Json<Value>) -> axum::response::Response {
        let session = headers.get("mcp-session-id").map(|session| session.to_str().unwrap().to_owned());
        match message["method"].as_str().unwrap() {
            "initialize" => {
                let event = format!("event: message\ndata: {}\n\n", json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
                ([("mcp-session-id", "s1"), ("content-type", "text/event-stream")], event).into_response()
            }
            "notifications/initialized" => StatusCode::ACCEPTED.into_response(),
            "tools/call" => {
                let version = headers["mcp-protocol-version"].to_str().unwrap();
                Json(json!({ "jsonrpc": "2.0", "id": 2, "result": [session, version, headers["authorization"].to_str().unwrap()] }))
                    .into_response()
            }
            _ => Json(json!({ "jsonrpc": "2.0", "id": 3, "error": { "code": -32601, "message": "no such method" } })).into_response(),
        }
    }
    let client = Client::new(InProcess::new(Router::new().route("/mcp", post(mcp))), MCP).unwrap();
    let mut mcp = client.mcp();
    mcp.connect(Some("t")).await.unwrap();
    assert_eq!(mcp.session(), Some("s1"));
    let answer = mcp.call_tool(Some("t"), "x", json!({})).await.unwrap();
    assert_eq!(*answer.result().unwrap(), json!(["s1", "2025-11-25", "Bearer t"]));
    let refused = mcp.call(Some("t"), "nothing", json!({})).await.unwrap();
    assert_eq!(refused.result().unwrap_err().to_string(), "-32601: no such method");
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_then_an_error() {
    let refuse = || async {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant", "error_description": "spent" })))
    };
    let client = Client::new(InProcess::new(Router::new().route("/token", post(refuse))), MCP).unwrap();
    let answer = client.send(&TokenRequest::new("https://mcp.example/token".parse().unwrap())).await.unwrap();
    assert_eq!((answer.status, answer.error()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
    assert_eq!(answer.tokens().unwrap_err().to_string(), "invalid_grant: spent");
}

#[test]
fn a_client_knows_its_own_address() {
    let client = server("Bearer", vec![]).with_redirect_uri("https://app.example/cb?tenant=1");
    for (url, own) in [
        ("https://app.example/cb?tenant=1&code=x", true),
        ("https://app.example/cb", true),
        ("https://app.example/cb/x", false),
        ("https://app.example.evil.example/cb", false),
    ] {
        assert_eq!(client.is_callback(&url.parse().unwrap()), own, "{url}");
    }
}
