//! Attacks on a resource through what stands before it: proxies, names, pages, paths. One test a case.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use oauth_core::{Claims, PeerAddress, Timestamp, TokenVerifier, VerifyFault, async_trait};
use oauth_resource::{
    ForwardAuth, IdentityClaim, PathRules, PeekedBody, ProtectedResource, ProtectedResourceBuilder,
    ProxyStyle,
};
use tower::{Layer as _, ServiceExt as _, service_fn};

const RESOURCE: &str = "https://mcp.example/mcp";
const LOOPBACK: &str = "http://127.0.0.1:8000/mcp";

struct Alice(&'static str);

#[async_trait]
impl TokenVerifier for Alice {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        if token != "good" {
            return Err(VerifyFault::Invalid);
        }
        let claims = Claims::new(
            "https://as.example",
            "alice".parse().unwrap(),
            "app".parse().unwrap(),
            Timestamp::MAX,
        );
        Ok(claims.with_audience([self.0]))
    }
}

/// What came through to the server behind, and what the client got.
struct Outcome {
    status: StatusCode,
    headers: HeaderMap,
    reached: usize,
    seen: HeaderMap,
}

async fn send(
    resource: &'static str,
    bend: impl FnOnce(ProtectedResourceBuilder<Alice>) -> ProtectedResourceBuilder<Alice>,
    path: &str,
    headers: &[(&str, &str)],
) -> Outcome {
    let builder = ProtectedResource::builder(resource, "https://as.example").verifier(Alice(resource));
    let layer = bend(builder).build().unwrap().layer();
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let seen = Arc::new(std::sync::Mutex::new(HeaderMap::new()));
    let writes = seen.clone();
    let service = layer.layer(service_fn(move |request: Request<PeekedBody<Full<Bytes>>>| {
        counter.fetch_add(1, Ordering::SeqCst);
        *writes.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = service.oneshot(request.body(Full::from(r#"{"method":"ping"}"#)).unwrap()).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    Outcome {
        status: answer.status(),
        headers: answer.headers().clone(),
        reached: reached.load(Ordering::SeqCst),
        seen,
    }
}

const GOOD: (&str, &str) = ("authorization", "Bearer good");

#[tokio::test]
async fn a_proxy_2_forwarded_headers_of_a_client() {
    // RS-80
    let forged = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "81"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "/evil"),
    ];
    let plain = send(RESOURCE, |builder| builder, "/mcp", &[]).await;
    let spoofed = send(RESOURCE, |builder| builder, "/mcp", &forged).await;
    assert_eq!(plain.headers["www-authenticate"], spoofed.headers["www-authenticate"]);
    assert_eq!((spoofed.status, spoofed.reached), (StatusCode::UNAUTHORIZED, 0));
}

#[tokio::test]
async fn a_proxy_4_identity_headers_of_a_client() {
    // RS-40
    for forged in ["X-User-Id", "x-user-id", "X_USER_ID", "x_user_id", "X-User_Id", "X.User.Id"] {
        let headers = [GOOD, (forged, "admin"), (forged, "root")];
        let bend = |builder: ProtectedResourceBuilder<Alice>| {
            builder.identity_header("X-User-Id", IdentityClaim::Subject).strip_header("X-Auth-Request-Email")
        };
        let outcome = send(RESOURCE, bend, "/mcp", &headers).await;
        assert_eq!(outcome.seen.get_all("x-user-id").iter().collect::<Vec<_>>(), ["alice"], "{forged}");
        assert!(!outcome.seen.values().any(|value| value == "admin" || value == "root"), "{forged}");
        let email = [GOOD, ("x_auth_request_email", "root@example.com")];
        let outcome = send(RESOURCE, bend, "/mcp", &email).await;
        assert!(!outcome.seen.values().any(|value| value == "root@example.com"));
    }
}

#[tokio::test]
async fn a_proxy_4_forward_auth_answers_every_header() {
    let resource =
        ProtectedResource::builder(RESOURCE, "https://as.example").verifier(Alice(RESOURCE)).build().unwrap();
    let verify = ForwardAuth::builder(ProxyStyle::OriginalUrl)
        .trusted_proxy("10.0.0.0/8")
        .resource(&resource, PathRules::new("").anonymous(http::Method::GET, "/mcp"))
        .build()
        .unwrap();
    for (token, subject) in [(None, ""), (Some("Bearer good"), "alice")] {
        let mut request = Request::get("/verify")
            .header("x-original-url", RESOURCE)
            .header("x-original-method", "GET")
            .header("x-user-id", "admin")
            .extension(PeerAddress("10.1.2.3".parse().unwrap()));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let answer = verify.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers()["x-user-id"].to_str().unwrap()),
            (StatusCode::OK, subject)
        );
        assert_eq!(answer.headers().get_all("x-user-id").iter().count(), 1);
    }
}

#[tokio::test]
async fn a_proxy_7_a_page_whose_name_points_at_this_machine() {
    // RS-76
    for host in
        ["attacker.test:8000", "attacker.test", "127.0.0.1.attacker.test:8000", "localhost.attacker.test"]
    {
        let outcome = send(LOOPBACK, |builder| builder, "/mcp", &[GOOD, ("host", host)]).await;
        assert_eq!((outcome.status, outcome.reached), (StatusCode::FORBIDDEN, 0), "{host}");
    }
    let outcome = send(LOOPBACK, |builder| builder, "/mcp", &[GOOD, ("host", "127.0.0.1:8000")]).await;
    assert_eq!(outcome.reached, 1);
}

#[tokio::test]
async fn a_proxy_8_origins_that_look_alike() {
    // RS-75
    let bend = |builder: ProtectedResourceBuilder<Alice>| builder.allow_origin("https://good.example");
    for origin in [
        "null",
        "https://good.example.evil",
        "https://evilgood.example",
        "http://good.example",
        "https://GOOD.example",
        "https://good.example:8443",
        "https://good.example/",
    ] {
        let outcome = send(RESOURCE, bend, "/mcp", &[GOOD, ("origin", origin)]).await;
        assert_eq!((outcome.status, outcome.reached), (StatusCode::FORBIDDEN, 0), "{origin}");
    }
    assert_eq!(send(RESOURCE, bend, "/mcp", &[GOOD, ("origin", "https://good.example")]).await.reached, 1);
}

#[tokio::test]
async fn a_proxy_9_no_origin_is_reflected() {
    // RS-79
    let outcome =
        send(RESOURCE, |builder| builder, "/mcp", &[GOOD, ("origin", "https://evil.example")]).await;
    assert!(!outcome.headers.contains_key("access-control-allow-origin"));
    let bend = |builder: ProtectedResourceBuilder<Alice>| builder.allow_origin("https://good.example");
    for headers in [&[GOOD, ("origin", "https://good.example")][..], &[("origin", "https://good.example")]] {
        // RS-78: refusals can be read too.
        let outcome = send(RESOURCE, bend, "/mcp", headers).await;
        assert_eq!(outcome.headers["access-control-allow-origin"], "https://good.example");
        assert!(!outcome.headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn a_proxy_10_a_page_without_an_origin_of_its_own() {
    let outcome =
        send(RESOURCE, |builder| builder, "/mcp", &[GOOD, ("origin", "null"), ("cookie", "a=b")]).await;
    assert_eq!((outcome.status, outcome.reached), (StatusCode::FORBIDDEN, 0));
    assert!(!outcome.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_http_12_paths_beside_the_one_that_is_guarded() {
    for path in ["/mcp/", "/MCP", "/mcp/../mcp", "//mcp", "/mcp;x", "/%6dcp", "/mcp%2f..", "/"] {
        let outcome = send(RESOURCE, |builder| builder, path, &[]).await;
        assert_eq!((outcome.status, outcome.reached), (StatusCode::UNAUTHORIZED, 0), "{path}");
    }
}
