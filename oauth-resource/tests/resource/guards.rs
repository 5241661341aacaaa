//! Pages, names, and what browsers are told.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_resource::WELL_KNOWN;

use crate::fixture::{Bench, call, method, post, rules};

fn with(token: &str, headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = post(token, &method("tools/list"));
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn preflight(origin: &str) -> Request<Full<Bytes>> {
    Request::options("/mcp")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, mcp-protocol-version")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn foreign_pages_are_refused_before_anything_else() {
    // RS-75, A-PROXY-8, A-PROXY-9, A-PROXY-10
    let bench = Bench::with(|builder| builder.scopes(rules()).allow_origin("https://good.example"));
    for origin in [
        "https://evil.example",
        "null",
        "https://good.example.evil",
        "https://evilgood.example",
        "http://good.example",
        "https://good.example:8443",
        "HTTPS://GOOD.EXAMPLE",
        "file://",
        "",
    ] {
        for token in ["reader", "nonsense", ""] {
            let reply = bench.send(with(token, &[("origin", origin)])).await;
            assert_eq!(reply.status, 403, "{origin} {token}");
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }
        let reply = bench.send(preflight(origin)).await;
        assert_eq!(reply.status, 403, "{origin}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(
        bench
            .send(with("reader", &[("origin", "https://good.example"), ("origin", "https://evil.example")]))
            .await
            .status,
        403
    );
    assert_eq!((bench.inner.count(), bench.tokens.asked.load(std::sync::atomic::Ordering::SeqCst)), (0, 0));
    for origin in ["https://good.example", "https://mcp.example"] {
        assert_eq!(bench.send(with("reader", &[("origin", origin)])).await.status, 200, "{origin}");
    }
}

#[tokio::test]
async fn pages_on_the_list_can_read_answers_and_refusals() {
    // RS-78, CLIENTS "What hurts people most" 6
    let bench = Bench::with(|builder| builder.scopes(rules()).allow_origin("https://good.example"));
    let origin = ("origin", "https://good.example");
    let mut forbidden = with("reader", &[origin]);
    *forbidden.body_mut() = Full::from(call("add_note"));
    for (request, status) in [
        (with("reader", &[origin]), 200),
        (with("", &[origin]), 401),
        (with("nonsense", &[origin]), 401),
        (with("down", &[origin]), 503),
        (with("reader", &[origin, ("mcp-session-id", "other")]), 404),
        (forbidden, 403),
    ] {
        let reply = bench.send(request).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (status, "https://good.example")
        );
        assert_eq!(reply.header("vary"), "Origin");
        assert!(!reply.headers.contains_key("access-control-allow-credentials"));
        let exposed = reply.header("access-control-expose-headers");
        for name in ["WWW-Authenticate", "DPoP-Nonce", "Mcp-Session-Id", "Retry-After"] {
            assert!(exposed.contains(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_reaches_nobody() {
    // RS-78, RS-79, A-HTTP-17
    let bench = Bench::with(|builder| builder.allow_origin("https://good.example"));
    let reply = bench.send(preflight("https://good.example")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, "https://good.example"));
    let allowed = reply.header("access-control-allow-headers");
    for name in [
        "Authorization",
        "DPoP",
        "Content-Type",
        "Accept",
        "MCP-Protocol-Version",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "Last-Event-ID",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
    assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_loopback_server_answers_to_loopback_names_alone() {
    // RS-76, A-PROXY-7
    let bench = Bench::at("http://127.0.0.1:8000/mcp", |builder| builder);
    let mut claims = crate::fixture::claims("alice", "");
    claims.audience = vec!["http://127.0.0.1:8000/mcp".into()];
    bench.tokens.put("local", claims);
    for (host, status) in [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("attacker.test:8000", 403),
        ("127.0.0.1.attacker.test", 403),
        ("attacker.test", 403),
        ("user@127.0.0.1:8000", 403),
    ] {
        assert_eq!(bench.send(with("local", &[("host", host)])).await.status, status, "{host}");
    }
    // Not even what anybody may read.
    let request =
        Request::get(WELL_KNOWN).header("host", "attacker.test").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(bench.send(request).await.status, 403);
    assert_eq!(
        bench.send(with("local", &[("host", "127.0.0.1:8000"), ("host", "attacker.test")])).await.status,
        403
    );
    let absolute = Request::get("http://attacker.test/mcp").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(bench.send(absolute).await.status, 403);
    // What a proxy says of the client's request is not asked (RS-80).
    let forwarded = [
        ("host", "attacker.test"),
        ("x-forwarded-host", "127.0.0.1:8000"),
        ("forwarded", "host=127.0.0.1:8000"),
    ];
    assert_eq!(bench.send(with("local", &forwarded)).await.status, 403);
}

#[tokio::test]
async fn the_list_of_names_can_be_set() {
    // RS-76
    let open = Bench::new();
    assert_eq!(open.send(with("reader", &[("host", "anything")])).await.status, 200);
    let listed = Bench::with(|builder| builder.allow_host("internal:8080"));
    for (host, status) in [("mcp.example", 200), ("INTERNAL:8080", 200), ("internal", 403), ("anything", 403)]
    {
        assert_eq!(listed.send(with("reader", &[("host", host)])).await.status, status, "{host}");
    }
    let hole = Bench::at("http://127.0.0.1:8000/mcp", |builder| builder.insecure_any_host());
    assert_eq!(hole.send(with("", &[("host", "anything")])).await.status, 401);
}
