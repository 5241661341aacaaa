//! What forward auth answers.

use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use oauth_core::PeerAddress;
use oauth_resource::{ForwardAuth, IdentityClaim, PathRules, ProxyStyle};
use tower::ServiceExt as _;

use crate::fixture::{PAGE, forward, notes, rules};

const RESOURCE: &str = "https://notes.example/mcp";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }
}

async fn ask(verify: &ForwardAuth, peer: Option<&str>, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(peer) = peer {
        request = request.extension(PeerAddress(peer.parse().unwrap()));
    }
    let answer = verify.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// As Traefik and Caddy ask.
async fn forwarded(
    verify: &ForwardAuth,
    method: &str,
    uri: &str,
    token: &str,
    more: &[(&str, &str)],
) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("x-forwarded-method", method),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "notes.example"),
        ("x-forwarded-uri", uri),
    ];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    headers.extend(more);
    ask(verify, Some("127.0.0.1"), "/verify", &headers).await
}

#[tokio::test]
async fn a_good_token_passes_with_who_it_is() {
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    let answer = forwarded(&verify, "POST", "/mcp?x=y", "alice.read.write", &[]).await;
    assert_eq!((answer.status, &*answer.body), (200, ""));
    assert_eq!(answer.header("x-user-id"), Some("alice"));
    assert_eq!(answer.header("x-auth-scopes"), Some("notes:read notes:write"));
    // What a token calls its bearer is free text, and stays inside one value.
    assert_eq!(answer.header("x-user-name"), Some("%C3%84lice 100%25%0D%0AX-User-Id: root"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn without_a_good_token_the_answer_is_the_resources_challenge() {
    // RS-19, RS-20
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    let place = r#"resource_metadata="https://notes.example/.well-known/oauth-protected-resource/mcp""#;
    let answer = forwarded(&verify, "GET", "/mcp", "", &[]).await;
    let challenge = format!(r#"Bearer scope="notes:read", {place}"#);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*challenge)));
    let answer = forwarded(&verify, "GET", "/mcp/admin/x", "nobody", &[]).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(answer.status == 401 && challenge.contains(r#"error="invalid_token""#));
    assert!(challenge.contains(r#"scope="notes:admin notes:read""#), "{challenge}");
    let answer = forwarded(&verify, "GET", "/mcp/admin/x", "alice.read", &[]).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(answer.status == 403 && challenge.contains(r#"error="insufficient_scope""#));
    assert!(challenge.contains(r#"scope="notes:admin""#) && challenge.contains(place), "{challenge}");
    assert_eq!(forwarded(&verify, "GET", "/mcp/admin/x", "root.admin", &[]).await.status, 200);
    let answer = forwarded(&verify, "GET", "/mcp", "down", &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    assert!(answer.header("www-authenticate").is_none());
    // RS-26, RS-34
    assert_eq!(forwarded(&verify, "GET", "/mcp?access_token=alice.read", "", &[]).await.status, 401);
    assert_eq!(forwarded(&verify, "GET", "/mcp?access_token=x", "alice.read", &[]).await.status, 400);
    let twice = [("authorization", "Bearer bob.read")];
    assert_eq!(forwarded(&verify, "GET", "/mcp", "alice.read", &twice).await.status, 400);
}

#[tokio::test]
async fn an_open_path_passes_with_every_header_empty() {
    // A-PROXY-4, A-AUD-14
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    for name in ["X-User-Id", "x_user_id"] {
        let answer = forwarded(&verify, "GET", "/mcp/open", "", &[(name, "admin")]).await;
        assert_eq!(answer.status, 200);
        for name in ["x-user-id", "x-user-name", "x-auth-scopes"] {
            assert_eq!(answer.header(name), Some(""), "{name}");
        }
    }
    assert_eq!(forwarded(&verify, "POST", "/mcp/open", "", &[]).await.status, 401);
    assert_eq!(forwarded(&verify, "GET", "/mcp/open/x", "", &[]).await.status, 401);
    assert_eq!(forwarded(&verify, "GET", "/mcp/open", "nobody", &[]).await.status, 401);
    let known = forwarded(&verify, "GET", "/mcp/open", "alice.read", &[("X-User-Id", "admin")]).await;
    assert_eq!((known.status, known.header("x-user-id")), (200, Some("alice")));
}

#[tokio::test]
async fn a_proxy_2_only_a_named_proxy_is_believed() {
    // RS-80, UP-16, LIM-9
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "notes.example"),
        ("x-forwarded-uri", "/mcp/open"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ];
    for peer in [None, Some("203.0.113.9"), Some("::1"), Some("127.0.0.2")] {
        let answer = ask(&verify, peer, "/verify", &headers).await;
        assert_eq!(answer.status, 403, "{peer:?}");
        assert!(answer.header("x-user-id").is_none());
    }
    for peer in ["127.0.0.1", "::ffff:127.0.0.0"] {
        assert_eq!(ask(&verify, Some(peer), "/verify", &headers).await.status, 200, "{peer}");
    }
    assert_eq!(ask(&verify, Some("127.0.0.1"), "/other", &headers).await.status, 404);
    // What another proxy would say is the client's to write: it changes nothing.
    let others = [
        ("x-original-uri", "/mcp/open"),
        ("x-original-url", "https://notes.example/mcp/open"),
        ("x-original-method", "GET"),
        ("x-rewrite-url", "/mcp/open"),
        ("forwarded", "host=notes.example;proto=https"),
    ];
    assert_eq!(forwarded(&verify, "POST", "/mcp/admin", "", &others).await.status, 401);
    let bare = ask(&verify, Some("127.0.0.1"), "/verify", &others).await;
    assert_eq!(bare.status, 403);
}

#[tokio::test]
async fn a_header_that_is_there_twice_is_refused() {
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    for (name, value) in [
        ("x-forwarded-uri", "/mcp/open"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "notes.example"),
        ("x-forwarded-proto", "https"),
    ] {
        let answer = forwarded(&verify, "GET", "/mcp/open", "alice.read", &[(name, value)]).await;
        assert_eq!(answer.status, 403, "{name}");
    }
}

#[tokio::test]
async fn what_is_no_named_resource_is_refused_whatever_the_token() {
    // UP-16, A-HTTP-11: default deny, and one spelling for each path.
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    for uri in [
        "/",
        "/other",
        "/mcpx",
        "/MCP",
        "//mcp",
        "/mcp//x",
        "/mcp/../admin",
        "/mcp/./x",
        "/mcp/%2e%2e/x",
        "/mcp/%2E/x",
        "/mcp%2Fadmin",
        "/mcp/open%2F..%2Fadmin",
        "/mcp/open/../admin",
        "/mcp\\admin",
        "/mcp/%61dmin",
        "/mcp/Admin",
        "/mcp;x",
        "/mcp/open;/../admin",
        "/mcp/%00",
        "/other/../mcp",
        "https://notes.example/mcp",
        "*",
        "",
    ] {
        let answer = forwarded(&verify, "GET", uri, "root.read.admin", &[]).await;
        assert_eq!(answer.status, 403, "{uri}");
        assert!(answer.header("x-user-id").is_none(), "{uri}");
    }
    assert_eq!(forwarded(&verify, "NO METHOD", "/mcp", "root.read", &[]).await.status, 403);
}

#[tokio::test]
async fn origin_and_longest_path_choose_the_resource() {
    // RS-47: a token for the one is none for the other.
    let (outer, inner, other) =
        (notes("https://notes.example"), notes("https://notes.example/mcp"), notes("https://b.example/mcp"));
    let encoded = notes("https://notes.example/%40alice/mcp");
    let verify = ForwardAuth::builder(ProxyStyle::OriginalUrl)
        .trusted_proxy("127.0.0.1")
        .path("/ask")
        .resource(&outer, PathRules::new("notes:outer"))
        .resource(&inner, PathRules::new("notes:inner"))
        .resource(&other, PathRules::new("notes:other"))
        .resource(&encoded, PathRules::new("notes:alice").below("/@alice/mcp/x", "notes:x"))
        .identity_header("X-Sub", IdentityClaim::Subject)
        .build()
        .unwrap();
    for (url, scope) in [
        ("https://notes.example/", Some("outer")),
        ("https://notes.example/mcpx", Some("outer")),
        ("https://NOTES.example:443/mcp/x?y", Some("inner")),
        ("https://b.example/mcp", Some("other")),
        // A-HTTP-11: one place, however it is spelled.
        ("https://notes.example/@alice/mcp", Some("alice")),
        ("https://notes.example/%40alice/mcp/y", Some("alice")),
        ("https://notes.example/%40alice/mcp/x", Some("x")),
        ("https://notes.example/@alice", Some("outer")),
        ("https://b.example/", None),
        ("http://notes.example/mcp", None),
        ("https://notes.example:8443/mcp", None),
        ("https://notes.example.evil/mcp", None),
    ] {
        let headers = [("x-original-url", url), ("x-original-method", "GET")];
        let answer = ask(&verify, Some("127.0.0.1"), "/ask", &headers).await;
        match scope {
            Some(scope) => {
                assert_eq!(answer.status, 401, "{url}");
                let named =
                    format!(r#"scope="notes:{scope}{}""#, if scope == "read" { "" } else { " notes:read" });
                let sorted = format!(r#"scope="notes:read notes:{scope}""#);
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains(&named) || challenge.contains(&sorted), "{url}: {challenge}");
            }
            None => assert_eq!(answer.status, 403, "{url}"),
        }
    }
    let headers = [
        ("x-original-url", "https://notes.example/mcp"),
        ("x-original-method", "GET"),
        ("authorization", "Bearer alice.inner"),
    ];
    let answer = ask(&verify, Some("127.0.0.1"), "/ask", &headers).await;
    assert_eq!((answer.status, answer.header("x-sub")), (200, Some("alice")));
    assert!(answer.header("x-user-id").is_none(), "the first own header replaces all");
}

#[tokio::test]
async fn a_name_that_a_proxy_would_trim_is_not_told() {
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    assert_eq!(forwarded(&verify, "GET", "/mcp", "a_b.read", &[]).await.header("x-user-id"), Some("a b"));
    for odd in ["_alice.read", "alice_.read"] {
        let answer = forwarded(&verify, "GET", "/mcp", odd, &[]).await;
        assert_eq!((answer.status, answer.header("x-user-id")), (403, None), "{odd}");
    }
}

#[tokio::test]
async fn envoy_asks_with_the_request_itself() {
    let verify = forward(ProxyStyle::Path, RESOURCE);
    let ask = |path: &'static str, proto: &'static str, token: &'static str| {
        let verify = verify.clone();
        async move {
            let headers = [
                ("host", "notes.example"),
                ("x-forwarded-proto", proto),
                ("authorization", token),
                ("x-forwarded-uri", "/mcp/open"),
            ];
            ask(&verify, Some("127.0.0.1"), path, &headers).await.status
        }
    };
    assert_eq!(ask("/verify/mcp", "https", "Bearer alice.read").await, 200);
    assert_eq!(ask("/verify/mcp/admin", "https", "Bearer alice.read").await, 403);
    assert_eq!(ask("/verify/mcp/../open", "https", "Bearer alice.read").await, 403);
    assert_eq!(ask("/verify//mcp", "https", "Bearer alice.read").await, 403);
    assert_eq!(ask("/verify/mcp", "http", "Bearer alice.read").await, 403);
    assert_eq!(ask("/verify", "https", "Bearer alice.read").await, 403);
}

#[tokio::test]
async fn nginx_gets_no_status_that_it_would_make_500_of() {
    let verify = forward(ProxyStyle::OriginalUri, RESOURCE);
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/mcp?access_token=x"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "notes.example"),
        ("authorization", "Bearer alice.read"),
    ];
    let answer = ask(&verify, Some("127.0.0.1"), "/verify", &headers).await;
    assert!(answer.status == 403 && answer.body.contains("invalid_request"));
}

#[tokio::test]
async fn a_browser_may_ask_for_a_page_that_is_named_and_for_no_other() {
    // RS-78, RS-79, A-HTTP-17
    let named = forward(ProxyStyle::ForwardedUri, RESOURCE);
    let unnamed = ForwardAuth::builder(ProxyStyle::ForwardedUri)
        .trusted_proxy("127.0.0.0/8")
        .resource(&notes(RESOURCE), rules())
        .build()
        .unwrap();
    let (wants, from) = (("access-control-request-method", "POST"), ("origin", PAGE));
    for path in ["/mcp", "/mcp/admin", "/mcp/open"] {
        let passed = forwarded(&named, "OPTIONS", path, "", &[wants, from]).await;
        assert_eq!((passed.status, passed.header("x-user-id")), (200, Some("")), "{path}");
        assert_eq!(forwarded(&unnamed, "OPTIONS", path, "", &[wants, from]).await.status, 401, "{path}");
    }
    // RS-75: whoever has a token, too.
    for (what, more) in [
        ("another page", &[wants, ("origin", "https://app.example.evil")][..]),
        ("a page of nobody's", &[wants, ("origin", "null")]),
        ("two pages", &[wants, from, from]),
        ("another page by itself", &[("origin", "https://app.example.evil")]),
    ] {
        for (method, token) in [("OPTIONS", ""), ("POST", ""), ("POST", "alice.read"), ("GET", "root.admin")]
        {
            let refused = forwarded(&named, method, "/mcp", token, more).await;
            assert_eq!((refused.status, refused.header("x-user-id")), (403, None), "{what} {method}");
        }
    }
    let own = [("origin", "https://notes.example")];
    assert_eq!(forwarded(&named, "POST", "/mcp", "alice.read", &own).await.status, 200);
    for (what, method, token, more) in [
        ("no page", "OPTIONS", "", &[wants][..]),
        ("no question", "OPTIONS", "", &[from]),
        ("another method", "POST", "", &[wants, from]),
        ("another method", "GET", "", &[wants, from]),
        ("a token that is none", "OPTIONS", "nobody", &[wants, from]),
        ("a body", "OPTIONS", "", &[wants, from, ("content-length", "12")]),
        ("a body", "OPTIONS", "", &[wants, from, ("transfer-encoding", "chunked")]),
        ("a token in the query", "OPTIONS", "", &[wants, from, ("x", "y")]),
    ] {
        let path = if what.ends_with("query") { "/mcp?access_token=x" } else { "/mcp" };
        assert_eq!(forwarded(&named, method, path, token, more).await.status, 401, "{what}");
    }
    // A method of another case is that method to some servers behind, and another to the rules.
    for method in ["options", "Delete", "post"] {
        assert_eq!(forwarded(&named, method, "/mcp", "root.admin", &[from]).await.status, 403, "{method}");
    }
    // What is no named place stays none.
    for path in ["/other", "/mcp/../admin", "/MCP"] {
        assert_eq!(forwarded(&named, "OPTIONS", path, "", &[wants, from]).await.status, 403, "{path}");
    }
    // A page that is named can read why it was refused; another cannot.
    for (token, status) in [("", 401), ("nobody", 401), ("alice.read", 403), ("down", 503)] {
        let refused = forwarded(&named, "GET", "/mcp/admin", token, &[from]).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (status, Some(PAGE)));
        assert!(refused.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
        assert!(refused.header("access-control-allow-credentials").is_none());
        let foreign =
            forwarded(&named, "GET", "/mcp/admin", token, &[("origin", "https://evil.example")]).await;
        assert!(foreign.header("access-control-allow-origin").is_none());
    }
    // Who is let through gets that from the server behind, once.
    let passed = forwarded(&named, "GET", "/mcp", "alice.read", &[from]).await;
    assert_eq!((passed.status, passed.header("access-control-allow-origin")), (200, None));
    for bad in ["*", "null", "https://app.example/", "app.example"] {
        let built =
            ForwardAuth::builder(ProxyStyle::Path).resource(&notes(RESOURCE), rules().page(bad)).build();
        assert!(built.unwrap_err().to_string().contains("origin"), "{bad}");
    }
}

#[tokio::test]
async fn a_verifier_is_told_from_where_the_client_came_and_not_the_proxy() {
    // A-INTRO-3, A-PROXY-3
    let verify = forward(ProxyStyle::ForwardedUri, RESOURCE);
    for (more, source) in [
        (&[("x-forwarded-for", "198.51.100.7, 192.0.2.7")][..], "192.0.2.7"),
        (&[("x-forwarded-for", "192.0.2.8, 127.0.0.1")], "192.0.2.8"),
        (&[], "127.0.0.1"),
    ] {
        // Who was let in is known by their token: another one each time.
        let token = format!("whence.read.{}", source.replace('.', "_"));
        let answer = forwarded(&verify, "GET", "/mcp", &token, more).await;
        assert_eq!((answer.status, answer.header("x-user-id")), (200, Some(source)));
    }
}
