//! What a refused client is told.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::Full;

use crate::fixture::{Bench, call, method, post, rules};

const PLACE: &str = r#"resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;

#[tokio::test]
async fn without_a_token_the_challenge_says_where_and_for_what() {
    // RS-18, RS-19, RS-20, RS-28
    let bench = Bench::new();
    for (body, scopes) in [
        (method("tools/list"), "notes:read"),
        (method("initialize"), "notes:read"),
        (call("add_note"), "notes:write"),
        (call("move_note"), "notes:delete notes:write"),
        // What cannot be read: what basic use needs, and not everything there is.
        ("nonsense".to_owned(), "notes:read"),
        (String::new(), "notes:read"),
        (r#"{"method":"tools/call","params":{}}"#.to_owned(), "notes:read"),
    ] {
        let reply = bench.post("", &body).await;
        assert_eq!(
            (reply.status, reply.challenge()),
            (401, &*format!(r#"Bearer scope="{scopes}", {PLACE}"#)),
            "{body}"
        );
    }
    assert_eq!(bench.get("/mcp").await.challenge(), format!(r#"Bearer scope="notes:read", {PLACE}"#));
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn what_basic_use_needs_is_named_beside_it_and_nothing_that_is_apart() {
    // RS-19, CONF-25
    let bench = |supported| {
        Bench::with(|builder| {
            let rules = oauth_resource::ScopeRules::builder("mcp:basic").tool("add_note", "mcp:write");
            builder.scopes(rules).scopes_supported(supported)
        })
    };
    for (supported, list, add) in [
        ("mcp:basic mcp:more", "mcp:basic mcp:more", "mcp:basic mcp:more mcp:write"),
        ("mcp:profile", "mcp:basic", "mcp:write"),
    ] {
        let bench = bench(supported);
        for (body, scopes) in [(method("tools/list"), list), (call("add_note"), add)] {
            let reply = bench.post("", &body).await;
            assert_eq!(reply.challenge(), format!(r#"Bearer scope="{scopes}", {PLACE}"#), "{supported}");
        }
    }
}

#[tokio::test]
async fn a_bad_token_gets_an_error_and_the_rest() {
    // RS-20, RS-21
    let bench = Bench::new();
    let reply = bench.post("nonsense", &call("add_note")).await;
    assert_eq!(reply.status, 401);
    let challenge = reply.challenge();
    assert!(challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#), "{challenge}");
    assert!(challenge.ends_with(&format!(r#", scope="notes:write", {PLACE}"#)), "{challenge}");
}

#[tokio::test]
async fn the_challenge_of_a_missing_scope_names_all_that_is_needed() {
    // RS-22, RS-23
    let bench = Bench::new();
    for token in ["reader", "writer"] {
        let reply = bench.post(token, &call("move_note")).await;
        assert_eq!(reply.status, 403, "{token}");
        let challenge = reply.challenge();
        assert!(challenge.starts_with(r#"Bearer error="insufficient_scope", "#), "{challenge}");
        assert!(
            challenge.ends_with(&format!(r#", scope="notes:delete notes:write", {PLACE}"#)),
            "{challenge}"
        );
        assert_eq!(reply.json()["scope"], "notes:delete notes:write");
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_challenge() {
    // RS-25, RS-29
    let bench = Bench::new();
    let first = bench.post("reader", &call("move_note")).await;
    let second = bench.post("reader", &call("move_note")).await;
    assert_eq!(first.challenge(), second.challenge());
    for parameter in ["error=", "error_description=", "scope=", "resource_metadata="] {
        assert_eq!(first.challenge().matches(&format!(" {parameter}")).count(), 1, "{parameter}");
    }
}

#[tokio::test]
async fn nothing_of_a_request_comes_back() {
    // RS-27, RS-32, A-AUD-12, A-HTTP-15
    let bench = Bench::new();
    let mark = "m4rked";
    for (token, tool) in [
        ("", format!("{mark}\"\\\r\nSet-Cookie: é")),
        ("m4rked_token", "add_note".to_owned()),
        ("reader", format!("{mark}\"")),
        ("down", mark.to_owned()),
    ] {
        let mut request = post(token, &call(&tool));
        request.headers_mut().insert("mcp-session-id", mark.parse().unwrap());
        let reply = bench.send(request).await;
        assert!(reply.status >= 400);
        assert!(!format!("{:?} {:?}", reply.headers, reply.body).contains(mark), "{token} {tool}");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("content-type"), "application/json");
        assert!(reply.json().is_object());
    }
}

#[tokio::test]
async fn older_clients_may_be_told_what_they_have_as_well() {
    // Those of 2025-11-25 and before ask anew for what the challenge names, and lose the rest.
    let bench = Bench::with(|builder| builder.scopes(rules()).challenge_includes_granted(true));
    for (version, scopes) in [
        (None, "notes:read notes:write"),
        (Some("2025-06-18"), "notes:read notes:write"),
        (Some("2025-11-25"), "notes:read notes:write"),
        (Some("2026-07-28"), "notes:write"),
    ] {
        let mut request = post("reader", &call("add_note"));
        if let Some(version) = version {
            request.headers_mut().insert("mcp-protocol-version", version.parse().unwrap());
        }
        let reply = bench.send(request).await;
        assert!(
            reply.challenge().contains(&format!(r#"scope="{scopes}""#)),
            "{version:?} {}",
            reply.challenge()
        );
    }
}

#[tokio::test]
async fn a_stranger_does_not_make_us_read_much() {
    let bench = Bench::new();
    let long =
        format!(r#"{{"method":"tools/call","params":{{"name":"add_note","x":"{}"}}}}"#, "a".repeat(1 << 20));
    assert_eq!(bench.post("", &long).await.challenge(), format!(r#"Bearer scope="notes:read", {PLACE}"#));
    // Its owner may send it.
    assert_eq!(bench.post("writer", &long).await.status, 200);
    let request = Request::post("/mcp").body(Endless).unwrap();
    assert_eq!(bench.send(request).await.status, 401);
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

#[tokio::test]
async fn whoever_sends_other_credentials_is_not_anonymous() {
    // A-AUD-14
    let bench = Bench::new();
    let body = Full::from(method("server/discover"));
    let request = Request::post("/mcp").header("authorization", "Basic eDp5").body(body).unwrap();
    assert_eq!(bench.send(request).await.status, 401);
}
