//! Whether the endpoint answers, as health checks see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched};
use oauth_core::testing::FixedClock;
use oauth_core::{Clock as _, TokenVerifier as _, async_trait};
use oauth_resource::{Health, IntrospectionVerifier};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::fixture::{ENDPOINT, ISSUER, answering, builder, live, now};

fn inactive() -> Fetched {
    Fetched::json(r#"{"active":false}"#)
}

fn down() -> FetchError {
    FetchError::unreachable("internal-host.example", "refused")
}

async fn look(health: &Health) -> (u16, Value) {
    let answer = health.clone().oneshot(Request::get("/health").body(()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

fn watched(fetch: Arc<dyn Fetch>) -> (FixedClock, Arc<IntrospectionVerifier>, Health) {
    let clock = FixedClock::at(now());
    let verifier = Arc::new(builder(fetch).build().unwrap());
    let health = Health::new("1.0").clock(Arc::new(clock.clone())).introspection(verifier.clone());
    (clock, verifier, health)
}

#[tokio::test]
async fn a_resource_is_well_while_its_endpoint_answers() {
    let (fetch, _) = answering(inactive());
    let (clock, verifier, health) = watched(fetch.clone());
    assert_eq!((verifier.health(now()).since, verifier.health(now()).reachable), (None, true));
    // Nobody has come with a token: it is asked about one that nobody has.
    let (status, said) = look(&health).await;
    assert_eq!((status, &said["status"]), (200, &"healthy".into()));
    assert_eq!(said["introspection"], serde_json::json!([{"issuer": ISSUER, "reachable": true, "since": 0}]));
    assert_eq!(fetch.requests().len(), 1);
    // Who looks all the time asks now and then.
    clock.advance(Duration::from_secs(4));
    for _ in 0..20 {
        assert_eq!(look(&health).await.1["introspection"][0]["since"], 4);
    }
    assert_eq!(fetch.requests().len(), 1);

    fetch.set_error(ENDPOINT, down());
    assert_eq!(look(&health).await.0, 200);
    // Whoever comes with a token finds out.
    clock.advance(Duration::from_secs(1));
    assert!(verifier.verify("token", clock.now()).await.is_err());
    let (status, said) = look(&health).await;
    assert_eq!(
        (status, &said["status"], &said["introspection"][0]["reachable"]),
        (503, &"unhealthy".into(), &false.into())
    );
    // Why, and where, stands in the log; what was sent nowhere.
    assert!(!said.to_string().contains("internal-host"), "{said}");
    assert!(verifier.health(clock.now()).failure.is_some_and(|why| !why.contains("token\"")));
    clock.advance(Duration::from_secs(60));
    let (status, said) = look(&health).await;
    assert_eq!((status, &said["introspection"][0]["since"]), (503, &60.into()));

    // It comes back although nobody is sent here meanwhile.
    fetch.set(ENDPOINT, inactive());
    clock.advance(Duration::from_secs(5));
    let (status, said) = look(&health).await;
    assert_eq!((status, &said["introspection"][0]["since"]), (200, &0.into()));
    let asked = fetch.requests().len();
    let answers = futures::future::join_all((0..20).map(|_| look(&health))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!(fetch.requests().len(), asked);
    // A clock that was set back holds nothing up.
    clock.set(now().before(Duration::from_secs(3600)));
    fetch.set_error(ENDPOINT, down());
    assert_eq!(look(&health).await.0, 503);
}

#[tokio::test]
async fn an_answer_that_is_none_is_no_reach_and_one_that_puts_off_is() {
    let (fetch, _) = answering(inactive());
    let (clock, verifier, health) = watched(fetch.clone());
    let limited = Fetched::new(StatusCode::TOO_MANY_REQUESTS, "")
        .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("7"));
    for (answer, status) in [
        (Fetched::json(live().to_string()), 200),
        (Fetched::new(StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#), 503),
        (Fetched::new(StatusCode::OK, "<html>"), 503),
        // It is there, and has much to do: no reason to take this resource out.
        (limited, 200),
        (Fetched::new(StatusCode::BAD_GATEWAY, ""), 503),
        (inactive(), 200),
    ] {
        let shown = format!("{answer:?}");
        fetch.set(ENDPOINT, answer);
        clock.advance(Duration::from_secs(5));
        assert_eq!(look(&health).await.0, status, "{shown}");
    }
    // Nor if what stands before it dislikes what a stranger sends; a probe, or a token that was good, tells.
    fetch.set(ENDPOINT, Fetched::new(StatusCode::FORBIDDEN, "blocked"));
    assert!(verifier.verify("../../etc/passwd", clock.now()).await.is_err());
    assert_eq!(look(&health).await.0, 200);
    clock.advance(Duration::from_secs(5));
    assert_eq!(look(&health).await.0, 503);
    fetch.set(ENDPOINT, inactive());
    clock.advance(Duration::from_secs(5));
    assert_eq!(look(&health).await.0, 200);
    // Nor is it the endpoint's fault if nobody gets as far as asking it.
    fetch.set_error(ENDPOINT, FetchError::Busy);
    assert!(verifier.verify("token", clock.now()).await.is_err());
    assert!(verifier.health(clock.now()).reachable);
}

/// Never answers.
struct Silent;

#[async_trait]
impl Fetch for Silent {
    async fn fetch(&self, _: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_holds_no_check_up() {
    let (_, verifier, health) = watched(Arc::new(Silent));
    let began = tokio::time::Instant::now();
    assert_eq!(look(&health).await.0, 503);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    // That was an answer of a kind, and counts as long as any.
    assert_eq!(look(&health).await.0, 503);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert!(!verifier.health(now()).reachable);
}

/// Answers after others had their turn.
#[derive(Default)]
struct Slow(AtomicUsize);

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        assert!(request.body.starts_with(b"token=health-check"));
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(inactive())
    }
}

#[tokio::test]
async fn many_checks_at_once_ask_once() {
    let slow = Arc::new(Slow::default());
    let (_, _, health) = watched(slow.clone());
    let answers = futures::future::join_all((0..20).map(|_| look(&health))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!(slow.0.load(Ordering::SeqCst), 1);
}
