//! Clients by metadata document, through the service.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use oauth_core::fetch::{Fetch, FetchError, FetchPolicy, FetchRequest, Fetched, StaticFetch};
use oauth_core::testing::FixedClock;
use oauth_core::{Quota, Stores, async_trait};
use oauth_server::{AuthorizationServer, BuildError, Limits};
use serde_json::{Value, json};
use support::{
    ISSUER, REDIRECT, RESOURCE, VERIFIER, authorize, authorize_from, authorize_query, builder, get, post,
    refresh, request, send,
};
use tokio::task::JoinSet;

const URL: &str = "https://app.example/client.json";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn document(url: &str) -> Value {
    json!({ "client_id": url, "client_name": "App", "redirect_uris": [REDIRECT, "http://localhost/callback"], "token_endpoint_auth_method": "none" })
}

fn answer(document: &Value) -> Fetched {
    Fetched::json(document.to_string())
}

fn cached(document: &Value, cache_control: &'static str) -> Fetched {
    answer(document).with_header(CACHE_CONTROL, HeaderValue::from_static(cache_control))
}

struct World {
    server: AuthorizationServer,
    fetch: Arc<StaticFetch>,
    clock: FixedClock,
}

impl World {
    async fn new(build: impl FnOnce(oauth_server::Builder) -> oauth_server::Builder) -> Self {
        let (fetch, clock) =
            (Arc::new(StaticFetch::new().with(URL, answer(&document(URL)))), FixedClock::default());
        let server =
            build(builder(Stores::memory(), &clock).client_documents(fetch.clone())).build().await.unwrap();
        Self { server, fetch, clock }
    }

    /// Whether the client at `URL` gets a code, or else the status.
    async fn asks(&self) -> Result<(), u16> {
        self.asks_as(URL).await
    }

    async fn asks_as(&self, url: &str) -> Result<(), u16> {
        let answer = authorize(&self.server, url, REDIRECT).await;
        answer.sent_back("code").map(|_| ()).ok_or(answer.status.as_u16())
    }

    fn fetches(&self) -> usize {
        self.fetch.requests().len()
    }
}

/// A token that this server could have issued: for any other no document is fetched (CIMD-11).
fn of_our_form() -> String {
    let grant = oauth_core::GrantId::generate(&oauth_core::OsEntropy);
    let format = oauth_core::TokenFormat::default();
    format.mint(oauth_core::CredentialKind::RefreshToken, grant, &oauth_core::OsEntropy).0.expose().to_owned()
}

#[tokio::test]
async fn a_client_unknown_before_gets_tokens_by_its_document() {
    // CIMD-13, AS-33, CIMD-2
    let world = World::new(|builder| builder).await;
    let redirect = "http://localhost:3118/callback";
    let code = authorize(&world.server, URL, redirect).await.sent_back("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", redirect),
        ("code_verifier", VERIFIER),
        ("client_id", URL),
    ];
    let tokens = post(&world.server, "/token", &[], &form).await.json();
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(&world.server, URL, token).await.status, StatusCode::OK);
    assert_eq!(world.fetches(), 1);
    for redirect in
        ["http://127.0.0.1:3118/callback", "https://evil.example/cb", "http://localhost:3118/other"]
    {
        assert_eq!(
            authorize(&world.server, URL, redirect).await.status,
            StatusCode::BAD_REQUEST,
            "{redirect}"
        );
    }
    // Another spelling is another client.
    assert_eq!(world.asks_as("https://APP.example/client.json").await, Err(503));
}

#[tokio::test]
async fn a_bad_url_is_refused_before_anything_is_fetched() {
    // CIMD-1
    let world = World::new(|builder| builder).await;
    for bad in [
        "https://app.example",
        "https://app.example/",
        "https://app.example/c?x=1",
        "https://app.example/c#x",
        "https://u:p@app.example/c",
        "https://app.example/a/../c",
        "https://app.example/%2E%2e/c",
        "http://app.example/c",
        "http://127.0.0.1/c",
        "https://as.example/client.json",
    ] {
        assert_eq!(world.asks_as(bad).await, Err(400), "{bad}");
    }
    assert_eq!(world.fetches(), 0);
    // Nor is anything for a request that cannot succeed (CIMD-11).
    let query = format!("/authorize?client_id={}", "https%3A%2F%2Fapp.example%2Fclient.json");
    assert_eq!(get(&world.server, &query).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.fetches(), 0);
}

