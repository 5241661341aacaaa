//! What people who run a resource see and set: audit, health, https.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use oauth_core::fetch::{FetchError, Fetched, StaticFetch};
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use oauth_core::testing::FixedClock;
use oauth_core::{
    Claims, Clock, Event, EventSink, PeerAddress, Stores, Timestamp, TokenVerifier, VerifyFault, async_trait,
};
use oauth_resource::{
    AuditLayer, ForwardAuth, Health, JwtVerifier, PathRules, PeekedBody, ProtectedResource, ProxyStyle,
    RequireBearerLayer, RequireHttpsLayer, ScopeRules, TrustedIssuer,
};
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};

const RESOURCE: &str = "https://mcp.example/mcp";
const ISSUER: &str = "https://as.example";

struct Names;

#[async_trait]
impl TokenVerifier for Names {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        if token == "down" {
            return Err(VerifyFault::Unavailable {
                retry_after: Duration::from_secs(1),
                source: "down".into(),
            });
        }
        let (subject, scope) = token.split_once('.').ok_or(VerifyFault::Invalid)?;
        let claims = Claims::new(ISSUER, subject.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX);
        Ok(claims.with_audience([RESOURCE]).with_scopes(format!("notes:{scope}").parse().unwrap()))
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl EventSink for Log {
    fn record(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

#[tokio::test]
async fn each_request_is_told_of_once() {
    let log = Arc::new(Log::default());
    let resource = ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(ScopeRules::builder("notes:read").tool("list", "notes:read").tool("add", "notes:write"))
        .verifier(Names)
        .build()
        .unwrap();
    let mcp = service_fn(|_: Request<PeekedBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = AuditLayer::new(log.clone()).layer(resource.layer().layer(mcp));
    let call = |name: &str| {
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}})
            .to_string()
    };
    let long = call(&"é".repeat(500));
    for (token, headers, body, told) in [
        (
            "alice.read",
            None,
            call("list"),
            r#"access_allowed subject=alice client_id=app scope="notes:read" operation="tools/call list""#,
        ),
        (
            "alice.read",
            None,
            call("add"),
            r#"access_denied subject=alice client_id=app scope="notes:read" operation="tools/call add" reason=insufficient_scope"#,
        ),
        ("", None, call("add"), r#"access_denied operation="tools/call add" reason=token_missing"#),
        ("nonsense", None, call("add"), r#"access_denied operation="tools/call add" reason=token_invalid"#),
        ("down", None, call("add"), "unavailable reason=temporarily_unavailable"),
        (
            "alice.read",
            Some(("origin", "https://evil.example")),
            call("list"),
            "access_denied reason=forbidden_origin",
        ),
        (
            "alice.read",
            Some(("mcp-session-id", "stolen")),
            call("list"),
            r#"access_denied subject=alice client_id=app scope="notes:read" operation="tools/call list" reason=session_not_found"#,
        ),
        (
            "alice.read",
            Some(("mcp-name", "other")),
            call("list"),
            r#"access_denied subject=alice client_id=app scope="notes:read" operation="tools/call list" reason=header_mismatch"#,
        ),
        // What a client names cannot begin a line of its own.
        (
            "alice.write",
            None,
            call("add\n\u{1b}[31maccess_allowed subject=root"),
            r#"access_denied subject=alice client_id=app scope="notes:write" operation="tools/call add\n\u{1b}[31maccess_allowed subject=root" reason=insufficient_scope"#,
        ),
    ] {
        let mut request = Request::post("/mcp");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((name, value)) = headers {
            request = request.header(name, value);
        }
        service.clone().oneshot(request.body(Full::from(body)).unwrap()).await.unwrap();
        let events = std::mem::take(&mut *log.0.lock().unwrap());
        assert_eq!(events, [told], "{token} {headers:?}");
        // RS-87
        assert!(token.is_empty() || !events[0].contains(token));
    }
    let request =
        Request::post("/mcp").header("authorization", "Bearer alice.read").body(Full::from(long)).unwrap();
    service.oneshot(request).await.unwrap();
    let event = log.0.lock().unwrap().remove(0);
    assert!(event.len() < 400, "{event}");
}

#[tokio::test]
async fn what_a_proxy_asks_is_told_of_as_well() {
    let log = Arc::new(Log::default());
    let resource = ProtectedResource::builder(RESOURCE, ISSUER).verifier(Names).build().unwrap();
    let verify = ForwardAuth::builder(ProxyStyle::ForwardedUri)
        .trusted_proxy("127.0.0.0/8")
        .resource(&resource, PathRules::new("notes:read").below("/mcp/admin", "notes:admin"))
        .build()
        .unwrap();
    let service = AuditLayer::new(log.clone()).layer(verify);
    for (token, uri, told) in [
        (
            "alice.read",
            "/mcp/x?token=secret",
            r#"access_allowed subject=alice client_id=app scope="notes:read" operation="DELETE /mcp/x""#,
        ),
        (
            "alice.read",
            "/mcp/admin",
            r#"access_denied subject=alice client_id=app scope="notes:read" operation="DELETE /mcp/admin" reason=insufficient_scope"#,
        ),
        ("nonsense", "/mcp/x", r#"access_denied operation="DELETE /mcp/x" reason=token_invalid"#),
    ] {
        let request = Request::get("/verify")
            .header("authorization", format!("Bearer {token}"))
            .header("x-forwarded-method", "DELETE")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "mcp.example")
            .header("x-forwarded-uri", uri)
            .extension(PeerAddress("127.0.0.1".parse().unwrap()));
        service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(std::mem::take(&mut *log.0.lock().unwrap()), [told]);
    }
}

#[tokio::test]
async fn a_token_check_by_itself_tells_who_called() {
    let log = Arc::new(Log::default());
    let inner = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let bearer = RequireBearerLayer::new(RESOURCE.parse().unwrap(), Names);
    let service = AuditLayer::new(log.clone()).layer(bearer.layer(inner));
    for _ in 0..3 {
        let request = Request::get("/mcp").header("authorization", "Bearer alice.read");
        service.clone().oneshot(request.body(Full::default()).unwrap()).await.unwrap();
        let told = r#"access_allowed subject=alice client_id=app scope="notes:read" operation="GET""#;
        assert_eq!(std::mem::take(&mut *log.0.lock().unwrap()), [told]);
    }
}

#[tokio::test]
async fn whoever_hangs_up_is_told_of_as_well() {
    let log = Arc::new(Log::default());
    let resource = ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(ScopeRules::builder("notes:read").tool("list", "notes:read"))
        .verifier(Names)
        .build()
        .unwrap();
    let mcp = service_fn(|_: Request<PeekedBody<Full<Bytes>>>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let service = AuditLayer::new(log.clone()).layer(resource.layer().layer(mcp));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"}}"#;
    let request = Request::post("/mcp").header("authorization", "Bearer alice.read").body(Full::from(body));
    let hung = tokio::time::timeout(Duration::from_millis(1), service.oneshot(request.unwrap())).await;
    assert!(hung.is_err());
    let told = log.0.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("access_allowed subject=alice") && told[0].ends_with("reason=broken_off"),
        "{told:?}"
    );
}

async fn health(health: &Health) -> (u16, Value) {
    let answer = health.clone().oneshot(Request::get("/health").body(()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

#[tokio::test]
async fn a_resource_is_well_while_it_can_verify_tokens() {
    let clock = FixedClock::at(Timestamp::from_secs(1_700_000_000));
    let fetch = Arc::new(StaticFetch::new());
    let url = "https://as.example/jwks.json";
    fetch.set_error(url, FetchError::unreachable("internal-host.example", "refused"));
    let verifier = JwtVerifier::builder(RESOURCE)
        .issuer(TrustedIssuer::new(ISSUER).with_jwks_url(url))
        .fetch(fetch.clone())
        .build()
        .unwrap();
    let verifier = Arc::new(verifier);
    let service = Health::new("1.0").clock(Arc::new(clock.clone())).keys(verifier.clone());
    verifier.warm_up(clock.now()).await;
    let (status, said) = health(&service).await;
    assert_eq!(
        (status, &said["status"], &said["issuers"][0]["ready"]),
        (503, &"unhealthy".into(), &false.into())
    );
    // Anybody may ask: what exactly is wrong stands in the log.
    assert!(!said.to_string().contains("internal-host"), "{said}");
    assert_eq!((&said["version"], &said["issuers"][0]["reachable"]), (&"1.0".into(), &false.into()));

    let jwks = JwkSet::of([SigningKey::generate_es256().public_jwk().clone()], &Algorithm::ALL).to_json();
    fetch.set(url, Fetched::json(jwks.to_string()));
    clock.advance(Duration::from_secs(60));
    assert!(verifier.warm_up(clock.now()).await);
    clock.advance(Duration::from_secs(30));
    let (status, said) = health(&service).await;
    assert_eq!((status, &said["status"], &said["uptime"]), (200, &"healthy".into(), &90.into()));
    let issuer = &said["issuers"][0];
    assert_eq!((&issuer["issuer"], &issuer["keys"], &issuer["age"]), (&ISSUER.into(), &1.into(), &30.into()));
    assert_eq!(issuer["reachable"], true);

    // Down again, it can be told of; its keys are good for a while.
    fetch.set_error(url, FetchError::unreachable("internal-host.example", "refused"));
    clock.advance(Duration::from_secs(1200));
    let unknown = SigningKey::generate_es256().sign("at+jwt", &serde_json::json!({"iss": ISSUER})).unwrap();
    assert!(verifier.verify(&unknown, clock.now()).await.is_err());
    let (status, said) = health(&service).await;
    assert_eq!(
        (status, &said["issuers"][0]["ready"], &said["issuers"][0]["reachable"]),
        (200, &true.into(), &false.into())
    );
}

/// How often a store was asked, and whether it answers.
struct Asked {
    count: AtomicUsize,
    down: AtomicBool,
}

#[tokio::test]
async fn a_store_is_asked_now_and_then_and_not_at_each_request() {
    let asked = Arc::new(Asked { count: AtomicUsize::new(0), down: AtomicBool::new(false) });
    let clock = FixedClock::at(Timestamp::from_secs(1_700_000_000));
    let grants = Arc::new(Watched { inner: Stores::memory().grants.into(), asked: asked.clone() });
    let service = Health::new("1.0").clock(Arc::new(clock.clone())).store(grants.clone());
    for _ in 0..20 {
        assert_eq!(health(&service).await.0, 200);
    }
    assert_eq!(asked.count.load(Ordering::SeqCst), 1);
    asked.down.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(5));
    let (status, said) = health(&service).await;
    assert_eq!((status, &said["store"]), (503, &"unavailable".into()));
    asked.down.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(5));
    assert_eq!(health(&service).await.0, 200);
    // However many want to know at once, with an answer from before or without any.
    clock.advance(Duration::from_secs(5));
    for service in [service, Health::new("1.0").clock(Arc::new(clock.clone())).store(grants)] {
        let before = asked.count.load(Ordering::SeqCst);
        let answers = futures::future::join_all((0..20).map(|_| health(&service))).await;
        assert!(answers.iter().all(|(status, _)| *status == 200));
        assert_eq!(asked.count.load(Ordering::SeqCst), before + 1);
    }
}

struct Watched {
    inner: Arc<dyn oauth_core::GrantStore>,
    asked: Arc<Asked>,
}

#[async_trait]
impl oauth_core::GrantStore for Watched {
    async fn open(
        &self,
        grant: &oauth_core::Grant,
        first: &[oauth_core::Credential],
    ) -> Result<(), oauth_core::StoreError> {
        self.inner.open(grant, first).await
    }

    async fn find(
        &self,
        key: &oauth_core::CredentialKey,
    ) -> Result<Option<oauth_core::Found>, oauth_core::StoreError> {
        self.asked.count.fetch_add(1, Ordering::SeqCst);
        // Others get their turn meanwhile.
        tokio::task::yield_now().await;
        if self.asked.down.load(Ordering::SeqCst) {
            return Err(oauth_core::StoreError::unavailable("down"));
        }
        self.inner.find(key).await
    }

    async fn exchange(
        &self,
        exchange: oauth_core::Exchange<'_>,
    ) -> Result<oauth_core::Exchanged, oauth_core::StoreError> {
        self.inner.exchange(exchange).await
    }

    async fn revoke(
        &self,
        what: oauth_core::Revocation<'_>,
        now: Timestamp,
    ) -> Result<u64, oauth_core::StoreError> {
        self.inner.revoke(what, now).await
    }

    async fn grant(
        &self,
        id: &oauth_core::GrantId,
    ) -> Result<Option<oauth_core::Grant>, oauth_core::StoreError> {
        self.inner.grant(id).await
    }

    async fn list(
        &self,
        filter: oauth_core::GrantFilter<'_>,
        page: oauth_core::PageRequest,
    ) -> Result<oauth_core::Listing<oauth_core::Grant>, oauth_core::StoreError> {
        self.inner.list(filter, page).await
    }

    async fn count(&self, filter: oauth_core::GrantFilter<'_>) -> Result<u64, oauth_core::StoreError> {
        self.inner.count(filter).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, oauth_core::StoreError> {
        self.inner.purge(before).await
    }
}

#[tokio::test]
async fn a_proxy_12_a_token_in_the_clear_is_refused_and_not_redirected() {
    let service = RequireHttpsLayer::new(["10.0.0.0/8", "127.0.0.1"]).unwrap().layer(service_fn(
        |_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) },
    ));
    for (peer, said, status) in [
        (Some("10.0.0.1"), &["https"][..], 200),
        (Some("::ffff:10.0.0.1"), &["https"], 200),
        (Some("10.0.0.1"), &["http"], 403),
        (Some("10.0.0.1"), &["HTTPS"], 403),
        (Some("10.0.0.1"), &["https, http"], 403),
        (Some("10.0.0.1"), &["https", "http"], 403),
        (Some("10.0.0.1"), &["http", "https"], 403),
        (Some("10.0.0.1"), &[], 403),
        (Some("203.0.113.9"), &["https"], 403),
        (Some("203.0.113.9"), &[], 403),
        (Some("127.0.0.1"), &[], 200),
        (Some("::1"), &[], 200),
        // A proxy on this machine says how it was asked.
        (Some("127.0.0.1"), &["http"], 403),
        (Some("127.0.0.1"), &["https"], 200),
        (Some("::1"), &["https"], 403),
        (None, &["https"], 403),
        (None, &[], 403),
    ] {
        let mut request = Request::post("/mcp");
        for value in said {
            request = request.header("x-forwarded-proto", *value);
        }
        if let Some(peer) = peer {
            request = request.extension(PeerAddress(peer.parse().unwrap()));
        }
        let answer = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{peer:?} {said:?}");
        assert!(!answer.headers().contains_key("location"));
    }
    // What came through a proxy that does not say how is not of this machine.
    for passed_on in ["forwarded", "via", "x-forwarded-for"] {
        let request = Request::post("/mcp").header(passed_on, "x");
        let request = request.extension(PeerAddress("127.0.0.1".parse().unwrap())).body(()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status().as_u16(), 403, "{passed_on}");
    }
    assert_eq!(RequireHttpsLayer::new(["x", "10.0.0.1/8"]).unwrap_err().iter().count(), 2);
}
