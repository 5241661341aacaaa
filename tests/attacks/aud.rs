//! AUD: what a token is not good for, and where it must not come to light. The other cases stand beside the layers of the resource.

use http::{Request, StatusCode};
use oauth_testing::{CapturedLog, KnownClient};

use crate::host::{Host, url};

const JSON_RPC: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// A token of somebody who has signed in.
async fn access_token(host: &Host) -> String {
    host.visit(KnownClient::WebApp).await.unwrap().connect().await.unwrap().access_token
}

#[tokio::test]
async fn a_aud_12_a_token_in_errors_and_in_the_log() {
    // RS-87, RS-32
    let log = CapturedLog::of_this_thread();
    let host = Host::start().await;
    let token = access_token(&host).await;
    let marked = format!("{token}marked-by-a-client");
    let post = |headers: &[(&str, &str)], target: &str| {
        let mut request = Request::post(url(target)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    let (good, bad) = (format!("Bearer {token}"), format!("Bearer {marked}"));
    let spaced = format!("Bearer {token} {marked}");
    let scheme = format!("DPoP {token}");
    let in_query = format!("/mcp?access_token={token}");
    let deny =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note","arguments":{}}}"#;
    let in_form = format!("access_token={token}");
    let mut refused = 0;
    for (request, body) in [
        (post(&[("authorization", &bad)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &spaced)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &scheme)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &token)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &good), ("authorization", &bad)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &good)], &in_query), JSON_RPC),
        (post(&[], &in_query), JSON_RPC),
        (post(&[("authorization", &good)], "/mcp"), deny),
        (post(&[("authorization", &good), ("mcp-session-id", &token)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &good), ("origin", "https://evil.example")], "/mcp"), JSON_RPC),
        (post(&[("authorization", &good), ("mcp-method", &token)], "/mcp"), JSON_RPC),
        (post(&[("authorization", &good)], "/mcp"), "{"),
        (
            Request::post(url("/mcp"))
                .header("authorization", &good)
                .header("content-type", "application/x-www-form-urlencoded"),
            &in_form,
        ),
    ] {
        let answer = host.send(request, body.to_owned()).await;
        let told = format!("{:?} {}", answer.headers(), String::from_utf8_lossy(answer.body()));
        assert!(!told.contains(&token) && !told.contains("marked-by-a-client"), "{told}");
        refused += usize::from(answer.status().is_client_error());
    }
    assert!(refused >= 12, "{refused}");
    // It was read all the same where it may be.
    let listed = host.send(post(&[("authorization", &good)], "/mcp"), JSON_RPC).await;
    assert_eq!(listed.status(), StatusCode::OK);
    assert_eq!(log.leaks([&*token, &*marked]), Vec::<String>::new());
    assert!(!host.events().iter().any(|event| event.contains(&token)), "{:?}", host.events());
}
