//! What strangers can make a resource server keep, fetch and ask: tokens by a million key names, forged ones, unknown ones, and one of a megabyte.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched};
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use oauth_core::{Claims, PeerAddress, Secret, Timestamp, TokenVerifier, VerifyFault};
use oauth_resource::{
    IntrospectionCredentials, IntrospectionVerifier, JwtVerifier, RequireBearerLayer, TrustedIssuer,
};
use stats_alloc::Region;
use tower::{Layer as _, service_fn};

use benches::fixture::{Body, ISSUER, NOW, RESOURCE, answer, call};
use benches::jwt::{Clocked, access_token, forged, verifier};
use benches::table::Row;

use crate::ALLOCATOR;
use crate::memory::in_use;

/// A hundred thousand a second, for ten seconds.
const FLOOD: u32 = 1_000_000;
const A_SECOND: u32 = 100_000;

pub(crate) fn measure() -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut rows = runtime.expect("a thread can have a runtime").block_on(key_names());
    rows.push(forgeries());
    rows.extend(callers());
    rows.extend(strangers());
    rows.push(megabyte());
    rows
}

/// What stands behind the layer, and answers at once.
fn inner(_: Request<Body>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>> {
    std::future::ready(Ok(Response::new(Empty::new())))
}

/// The issuer, who counts how often it is asked.
struct Issuer {
    jwks: String,
    asked: AtomicU32,
}

#[async_trait]
impl Fetch for Issuer {
    async fn fetch(&self, _: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Fetched::new(StatusCode::OK, self.jwks.clone()))
    }
}

async fn key_names() -> Vec<Row> {
    let key = SigningKey::generate_es256();
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
    let issuer = Arc::new(Issuer { jwks, asked: AtomicU32::new(0) });
    let trusted = TrustedIssuer::new(ISSUER).with_jwks_url("https://mcp.example/jwks.json");
    let verifier = JwtVerifier::builder(RESOURCE).issuer(trusted).fetch(issuer.clone()).build();
    let verifier = verifier.expect("the configuration is one");
    let good = access_token(&key, "alice");
    verifier.verify(&good, NOW).await.expect("it is good");
    let (before, asked) = (in_use(), issuer.asked.load(Ordering::Relaxed));
    for n in 0..FLOOD {
        let now = NOW + Duration::from_secs(u64::from(n / A_SECOND));
        let refused = verifier.verify(&forged(&good, &format!("key-{n}")), now).await;
        assert!(refused.is_err());
    }
    verifier.verify(&good, NOW).await.expect("it is good still");
    let kept = ((in_use() - before) / 1000.0).max(0.0);
    let asked = f64::from(issuer.asked.load(Ordering::Relaxed) - asked);
    vec![
        Row::at_most("10^6 tokens by as many keys, 10^5 a second: fetches", asked, 1.0, "", "one in 30 s"),
        Row::at_most("  the same: kept of them", kept, 64.0, "kB", ""),
    ]
}

fn forgeries() -> Row {
    let key = SigningKey::generate_ed25519();
    let resource = RESOURCE.parse().expect("it is a resource");
    let mut layered = RequireBearerLayer::new(resource, verifier(&key)).layer(service_fn(inner));
    let good = access_token(&key, "alice");
    let (message, _) = good.rsplit_once('.').expect("it has three segments");
    let mut refuse = |n: u32| {
        let signature = format!("{n:0>85}A");
        assert_eq!(answer(&mut layered, call(&format!("{message}.{signature}"))).status(), 401);
    };
    refuse(0);
    let before = in_use();
    (0..A_SECOND).for_each(&mut refuse);
    let kept = ((in_use() - before) / 1000.0).max(0.0);
    Row::at_most("10^5 forged tokens, RequireBearer: kept of them", kept, 64.0, "kB", "")
}

/// What the memory of tokens keeps.
const CACHE: u32 = 10_000;

/// Half of that.
const AGAIN: u32 = 5000;

/// Counts how often it is asked.
struct Counted(JwtVerifier, Arc<AtomicU32>);

#[async_trait]
impl TokenVerifier for Counted {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.verify(token, now).await
    }
}