/// The guard's judgement of URLs, and nothing behind it.
struct Guard(FetchPolicy);

#[async_trait]
impl Fetch for Guard {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.0.judge_url(request.url)?;
        Err(FetchError::unreachable("app.example", "there is no network"))
    }
}

#[tokio::test]
async fn every_refused_address_is_refused_in_the_same_words() {
    // CIMD-7, A-CIMDX-1, A-CIMDX-2
    let guard = Arc::new(Guard(FetchPolicy::new()));
    let server =
        builder(Stores::memory(), &FixedClock::default()).client_documents(guard).build().await.unwrap();
    let mut pages = Vec::new();
    for bad in [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/x",
        "https://0/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://0177.0.0.1/x",
        "https://127.1/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://[::ffff:a00:1]/x",
        "https://localhost/x",
    ] {
        let answer = authorize(&server, bad, REDIRECT).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        pages.push(answer.text().to_owned());
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
    assert!(pages[0].contains("document_address"));
    let token = refresh(&server, "https://127.0.0.1/x", &of_our_form()).await;
    assert_eq!(token.error(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn an_answer_that_is_no_document_is_refused_and_not_kept() {
    // CIMD-3, CIMD-4, CIMD-5, CIMD-10, CIMD-18, A-CIMDX-5, A-CIMDX-9, A-CIMDX-10, A-CIMDX-12
    let world = World::new(|builder| builder).await;
    let redirect = Fetched::new(StatusCode::FOUND, "")
        .with_header(http::header::LOCATION, HeaderValue::from_static("http://169.254.169.254/"));
    let html = Fetched::new(StatusCode::OK, document(URL).to_string())
        .with_header(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let mut with_secret = document(URL);
    with_secret["client_secret"] = json!("hush");
    let large = format!("{}{}", " ".repeat(17 * 1024), document(URL));
    let mut expected = 0;
    for (bad, reason) in [
        (redirect, "document_status"),
        (Fetched::new(StatusCode::NOT_FOUND, ""), "document_status"),
        (html, "document_type"),
        (Fetched::json("[]"), "document_json"),
        (Fetched::json(""), "document_json"),
        (answer(&document("https://app.example/other.json")), "document_client_id"),
        (answer(&with_secret), "document_secret"),
        (Fetched::json(large), "document_size"),
    ] {
        world.fetch.set(URL, bad);
        let refused = authorize(&world.server, URL, REDIRECT).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{reason}");
        assert!(refused.text().contains(reason), "{reason} {}", refused.text());
        expected += 1;
        // A short throttle without content.
        let _ = world.asks().await;
        assert_eq!(world.fetches(), expected, "{reason}");
        world.clock.advance(Duration::from_secs(10));
    }
    assert!(world.fetch.requests().iter().all(|request| request.url == URL), "no redirect is followed");
    world.fetch.set(URL, answer(&document(URL)));
    assert_eq!(world.asks().await, Ok(()));
}

#[tokio::test]
async fn a_document_is_kept_as_its_headers_say_within_bounds() {
    // CIMD-10
    let world = World::new(|builder| builder).await;
    for (header, fresh_for) in
        [("max-age=31536000", DAY), ("no-store", MINUTE), ("max-age=1", MINUTE), ("max-age=600", 10 * MINUTE)]
    {
        world.fetch.set(URL, cached(&document(URL), header));
        let before = world.fetches();
        assert_eq!(world.asks().await, Ok(()));
        world.clock.advance(fresh_for.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(world.asks().await, Ok(()));
        assert_eq!(world.fetches(), before + 1, "{header}");
        world.clock.advance(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn the_last_good_document_is_used_for_a_week_while_its_origin_is_down() {
    // CIMD-17
    let world = World::new(|builder| builder).await;
    let code = authorize(&world.server, URL, REDIRECT).await.sent_back("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", URL),
    ];
    let mut token =
        post(&world.server, "/token", &[], &form).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let html = Fetched::new(StatusCode::OK, "<html>maintenance</html>");
    for down in [
        Err(FetchError::unreachable("app.example", "reset")),
        Err(FetchError::TimedOut { after: MINUTE }),
        Ok(Fetched::new(StatusCode::BAD_GATEWAY, "")),
        Ok(html),
        Ok(Fetched::new(StatusCode::FORBIDDEN, "")),
        Ok(Fetched::new(StatusCode::FOUND, "")),
    ] {
        match down {
            Ok(answer) => world.fetch.set(URL, answer),
            Err(error) => world.fetch.set_error(URL, error),
        }
        world.clock.advance(DAY);
        let before = world.fetches();
        let refreshed = refresh(&world.server, URL, &token).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
        token = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(world.asks().await, Ok(()));
        assert_eq!(world.fetches(), before + 1, "an origin that is down is not asked at each request");
    }
    world.fetch.set_error(URL, FetchError::unreachable("app.example", "reset"));
    world.clock.advance(DAY + MINUTE);
    assert_eq!(world.asks().await, Err(503));
    // A client that cannot be looked up is not unknown: it would throw its tokens away (TOK-8).
    assert_eq!(
        refresh(&world.server, URL, &token).await.error(),
        (503, "temporarily_unavailable".to_owned())
    );
    world.fetch.set(URL, answer(&document(URL)));
    world.clock.advance(MINUTE);
    assert_eq!(refresh(&world.server, URL, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_owner_who_takes_the_document_away_is_obeyed() {
    // CIMD-17, A-CIMDX-17
    let gone = Fetched::new(StatusCode::GONE, "");
    let mut without_redirects = document(URL);
    without_redirects["redirect_uris"] = json!([]);
    for last in [gone, Fetched::new(StatusCode::NOT_FOUND, ""), answer(&without_redirects)] {
        let world = World::new(|builder| builder).await;
        assert_eq!(world.asks().await, Ok(()));
        world.fetch.set(URL, last);
        world.clock.advance(DAY);
        assert_eq!(world.asks().await, Err(400));
    }
    let world = World::new(|builder| builder).await;
    assert_eq!(world.asks().await, Ok(()));
    let mut moved = document(URL);
    moved["redirect_uris"] = json!(["https://app.example/moved"]);
    world.fetch.set(URL, answer(&moved));
    world.clock.advance(DAY);
    assert_eq!(world.asks().await, Err(400));
}

/// Takes its time, and counts.
struct Slow(AtomicUsize);

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Ok(answer(&document(request.url)))
    }
}

#[tokio::test]
async fn a_hundred_requests_make_one_fetch() {
    // CIMD-11
    let slow = Arc::new(Slow(AtomicUsize::new(0)));
    let server = builder(Stores::memory(), &FixedClock::default())
        .client_documents(slow.clone())
        .build()
        .await
        .unwrap();
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let server = server.clone();
        asking.spawn(async move {
            authorize_from(&server, URL, REDIRECT, "192.0.2.1").await.sent_back("code").is_some()
        });
    }
    assert!(asking.join_all().await.into_iter().all(|code| code));
    assert_eq!(slow.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fetches_are_limited_for_a_source_and_in_total() {
    // CIMD-11, LIM-1, A-CIMDX-15
    let mut limits = Limits::default();
    limits.fetch_source = Quota::new(3, MINUTE);
    limits.fetch_total = Quota::new(5, MINUTE);
    let world = World::new(|builder| builder.limits(limits)).await;
    let url = |at: usize| format!("https://app.example/{at}.json");
    for at in 0..20 {
        world.fetch.set(url(at), answer(&document(&url(at))));
    }
    let mut statuses = Vec::new();
    for (at, source) in
        ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"]
            .into_iter()
            .enumerate()
    {
        statuses.push(authorize_from(&world.server, &url(at), REDIRECT, source).await.status.as_u16());
    }
    assert_eq!(statuses, [303, 303, 303, 429, 303, 303, 429]);
    assert_eq!(world.fetches(), 5);
    // What is known needs no fetch, and what was refused a fetch is not remembered as bad.
    assert_eq!(
        authorize_from(&world.server, &url(0), REDIRECT, "192.0.2.1").await.status,
        StatusCode::SEE_OTHER
    );
    world.clock.advance(MINUTE);
    assert_eq!(
        authorize_from(&world.server, &url(3), REDIRECT, "192.0.2.1").await.status,
        StatusCode::SEE_OTHER
    );
    // Over the limit, an old document is better than none.
    world.clock.advance(DAY);
    for at in 4..9 {
        let _ = authorize_from(&world.server, &url(at), REDIRECT, &format!("192.0.2.{at}")).await;
    }
    assert_eq!(
        authorize_from(&world.server, &url(0), REDIRECT, "192.0.2.9").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_pinned_document_needs_no_network() {
    // CIMD-18, CIMD-20, CONF-21
    let suite = "https://conformance-test.local/client-metadata.json";
    let world = World::new(|builder| builder.pinned_document(suite, &document(suite).to_string())).await;
    assert_eq!(world.asks_as(suite).await, Ok(()));
    assert_eq!(world.fetches(), 0);
    // Nor a fetcher: other documents are then not accepted, and the metadata does not promise them.
    let server = builder(Stores::memory(), &FixedClock::default())
        .pinned_document(suite, &document(suite).to_string())
        .build()
        .await
        .unwrap();
    assert!(authorize(&server, suite, REDIRECT).await.sent_back("code").is_some());
    assert_eq!(authorize(&server, URL, REDIRECT).await.status, StatusCode::BAD_REQUEST);
    let metadata = get(&server, "/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], false);

    let bad = builder(Stores::memory(), &FixedClock::default()).pinned_document(suite, "{}").build().await;
    let Err(BuildError::Config(faults)) = bad else { panic!("a document without client_id was pinned") };
    assert!(faults[0].contains("client_id must be the url"), "{faults:?}");
}

#[tokio::test]
async fn documents_on_this_machine_are_for_development() {
    // CIMD-19
    let local = "http://localhost:9000/client.json";
    let fetch = Arc::new(StaticFetch::new().with(local, answer(&document(local))));
    let issuer = "http://localhost:8080";
    let base = || {
        AuthorizationServer::builder(issuer, Stores::memory())
            .resource(RESOURCE)
            .insecure_approve_all("owner")
            .client_documents(fetch.clone())
    };
    let development = base().insecure_development_documents().build().await.unwrap();
    assert!(authorize(&development, local, REDIRECT).await.sent_back("code").is_some());
    // A-CIMDX-16: the server does not ask itself.
    assert_eq!(
        authorize(&development, "http://localhost:8080/jwks.json", REDIRECT).await.status,
        StatusCode::BAD_REQUEST
    );
    let strict = base().build().await.unwrap();
    assert_eq!(authorize(&strict, local, REDIRECT).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(fetch.requests().len(), 1);
    let public = AuthorizationServer::builder(ISSUER, Stores::memory())
        .resource(RESOURCE)
        .insecure_approve_all("owner");
    assert!(public.insecure_development_documents().build().await.is_err());
}

#[tokio::test]
async fn no_flood_of_strangers_keeps_a_client_away_that_users_know() {
    // CIMD-11, LIM-1
    let (stores, clock, fetch) = (Stores::memory(), FixedClock::default(), Arc::new(StaticFetch::new()));
    let mut limits = Limits::default();
    limits.fetch_total = Quota::new(3, MINUTE);
    limits.fetch_source = Quota::new(2, MINUTE);
    let start = async || {
        let builder = builder(stores.clone(), &clock).limits(limits.clone());
        builder.client_documents(fetch.clone()).build().await.unwrap()
    };
    fetch.set(URL, answer(&document(URL)));
    let server = start().await;
    assert!(authorize_from(&server, URL, REDIRECT, "198.51.100.7").await.sent_back("code").is_some());

    // Started anew, it has nothing of its own; strangers use up what all may fetch.
    let server = start().await;
    let url = |at: usize| format!("https://stranger.example/{at}");
    for at in 0..40 {
        fetch.set(url(at), answer(&document(&url(at))));
        let _ = authorize_from(&server, &url(at), REDIRECT, &format!("203.0.113.{}", at + 1)).await;
    }
    assert_eq!(fetch.requests().len(), 1 + 3);
    let late = authorize_from(&server, &url(99), REDIRECT, "198.51.100.7").await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(authorize_from(&server, URL, REDIRECT, "198.51.100.8").await.sent_back("code").is_some());
    assert_eq!(fetch.count(URL), 2);
    // It is kept, so that nobody makes the server fetch it again and again; and one source is held to its own limit.
    for at in 0..10 {
        assert!(
            authorize_from(&server, URL, REDIRECT, &format!("192.0.2.{at}"))
                .await
                .sent_back("code")
                .is_some()
        );
    }
    assert_eq!(fetch.count(URL), 2);
}

#[tokio::test]
async fn nothing_is_fetched_for_a_request_that_cannot_succeed() {
    // CIMD-11
    let world = World::new(|builder| builder).await;
    let token = format!("mcp_rt_{}", "A".repeat(64));
    let grant = ("grant_type", "authorization_code");
    for (path, form, told) in [
        ("/token", vec![], (400, "invalid_request")),
        ("/token", vec![("grant_type", "password")], (400, "unsupported_grant_type")),
        ("/token", vec![grant], (400, "invalid_request")),
        ("/token", vec![grant, ("code", "x")], (400, "invalid_request")),
        ("/token", vec![grant, ("code_verifier", VERIFIER)], (400, "invalid_request")),
        ("/token", vec![("grant_type", "refresh_token"), ("refresh_token", "")], (400, "invalid_request")),
        // No token of this server's looks so.
        ("/token", vec![grant, ("code", "x"), ("code_verifier", VERIFIER)], (400, "invalid_grant")),
        ("/token", vec![("grant_type", "refresh_token"), ("refresh_token", "x")], (400, "invalid_grant")),
        // It has no secret that could be right.
        (
            "/token",
            vec![grant, ("code", "x"), ("code_verifier", "x"), ("client_secret", "x")],
            (401, "invalid_client"),
        ),
        ("/revoke", vec![], (400, "invalid_request")),
        ("/revoke", vec![("token", &*token), ("client_secret", "x")], (401, "invalid_client")),
        // Only who has a secret asks there.
        ("/introspect", vec![("token", &*token)], (401, "invalid_client")),
        ("/introspect", vec![("token", &*token), ("client_secret", "x")], (401, "invalid_client")),
    ] {
        let form = [&[("client_id", URL)], &form[..]].concat();
        let answer = post(&world.server, path, &[], &form).await;
        assert_eq!(answer.error(), (told.0, told.1.to_owned()), "{path} {form:?}");
    }
    assert_eq!(post(&world.server, "/revoke", &[], &[("client_id", URL), ("token", "x")]).await.status, 200);
    assert_eq!(world.fetches(), 0);
    let challenge = support::CHALLENGE;
    let good = authorize_query(URL, REDIRECT, &[]);
    let bends = [
        ("response_type=code", "response_type=token"),
        ("response_type=code", "response_type="),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        ("code_challenge_method=S256", "x=y"),
        (challenge, "short"),
        (challenge, ""),
    ];
    for (from, to) in bends {
        assert!(good.contains(from), "{good}");
        let answer = get(&world.server, &good.replace(from, to)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{to}");
        assert!(answer.text().contains("implausible"), "{to}: {}", answer.text());
    }
    assert_eq!(world.fetches(), 0);
    // A document that is at hand costs nothing: the client is told, as any other (A-PKCE-1, A-PKCE-4, A-PKCE-9, AS-36, AS-37).
    assert_eq!(world.asks().await, Ok(()));
    let pinned = World::new(|builder| builder.pinned_document(URL, &document(URL).to_string())).await;
    for world in [&world, &pinned] {
        for (from, to) in bends {
            let answer = get(&world.server, &good.replace(from, to)).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{to}: {}", answer.text());
            let error = if to.ends_with("=token") { "unsupported_response_type" } else { "invalid_request" };
            assert_eq!(answer.sent_back("error").as_deref(), Some(error), "{to}");
        }
    }
    assert_eq!((world.fetches(), pinned.fetches()), (1, 0));
    // When it is not fresh any more, it would have to be fetched.
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(get(&world.server, &good.replace("S256", "plain")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn too_many_documents_are_told_so_with_the_time_to_wait() {
    // LIM-1
    let limits = |source, total| {
        let mut limits = Limits::default();
        (limits.fetch_source, limits.fetch_total) = (Quota::new(source, MINUTE), Quota::new(total, MINUTE));
        limits
    };
    for (source, total) in [(2, 300), (300, 2)] {
        let world = World::new(|builder| builder.limits(limits(source, total))).await;
        let named = |at: usize| format!("https://app{at}.example/client.json");
        for at in 0..2 {
            let answer = authorize_from(&world.server, &named(at), REDIRECT, "192.0.2.1").await;
            assert_eq!(answer.status.as_u16(), 503, "not there");
        }
        let answer = authorize_from(&world.server, &named(2), REDIRECT, "192.0.2.1").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "30"), "{}", answer.text());
        assert!(
            answer.text().contains("too_many_requests")
                && answer.header("content-type").starts_with("text/html")
        );
        let token = of_our_form();
        for (path, form) in [
            ("/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)][..]),
            ("/revoke", &[("token", &token)]),
        ] {
            let body = form.iter().map(|(name, value)| format!("{name}={value}&")).collect::<String>();
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let mut asked =
                request(http::Method::POST, path, &headers, format!("{body}client_id={}", named(3)));
            asked.extensions_mut().insert(oauth_server::PeerAddress("192.0.2.1".parse().unwrap()));
            let answer = send(&world.server, asked).await;
            assert_eq!(
                (answer.error(), answer.header("retry-after")),
                ((429, "too_many_requests".to_owned()), "30"),
                "{path}"
            );
        }
        world.clock.advance(Duration::from_secs(30));
        assert_eq!(
            authorize_from(&world.server, &named(2), REDIRECT, "192.0.2.1").await.status.as_u16(),
            503
        );
    }
}

#[tokio::test]
async fn the_server_asks_itself_under_no_name_of_its_own() {
    // A-CIMDX-16
    let fetch = Arc::new(StaticFetch::new());
    let server = builder(Stores::memory(), &FixedClock::default()).client_documents(fetch.clone());
    let server = server.build().await.unwrap();
    for own in [
        "https://as.example/client.json",
        "https://as.example./client.json",
        "https://AS.Example:443/client.json",
        "https://as.example.:443/client.json",
    ] {
        fetch.set(own, answer(&document(own)));
        let refused = authorize(&server, own, REDIRECT).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{own}");
        assert!(refused.text().contains("client_id_url"), "{own}: {}", refused.text());
    }
    assert_eq!(fetch.requests().len(), 0);
    for other in ["https://as.example:8443/client.json", "https://not-as.example/client.json"] {
        fetch.set(other, answer(&document(other)));
        assert!(authorize(&server, other, REDIRECT).await.sent_back("code").is_some(), "{other}");
    }
}

#[tokio::test]
async fn the_document_of_a_product_that_wants_to_choose_is_negotiated() {
    // CAUTH-16
    let world = World::new(|builder| builder).await;
    let mut chatgpt = document(URL);
    chatgpt["token_endpoint_auth_method"] = json!("private_key_jwt");
    world.fetch.set(URL, answer(&chatgpt));
    assert_eq!(world.asks().await, Err(400));
    chatgpt["token_endpoint_auth_methods_supported"] = json!(["none", "private_key_jwt"]);
    chatgpt["jwks_uri"] = json!("https://10.0.0.1/jwks.json");
    chatgpt["logo_uri"] = json!("https://169.254.169.254/logo.svg");
    world.fetch.set(URL, answer(&chatgpt));
    world.clock.advance(MINUTE);
    assert_eq!(world.asks().await, Ok(()));
    // A-CIMDX-19, A-CIMDX-20
    assert!(world.fetch.requests().iter().all(|request| request.url == URL));
}

#[tokio::test]
async fn a_registered_client_cannot_take_the_id_of_a_document() {
    // DCR-16, A-CIMDX-22
    let json = format!("[{{\"client_id\":\"{URL}\",\"redirect_uris\":[\"{REDIRECT}\"]}}]");
    assert!(builder(Stores::memory(), &FixedClock::default()).clients_json(&json).build().await.is_err());
    let world = World::new(|builder| builder).await;
    let query = authorize_query(&format!("{URL}/"), REDIRECT, &[]);
    assert_ne!(get(&world.server, &query).await.status, StatusCode::SEE_OTHER);
}
