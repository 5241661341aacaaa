//! Which tokens open the door.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_core::{Binding, Revocations, Thumbprint, Timestamp};

use crate::fixture::{Bench, ISSUER, NOW, RESOURCE, call, claims, method, post};

fn with_header(value: &str) -> Request<Full<Bytes>> {
    let body = Full::from(method("tools/list"));
    Request::post("/mcp").header("authorization", value).body(body).unwrap()
}

#[tokio::test]
async fn one_header_of_one_form_is_read() {
    // RS-33, RS-38
    let bench = Bench::new();
    for good in ["Bearer reader", "bearer reader", "BEARER reader", "bEaReR reader"] {
        assert_eq!(bench.send(with_header(good)).await.status, 200, "{good}");
    }
    let long = format!("Bearer {}", "a".repeat(1 << 20));
    for bad in [
        "Bearer  reader",
        "Bearer reader x",
        "Bearer reader,",
        "Bearer reader;x=1",
        "Bearer \"reader\"",
        "Bearer\treader",
        &long,
    ] {
        let reply = bench.send(with_header(bad)).await;
        assert_eq!(reply.status, 401, "{bad:.40}");
        assert!(reply.challenge().contains(r#"error="invalid_token""#), "{bad:.40}");
    }
    for none in ["Bearer", "Bearer ", "Basic cmVhZGVyOg==", "reader", "DPoP reader", ""] {
        let reply = bench.send(with_header(none)).await;
        assert_eq!(reply.status, 401, "{none}");
        // RS-20: nothing that could be wrong was sent.
        assert!(!reply.challenge().contains("error="), "{none}");
    }
}

#[tokio::test]
async fn two_headers_are_refused_whatever_they_say() {
    // RS-26, RS-37
    let bench = Bench::new();
    for second in ["Bearer reader", "Bearer other", "Basic x"] {
        let mut request = post("reader", &method("tools/list"));
        request.headers_mut().append("authorization", second.parse().unwrap());
        let reply = bench.send(request).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_request".into()), "{second}");
        let challenge = reply.challenge();
        assert!(challenge.starts_with(r#"Bearer error="invalid_request", "#), "{challenge}");
        assert!(challenge.contains("resource_metadata=") && !challenge.contains("scope="), "{challenge}");
    }
    // Not even where nobody need be known: it would go on in the URL.
    for authorization in [None, Some("Bearer"), Some("Basic YTpi")] {
        let mut open = Request::post("/mcp?a=b&access%5Ftoken=reader");
        if let Some(value) = authorization {
            open = open.header("authorization", value);
        }
        let open = open.body(Full::from(method("server/discover"))).unwrap();
        assert_eq!(bench.send(open).await.status, 401, "{authorization:?}");
    }
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_aud_7_a_token_elsewhere_is_no_token() {
    // RS-34, RS-35, A-AUD-7
    let bench = Bench::new();
    let body = || Full::from(method("tools/list"));
    let query = Request::post("/mcp?access_token=reader").body(body()).unwrap();
    assert_eq!(bench.send(query).await.status, 401);
    let form = |token: &str| {
        let mut request = post(token, "access_token=reader&x=y");
        request
            .headers_mut()
            .insert("content-type", "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
        request
    };
    assert_eq!(bench.send(form("")).await.status, 401);
    // RS-26: beside one in the header it is a second method.
    let twice = bench.send(form("reader")).await;
    assert_eq!(twice.status, 400);
    assert!(twice.challenge().starts_with(r#"Bearer error="invalid_request", "#), "{}", twice.challenge());
    let both = Request::post("/mcp?access_token=reader")
        .header("authorization", "Bearer reader")
        .body(body())
        .unwrap();
    assert_eq!(bench.send(both).await.status, 400);
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn every_fault_of_a_token_looks_the_same() {
    // RS-21, RS-46, RS-47, A-AUD-1, A-AUD-6, DPOP-11
    let bench = Bench::new();
    let hour = Timestamp::from_secs(NOW + 3600);
    let put = |token: &str, change: &dyn Fn(&mut oauth_core::Claims)| {
        let mut claims = claims("alice", "notes:read");
        change(&mut claims);
        bench.tokens.put(token, claims);
    };
    put("other_issuer", &|claims| claims.issuer = "https://evil.example".into());
    put("issuer_slash", &|claims| claims.issuer = format!("{ISSUER}/").into());
    put("other_audience", &|claims| claims.audience = vec!["https://other.example/mcp".into()]);
    put("no_audience", &|claims| claims.audience.clear());
    put("audience_prefix", &|claims| claims.audience = vec!["https://mcp.example".into()]);
    put("audience_suffix", &|claims| claims.audience = vec!["https://mcp.example/mcp.evil".into()]);
    put("expired", &|claims| claims.expires_at = Timestamp::from_secs(NOW));
    put("not_yet", &|claims| claims.not_before = Some(hour));
    put("bound", &|claims| claims.binding = Binding::Dpop(Thumbprint::from_bytes([1; 32])));
    let reference = bench.post("nobody_issued_this", &method("tools/list")).await;
    assert_eq!(reference.status, 401);
    for token in [
        "other_issuer",
        "issuer_slash",
        "other_audience",
        "no_audience",
        "audience_prefix",
        "audience_suffix",
        "expired",
        "not_yet",
        "bound",
    ] {
        let reply = bench.post(token, &method("tools/list")).await;
        assert_eq!(
            (reply.status, &reply.body, reply.challenge()),
            (401, &reference.body, reference.challenge()),
            "{token}"
        );
    }
    put("several", &|claims| {
        claims.audience = vec!["https://other.example".into(), "HTTPS://MCP.example:443/mcp".into()];
    });
    assert_eq!(bench.post("several", &method("tools/list")).await.status, 200, "RS-48");
    assert_eq!(bench.inner.count(), 1);
}

#[tokio::test]
async fn ten_thousand_audiences_are_no_trouble() {
    // A-AUD-3
    let bench = Bench::new();
    let mut many = claims("alice", "notes:read");
    many.audience = (0..10_000).map(|n| format!("{RESOURCE}{n}").into()).collect();
    bench.tokens.put("many", many);
    assert_eq!(bench.post("many", &method("tools/list")).await.status, 401);
}

#[tokio::test]
async fn an_outage_is_no_refusal() {
    // RS-72, RS-32, A-LOGX-4
    let bench = Bench::new();
    let reply = bench.post("down", &method("tools/list")).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), "2");
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
    assert!(!reply.headers.contains_key("www-authenticate"));
    assert!(!String::from_utf8_lossy(&reply.body).contains("hunter2"));
}

#[tokio::test]
async fn every_request_is_authenticated_whatever_its_method() {
    // RS-36, wire fact 7: clients probe with GET.
    let bench = Bench::new();
    for method in ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "PROPFIND"] {
        let request = |token: Option<&str>| {
            let mut request =
                Request::builder().method(method).uri("/mcp").header("mcp-session-id", "inner-1");
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            request.body(Full::<Bytes>::default()).unwrap()
        };
        assert_eq!(bench.send(request(None)).await.status, 401, "{method}");
        assert_eq!(bench.send(request(Some("nonsense"))).await.status, 401, "{method}");
    }
    for path in [
        "/",
        "/mcp/",
        "/MCP",
        "/mcp/../mcp",
        "//mcp",
        "/%6dcp",
        "/.well-known/../mcp",
        "/.well-known/oauth-protected-resourceX",
    ] {
        // A-HTTP-11, A-HTTP-12: there is no path around the layer.
        assert_eq!(bench.get(path).await.status, 401, "{path}");
    }
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_aud_5_the_inner_service_sees_who_calls_and_not_with_what() {
    // RS-39, A-AUD-5
    let bench = Bench::new();
    for _ in 0..2 {
        // The second time from the cache.
        let mut request = post("writer", &call("add_note"));
        request.headers_mut().insert("dpop", "proof".parse().unwrap());
        request.headers_mut().append("cookie", "__Host-oauth-session=s3cret".parse().unwrap());
        request.headers_mut().append("cookie", "theme=dark".parse().unwrap());
        assert_eq!(bench.send(request).await.status, 200);
        let seen = bench.inner.last();
        for gone in ["authorization", "dpop", "cookie"] {
            assert!(!seen.headers.contains_key(gone), "{gone}");
        }
        let caller = seen.caller.unwrap();
        assert_eq!(
            (caller.subject().as_str(), caller.client_id().as_str(), caller.issuer()),
            ("alice", "app", ISSUER)
        );
        assert!(caller.is_user() && caller.covers("notes:read") && !caller.covers("admin"));
    }
    assert_eq!(bench.tokens.asked.load(Ordering::SeqCst), 1);
    // Nor where nobody need say who they are.
    let mut request = post("", &method("server/discover"));
    request.headers_mut().insert("dpop", "proof".parse().unwrap());
    request.headers_mut().insert("cookie", "__Host-oauth-session=s3cret".parse().unwrap());
    assert_eq!(bench.send(request).await.status, 200);
    let seen = bench.inner.last();
    assert!(!seen.headers.contains_key("cookie") && !seen.headers.contains_key("dpop"));
}

#[tokio::test]
async fn an_accepted_token_is_remembered_for_a_short_time() {
    // RS-71
    let bench = Bench::new();
    let asked = || bench.tokens.asked.load(Ordering::SeqCst);
    assert_eq!(bench.post("reader", &method("tools/list")).await.status, 200);
    bench.tokens.remove("reader");
    bench.clock.forward(Duration::from_millis(9_999));
    assert_eq!(bench.post("reader", &method("tools/list")).await.status, 200);
    assert_eq!(asked(), 1);
    bench.clock.forward(Duration::from_millis(1));
    assert_eq!(bench.post("reader", &method("tools/list")).await.status, 401);
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn nothing_is_remembered_past_its_own_end() {
    // RS-71
    let bench = Bench::new();
    let mut brief = claims("alice", "notes:read");
    brief.expires_at = Timestamp::from_millis(NOW * 1000 + 5_000);
    bench.tokens.put("brief", brief);
    assert_eq!(bench.post("brief", &method("tools/list")).await.status, 200);
    bench.clock.forward(Duration::from_millis(4_999));
    assert_eq!(bench.post("brief", &method("tools/list")).await.status, 200);
    bench.clock.forward(Duration::from_millis(1));
    assert_eq!(bench.post("brief", &method("tools/list")).await.status, 401);
}

#[tokio::test]
async fn leeway_is_given_and_no_more() {
    // RS-52
    let bench = Bench::with(|builder| builder.leeway(Duration::from_secs(60)));
    for (ends, status) in [(NOW - 59, 200), (NOW - 60, 401), (NOW - 61, 401)] {
        let mut late = claims("alice", "");
        late.expires_at = Timestamp::from_secs(ends);
        bench.tokens.put(&format!("ends{ends}"), late);
        assert_eq!(bench.post(&format!("ends{ends}"), &method("ping")).await.status, status, "{ends}");
    }
}

#[tokio::test]
async fn a_revocation_in_this_process_counts_at_once() {
    let revocations = Revocations::default();
    let shared = revocations.clone();
    let bench = Bench::with(|builder| builder.revocations(shared));
    assert_eq!(bench.post("reader", &method("ping")).await.status, 200);
    bench.tokens.remove("reader");
    assert_eq!(bench.post("reader", &method("ping")).await.status, 200);
    revocations.announce(None);
    assert_eq!(bench.post("reader", &method("ping")).await.status, 401);
}

#[tokio::test]
async fn refused_tokens_are_not_remembered() {
    let bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(bench.post("soon", &method("ping")).await.status, 401);
    }
    bench.tokens.put("soon", claims("alice", "notes:read"));
    assert_eq!(bench.post("soon", &method("ping")).await.status, 200);
}

#[tokio::test]
async fn what_can_be_printed_shows_no_token() {
    // RS-87, A-LOGX-1
    let bench = Bench::new();
    let clock = std::sync::Arc::new(bench.clock.clone());
    let layer = oauth_resource::RequireBearerLayer::new(RESOURCE.parse().unwrap(), bench.tokens.clone())
        .with_clock(clock);
    let service = tower::Layer::layer(&layer, bench.inner.clone());
    let future = tower::Service::call(&mut service.clone(), post("reader", &method("ping")));
    let printed = format!("{layer:?} {service:?} {future:?}");
    assert!(!printed.contains("reader"), "{printed}");
    future.await.unwrap();
    let caller = bench.inner.last().caller.unwrap();
    assert!(!format!("{caller:?}").contains("reader"));
}

#[tokio::test]
async fn clones_with_other_rules_judge_for_themselves() {
    use oauth_core::{Claims, Issuer, TokenVerifier, VerifyFault, async_trait};
    use oauth_resource::RequireBearerLayer;
    use tower::{Layer as _, ServiceExt as _, service_fn};

    struct Anybody;
    #[async_trait]
    impl TokenVerifier for Anybody {
        async fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
            let (alice, app) = ("alice".parse().unwrap(), "app".parse().unwrap());
            Ok(Claims::new("https://as.example", alice, app, Timestamp::MAX)
                .with_audience(["https://mcp.example/mcp"]))
        }
    }

    let lax = RequireBearerLayer::new("https://mcp.example/mcp".parse().unwrap(), Anybody);
    let other: Issuer = "https://other.example".parse().unwrap();
    let strict = lax.clone().with_issuers([&other]);
    let inner = service_fn(|_: Request<Full<bytes::Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
    });
    for (layer, status) in [(&lax, 200), (&strict, 401)] {
        let request = Request::get("/mcp").header("authorization", "Bearer x").body(Full::default());
        let answer = layer.layer(inner).oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
    }
}