/// A million callers, all with good tokens: the memory of tokens does not grow with them. It forgets nearly all, and knows those that come again.
fn callers() -> Vec<Row> {
    let key = SigningKey::generate_ed25519();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Counted(verifier(&key), asked.clone());
    let mut layered = RequireBearerLayer::new(RESOURCE.parse().expect("it is a resource"), counted)
        .with_clock(Arc::new(Clocked))
        .with_cache(CACHE as usize, Duration::from_secs(3600))
        .layer(service_fn(inner));
    // How many of them are verified anew, in percent.
    let mut come = |callers: std::iter::StepBy<std::ops::Range<u32>>| {
        let (before, count) = (asked.load(Ordering::Relaxed), callers.len() as f64);
        for n in callers {
            let token = access_token(&key, &format!("user-{n}"));
            assert_eq!(answer(&mut layered, call(&token)).status(), 200);
        }
        100.0 * f64::from(asked.load(Ordering::Relaxed) - before) / count
    };
    let before = in_use();
    come((0..CACHE).step_by(1));
    let full = (in_use() - before) / 1000.0;
    come((CACHE..FLOOD).step_by(1));
    let kept = (in_use() - before) / 1000.0;
    let forgotten = come((0..FLOOD).step_by(100));
    // A second sight tells what comes again from what came once.
    for _ in 0..2 {
        come((FLOOD - AGAIN..FLOOD).step_by(1));
    }
    let again = come((FLOOD - AGAIN..FLOOD).step_by(1));
    let detail = format!("{full:.0} kB after the first 10^4");
    vec![
        Row::at_most("10^6 callers, a memory of 10^4 tokens: kept", kept, f64::from(CACHE), "kB", &detail),
        Row::at_least("  every hundredth of them again: verified anew", forgotten, 98.0, "evicted"),
        Row::at_most("  the last 5000 a third time: verified anew", again, 2.0, "%", "known"),
    ]
}

/// The endpoint, which knows some tokens, and counts what it is asked.
#[derive(Default)]
struct Endpoint {
    asked: AtomicU32,
}

#[async_trait]
impl Fetch for Endpoint {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        if !request.body.starts_with(b"token=good") {
            self.asked.fetch_add(1, Ordering::Relaxed);
            return Ok(Fetched::json(r#"{"active":false}"#));
        }
        let known = serde_json::json!({
            "active": true, "sub": "alice", "client_id": "app", "aud": RESOURCE, "scope": "notes:read", "exp": NOW.as_secs() + 600,
        });
        Ok(Fetched::json(known.to_string()))
    }
}

/// Opaque tokens that nobody knows, a hundred thousand in a second from three networks, at a resource that asks an endpoint. Between each
/// hundred of them somebody comes for the first time.
fn strangers() -> Vec<Row> {
    let endpoint = Arc::new(Endpoint::default());
    let secret = Secret::new("s3cret".to_owned());
    let verifier = IntrospectionVerifier::builder(RESOURCE, TrustedIssuer::new(ISSUER))
        .endpoint("https://as.example/introspect")
        .credentials(IntrospectionCredentials::basic(RESOURCE, secret))
        .fetch(endpoint.clone())
        .build()
        .expect("the configuration is one");
    let resource = RESOURCE.parse().expect("it is a resource");
    let mut layered =
        RequireBearerLayer::new(resource, verifier).with_clock(Arc::new(Clocked)).layer(service_fn(inner));
    let mut ask = |token: &str, source: [u8; 4]| {
        let mut request = call(token);
        request.extensions_mut().insert(PeerAddress(source.into()));
        answer(&mut layered, request).status()
    };
    let mut let_in = 0;
    for n in 0..A_SECOND {
        let network = u8::try_from(n % 3).expect("it is less than three");
        assert!(!ask(&format!("forged-{n}"), [192, 0, 2, network]).is_success());
        if n % 100 == 0 {
            let_in += u32::from(ask(&format!("good-{n}"), [198, 51, 100, 7]).is_success());
        }
    }
    let asked = f64::from(endpoint.asked.load(Ordering::Relaxed));
    let let_in = 100.0 * f64::from(let_in) / f64::from(A_SECOND / 100);
    vec![
        Row::at_most("10^5 opaque tokens of three networks, nobody's: asked about", asked, 1000.0, "", ""),
        Row::at_least("  who comes for the first time meanwhile, in percent", let_in, 100.0, "let in"),
    ]
}

fn megabyte() -> Row {
    let key = SigningKey::generate_ed25519();
    let resource = RESOURCE.parse().expect("it is a resource");
    let mut layered = RequireBearerLayer::new(resource, verifier(&key)).layer(service_fn(inner));
    let request = call(&"A".repeat(1_000_000));
    let region = Region::new(ALLOCATOR);
    assert_eq!(answer(&mut layered, request).status(), 401);
    let taken = region.change().bytes_allocated as f64 / 1000.0;
    Row::at_most("A token of 1 MB: allocated to refuse it", taken, 8.0, "kB", "")
}
