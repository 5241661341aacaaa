//! Accounts at third parties: what is asked of them, and what is taken for an answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::testing::SeededEntropy;
use oauth_core::{
    Claims, CodeVerifier, ConnectedAccounts, Connection as _, ConnectionFault, ConnectionReply, Form,
    SealedVault, Secret, StoreError, Stores, Timestamp, Vault, VaultKey, VaultKeyring, async_trait,
};
use oauth_providers::{OAuthConnection, OAuthConnectionBuilder};
use tokio::sync::{Notify, Semaphore};

/// Whose users have the accounts.
const HERE: &str = "https://as.example";

const ISSUER: &str = "https://third.example/t";
const METADATA: &str = "https://third.example/.well-known/oauth-authorization-server/t";
const TOKEN: &str = "https://third.example/token";
const CALLBACK: &str = "https://as.example/connect/third/callback";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const TOKENS: &str =
    r#"{"access_token":"first","token_type":"bearer","expires_in":"3600","refresh_token":"again"}"#;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

fn metadata(more: &str) -> Fetched {
    Fetched::json(format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://third.example/authorize","token_endpoint":"{TOKEN}"{more}}}"#
    ))
}

/// A third party that answers, and what it was asked.
fn third() -> Arc<StaticFetch> {
    Arc::new(StaticFetch::new().with(METADATA, metadata("")).with(TOKEN, Fetched::json(TOKENS)))
}

fn builder(fetch: impl Fetch) -> OAuthConnectionBuilder {
    OAuthConnection::builder("third", "Third")
        .issuer(ISSUER)
        .client("me & co", Secret::new("s:1".into()))
        .fetch(Arc::new(fetch))
}

async fn finish(connection: &OAuthConnection, query: &str) -> Result<Secret, ConnectionFault> {
    let (fields, kept) = (Form::read(query.as_bytes(), &[], &[]).unwrap(), Secret::new(VERIFIER.into()));
    connection.finish(ConnectionReply::new(&fields, &kept, CALLBACK, NOW)).await
}

fn faulty<T>(result: Result<T, ConnectionFault>) -> &'static str {
    result.err().unwrap().reason()
}

#[tokio::test]
async fn pkce_goes_along_whatever_authenticates_the_client() {
    // A-UPS-16
    let fetch = third();
    for (build, authorization, in_form) in [
        (builder(fetch.clone()), Some("Basic bWUrJTI2K2NvOnMlM0Ex"), ""),
        (builder(fetch.clone()).client_secret_post(), None, "&client_id=me+%26+co&client_secret=s%3A1"),
        (builder(fetch.clone()).public_client("us"), None, "&client_id=us"),
    ] {
        let connection = build.scopes("b a").parameter("access_type", "offline").build().unwrap();
        let departure = connection.begin(CALLBACK, NOW).await.unwrap();
        let challenge = CodeVerifier::parse(departure.keep.expose()).unwrap().challenge();
        assert!(
            departure
                .location
                .starts_with("https://third.example/authorize?access_type=offline&response_type=code&")
        );
        assert!(
            departure.location.contains(&format!("code_challenge={challenge}&code_challenge_method=S256"))
        );
        assert!(!format!("{departure:?} {connection:?}").contains(departure.keep.expose()));

        finish(&connection, "code=abc").await.unwrap();
        let asked = fetch.requests().pop().unwrap();
        assert_eq!(asked.headers.get("authorization").map(|value| value.to_str().unwrap()), authorization);
        let redirect = "https%3A%2F%2Fas.example%2Fconnect%2Fthird%2Fcallback";
        let form = format!(
            "grant_type=authorization_code&code=abc&redirect_uri={redirect}&code_verifier={VERIFIER}"
        );
        assert_eq!(asked.body, format!("{form}{in_form}"));
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_none() {
    // RFC 9207 §2.4, errors too
    let fetch = third();
    let connection = || builder(fetch.clone()).build().unwrap();
    let iss = "iss=https%3A%2F%2Fthird.example%2Ft";
    assert!(finish(&connection(), &format!("code=a&{iss}")).await.is_ok());
    assert!(finish(&connection(), "code=a").await.is_ok());
    assert_eq!(faulty(finish(&connection(), "code=a&iss=https%3A%2F%2Fthird.example").await), "iss");
    fetch.set(METADATA, metadata(r#","authorization_response_iss_parameter_supported":true"#));
    assert!(finish(&connection(), &format!("code=a&{iss}")).await.is_ok());
    for query in ["code=a", "error=access_denied", "code=a&iss=https%3A%2F%2Fevil.example"] {
        assert_eq!(faulty(finish(&connection(), query).await), "iss", "{query}");
    }
}

#[tokio::test]
async fn metadata_of_somebody_else_or_without_https_counts_for_nothing() {
    // A-UPS-9
    let fetch = third();
    let good = fetch.fetch(FetchRequest::get(METADATA)).await.unwrap().body;
    let good = std::str::from_utf8(&good).unwrap();
    for bad in [
        good.replace("example/t\"", "example/T\""),
        good.replace(TOKEN, "http://third.example/token"),
        good.replace("https://third.example/authorize", "http://third.example/authorize"),
        good.replace("https://third.example/authorize", "javascript:alert(1)"),
        "[]".to_owned(),
    ] {
        fetch.set(METADATA, Fetched::json(bad.clone()));
        let begun = builder(fetch.clone()).build().unwrap().begin(CALLBACK, NOW).await;
        assert_eq!(faulty(begun), "unavailable", "{bad}");
    }
    // What was found is kept for an hour, and longer while it cannot be found anew.
    fetch.set(METADATA, metadata(""));
    let connection = builder(fetch.clone()).build().unwrap();
    for (seconds, fetches) in [(0, 1), (3599, 0), (3600, 1), (3604, 0), (3605, 1)] {
        let before = fetch.count(METADATA);
        connection.begin(CALLBACK, at(seconds)).await.unwrap();
        assert_eq!(fetch.count(METADATA) - before, fetches, "{seconds}");
        fetch.set_error(METADATA, FetchError::Busy);
    }
}

#[tokio::test]
async fn metadata_is_fetched_by_one_request_and_not_at_once_again() {
    let fetch = third();
    let connection = builder(Slow(fetch.clone())).build().unwrap();
    let both = tokio::join!(connection.begin(CALLBACK, NOW), connection.begin(CALLBACK, NOW));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(fetch.count(METADATA), 1);
    // A clock that is set back makes nothing count longer.
    connection.begin(CALLBACK, NOW.before(Duration::from_secs(1))).await.unwrap();
    assert_eq!(fetch.count(METADATA), 2);
    // Without any: an outage is one, for five seconds, also on a clock that is set back.
    fetch.set_error(METADATA, FetchError::Busy);
    let connection = builder(fetch.clone()).build().unwrap();
    for (time, fetches) in [(at(10), 1), (at(14), 0), (at(9), 1), (at(14), 1)] {
        let before = fetch.count(METADATA);
        assert_eq!(faulty(connection.begin(CALLBACK, time).await), "unavailable");
        assert_eq!(fetch.count(METADATA) - before, fetches, "{time:?}");
    }
}

#[tokio::test]
async fn metadata_names_nothing_on_this_machine_unless_its_issuer_is_here() {
    // A-UPS-9
    let fetch = third();
    let good = fetch.fetch(FetchRequest::get(METADATA)).await.unwrap().body;
    let good = std::str::from_utf8(&good).unwrap();
    for bad in ["http://127.0.0.1:9/token", "http://localhost/token", "https://third.example/token?x#y"] {
        fetch.set(METADATA, Fetched::json(good.replace(TOKEN, bad)));
        let begun = builder(fetch.clone()).build().unwrap().begin(CALLBACK, NOW).await;
        assert_eq!(faulty(begun), "unavailable", "{bad}");
    }
    let here = "http://127.0.0.1:9";
    let metadata =
        format!(r#"{{"issuer":"{here}","authorization_endpoint":"{here}/a","token_endpoint":"{here}/t"}}"#);
    fetch.set(format!("{here}/.well-known/oauth-authorization-server"), Fetched::json(metadata));
    assert!(builder(fetch).issuer(here).build().unwrap().begin(CALLBACK, NOW).await.is_ok());
}

#[tokio::test]
async fn configured_endpoints_have_an_issuer_too() {
    // UP-4, UP-17
    let fetch = third();
    let connection = |builder: OAuthConnectionBuilder| {
        builder.endpoints("https://third.example/a", TOKEN).build().unwrap()
    };
    for connection in [connection(builder(fetch.clone())), {
        // In any order.
        let first = OAuthConnection::builder("third", "Third").endpoints("https://third.example/a", TOKEN);
        first.issuer(ISSUER).public_client("us").fetch(fetch.clone()).build().unwrap()
    }] {
        assert_eq!(connection.issuer(), ISSUER);
        assert!(
            connection.begin(CALLBACK, NOW).await.unwrap().location.starts_with("https://third.example/a?")
        );
        assert!(finish(&connection, "code=a&iss=https%3A%2F%2Fthird.example%2Ft").await.is_ok());
        assert!(finish(&connection, "code=a").await.is_ok());
        for query in ["code=a&iss=https%3A%2F%2Fevil.example", "error=x&iss=https%3A%2F%2Fevil.example"] {
            assert_eq!(faulty(finish(&connection, query).await), "iss", "{query}");
        }
    }
    assert_eq!(fetch.count(METADATA), 0);
    let wrong = builder(fetch).endpoints("https://third.example/a", "http://127.0.0.1/t").build();
    assert!(wrong.unwrap_err().to_string().contains("must be https"));
}

#[tokio::test]
async fn faults_are_told_apart_by_whose_they_are() {
    let fetch = third();
    let connection = builder(fetch.clone()).build().unwrap();
    let answer = |status: u16, body: &'static str| Fetched::new(StatusCode::from_u16(status).unwrap(), body);
    for (fetched, reason) in [
        (answer(400, r#"{"error":"invalid_grant"}"#), "token_refused"),
        (answer(200, r#"{"error":"bad_verification_code"}"#), "token_refused"),
        (answer(401, r#"{"error":"invalid_client"}"#), "unavailable"),
        (answer(429, r#"{"error":"slow_down"}"#), "unavailable"),
        (answer(503, r#"{"error":"invalid_grant"}"#), "unavailable"),
        (answer(200, "<html>"), "unavailable"),
        (answer(200, r#"{"access_token":"a","token_type":"mac"}"#), "unavailable"),
        (answer(200, r#"{"access_token":"","token_type":"bearer"}"#), "unavailable"),
        (answer(200, r#"{"access_token":"a","access_token":"b","token_type":"bearer"}"#), "unavailable"),
    ] {
        let body = fetched.body.clone();
        fetch.set(TOKEN, fetched);
        assert_eq!(faulty(finish(&connection, "code=a").await), reason, "{body:?}");
    }
    for (query, reason) in [
        ("error=access_denied", "access_denied"),
        ("error=temporarily_unavailable", "unavailable"),
        ("error=x", "authorization_error"),
        ("x=y", "no_code"),
    ] {
        assert_eq!(faulty(finish(&connection, query).await), reason, "{query}");
    }
}

/// Answers after others have had their turn.
struct Slow(Arc<StaticFetch>);

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        tokio::task::yield_now().await;
        self.0.fetch(request).await
    }
}

const SECOND: &str =
    r#"{"access_token":"second","token_type":"Bearer","expires_in":3600,"refresh_token":"twice"}"#;

fn says(error: &str) -> Fetched {
    Fetched::new(StatusCode::BAD_REQUEST, format!(r#"{{"error":"{error}"}}"#))
}

fn caller(subject: &str) -> Claims {
    Claims::new(HERE, subject.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX)
}

fn accounts_of(builder: OAuthConnectionBuilder, vault: Arc<dyn Vault>) -> ConnectedAccounts {
    let vault = SealedVault::new(vault, VaultKeyring::new("k", &[7; 32]).unwrap());
    ConnectedAccounts::new(HERE.parse().unwrap(), builder.build().unwrap(), vault)
}

/// Alice's first tokens.
async fn connect(accounts: &ConnectedAccounts, fetch: &Arc<StaticFetch>) {
    let tokens = finish(&builder(fetch.clone()).build().unwrap(), "code=a").await.unwrap();
    accounts.keep(&"alice".parse().unwrap(), &tokens).await.unwrap();
}

/// The accounts of one server over a vault that others share, with Alice's first tokens in it.
async fn accounts(fetch: &Arc<StaticFetch>, stores: &Stores) -> ConnectedAccounts {
    let accounts = accounts_of(builder(Slow(fetch.clone())), stores.vault.clone());
    connect(&accounts, fetch).await;
    accounts
}

fn shown(found: Option<Arc<Secret>>) -> Option<String> {
    found.map(|token| token.expose().to_owned())
}

async fn token(accounts: &ConnectedAccounts, subject: &str, seconds: u64) -> Option<String> {
    shown(accounts.token_for(&caller(subject), at(seconds)).await.unwrap())
}

fn refreshes(fetch: &StaticFetch) -> usize {
    fetch.requests().iter().filter(|request| request.body.starts_with(b"grant_type=refresh_token")).count()
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_by_one_request() {
    let (fetch, stores) = (third(), Stores::memory());
    let accounts = accounts(&fetch, &stores).await;
    assert_eq!(token(&accounts, "alice", 3509).await.as_deref(), Some("first"));
    assert_eq!(token(&accounts, "bob", 0).await, None);
    assert_eq!(refreshes(&fetch), 0);
    fetch.set(TOKEN, Fetched::json(r#"{"access_token":"second","token_type":"Bearer","expires_in":3600}"#));
    let both = tokio::join!(token(&accounts, "alice", 3540), token(&accounts, "alice", 3540));
    assert_eq!(both, (Some("second".into()), Some("second".into())));
    assert_eq!(refreshes(&fetch), 1);
    assert_eq!(fetch.requests().pop().unwrap().body, "grant_type=refresh_token&refresh_token=again");
    // The refresh token is still the one before (RFC 6749 §6); near the end an outage costs nothing, after it it is one.
    fetch.set_error(TOKEN, FetchError::Busy);
    assert_eq!(token(&accounts, "alice", 3540 + 3599).await.as_deref(), Some("second"));
    let fault = accounts.token_for(&caller("alice"), at(3540 + 3610)).await.unwrap_err();
    assert_eq!(fault.reason(), "unavailable");
    assert!(fault.retry_after().is_some());
    // Who failed is left alone for a moment. What the third party takes no more is asked for anew.
    fetch.set(TOKEN, says("invalid_grant"));
    let before = refreshes(&fetch);
    assert!(accounts.token_for(&caller("alice"), at(3540 + 3614)).await.is_err());
    assert_eq!(refreshes(&fetch), before);
    assert_eq!(token(&accounts, "alice", 3540 + 3615).await, None);
    // And it is not offered again.
    assert_eq!(token(&accounts, "alice", 3540 + 3615).await, None);
    assert_eq!(refreshes(&fetch), before + 1);
    connect(&accounts, &fetch_of_first()).await;
    assert_eq!(token(&accounts, "alice", 0).await.as_deref(), Some("first"));
    assert!(accounts.forget(&"alice".parse().unwrap()).await.unwrap());
    assert_eq!(token(&accounts, "alice", 0).await, None);
}

fn fetch_of_first() -> Arc<StaticFetch> {
    third()
}

#[tokio::test]
async fn only_an_end_of_the_grant_costs_the_connection() {
    for (error, is_end) in [
        ("invalid_grant", true),
        ("bad_refresh_token", true),
        ("invalid_client", false),
        ("invalid_request", false),
        ("unsupported_grant_type", false),
        ("rate_limited", false),
        ("server_error", false),
    ] {
        let (fetch, stores) = (third(), Stores::memory());
        let accounts = accounts(&fetch, &stores).await;
        fetch.set(TOKEN, says(error));
        let found = accounts.token_for(&caller("alice"), at(3600)).await;
        assert_eq!(found.is_ok_and(|token| token.is_none()), is_end, "{error}");
        fetch.set(TOKEN, Fetched::json(SECOND));
        let later = token(&accounts, "alice", 3605).await;
        assert_eq!(later.as_deref(), (!is_end).then_some("second"), "{error}");
    }
}

/// Whose answers to refreshes are held back until they are let through.
struct Gate {
    fetch: Arc<StaticFetch>,
    asked: Notify,
    may_answer: Semaphore,
}

impl Gate {
    fn new(fetch: &Arc<StaticFetch>) -> Arc<Self> {
        Arc::new(Self { fetch: fetch.clone(), asked: Notify::new(), may_answer: Semaphore::new(0) })
    }
}

#[async_trait]
impl Fetch for Gate {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let is_refresh = request.body.starts_with(b"grant_type=refresh_token");
        let answer = self.fetch.fetch(request).await;
        if is_refresh {
            self.asked.notify_one();
            self.may_answer.acquire().await.unwrap().forget();
        }
        answer
    }
}

#[tokio::test]
async fn who_finds_another_renewing_does_not_spend_the_token_too() {
    let (fetch, stores) = (third(), Stores::memory());
    for (seconds, meanwhile) in [(3540, Some("first")), (3600, None)] {
        fetch.set(TOKEN, Fetched::json(TOKENS));
        let other = accounts(&fetch, &stores).await;
        let gate = Gate::new(&fetch);
        let one = accounts_of(builder(gate.clone()), stores.vault.clone());
        fetch.set(TOKEN, Fetched::json(SECOND));
        let before = refreshes(&fetch);
        let renewing = tokio::spawn({
            let one = one.clone();
            async move { token(&one, "alice", seconds).await }
        });
        gate.asked.notified().await;
        // The other server would be refused, and would send the user to connect what is connected.
        fetch.set(TOKEN, says("invalid_grant"));
        match meanwhile {
            Some(old) => assert_eq!(token(&other, "alice", seconds).await.as_deref(), Some(old)),
            None => {
                let fault = other.token_for(&caller("alice"), at(seconds)).await.unwrap_err();
                assert!(
                    fault.retry_after().is_some_and(|after| after <= Duration::from_secs(2)),
                    "{fault:?}"
                );
            }
        }
        gate.may_answer.add_permits(1);
        assert_eq!(renewing.await.unwrap().as_deref(), Some("second"));
        assert_eq!(refreshes(&fetch), before + 1);
        assert_eq!(token(&other, "alice", seconds).await.as_deref(), Some("second"));
    }
}

#[tokio::test]
async fn a_lease_of_who_died_over_it_ends() {
    let (fetch, stores) = (third(), Stores::memory());
    let other = accounts(&fetch, &stores).await;
    let gate = Gate::new(&fetch);
    let one = accounts_of(builder(gate.clone()), stores.vault.clone());
    fetch.set_error(TOKEN, FetchError::Busy);
    let dies = tokio::spawn(async move { one.token_for(&caller("alice"), at(3600)).await });
    gate.asked.notified().await;
    dies.abort();
    fetch.set(TOKEN, Fetched::json(SECOND));
    assert!(other.token_for(&caller("alice"), at(3629)).await.is_err());
    assert_eq!(token(&other, "alice", 3630).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn what_was_bought_is_kept_though_nobody_waits_for_it_any_more() {
    let (fetch, stores) = (third(), Stores::memory());
    let other = accounts(&fetch, &stores).await;
    let gate = Gate::new(&fetch);
    let one = accounts_of(builder(gate.clone()), stores.vault.clone());
    fetch.set(TOKEN, Fetched::json(SECOND));
    {
        let alice = caller("alice");
        let tool = one.token_for(&alice, at(3600));
        tokio::select! {
            _ = tool => panic!("it is held back"),
            () = gate.asked.notified() => {}
        }
    }
    gate.may_answer.add_permits(1);
    // What goes on goes on by itself.
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    fetch.set(TOKEN, says("invalid_grant"));
    assert_eq!(token(&other, "alice", 3600).await.as_deref(), Some("second"));
    assert_eq!(refreshes(&fetch), 1);
}

#[tokio::test]
async fn what_another_has_connected_meanwhile_is_taken_and_not_removed() {
    let (fetch, stores) = (third(), Stores::memory());
    for refused in [true, false] {
        fetch.set(TOKEN, Fetched::json(TOKENS));
        let other = accounts(&fetch, &stores).await;
        let gate = Gate::new(&fetch);
        let one = accounts_of(builder(gate.clone()), stores.vault.clone());
        fetch.set(TOKEN, if refused { says("invalid_grant") } else { Fetched::json(SECOND) });
        let renewing = tokio::spawn({
            let one = one.clone();
            async move { token(&one, "alice", 3600).await }
        });
        gate.asked.notified().await;
        let newer = fetch_of_first();
        newer.set(TOKEN, Fetched::json(r#"{"access_token":"third","token_type":"Bearer"}"#));
        connect(&other, &newer).await;
        gate.may_answer.add_permits(1);
        assert_eq!(renewing.await.unwrap().as_deref(), Some("third"), "{refused}");
        assert_eq!(token(&other, "alice", 3600).await.as_deref(), Some("third"), "{refused}");
    }
    // Nor does what was forgotten come back.
    fetch.set(TOKEN, Fetched::json(TOKENS));
    let other = accounts(&fetch, &stores).await;
    let gate = Gate::new(&fetch);
    let one = accounts_of(builder(gate.clone()), stores.vault.clone());
    fetch.set(TOKEN, Fetched::json(SECOND));
    let renewing = tokio::spawn(async move { token(&one, "alice", 3600).await });
    gate.asked.notified().await;
    assert!(other.forget(&"alice".parse().unwrap()).await.unwrap());
    gate.may_answer.add_permits(1);
    assert_eq!(renewing.await.unwrap(), None);
    assert_eq!(token(&other, "alice", 3600).await, None);
}

/// A vault that fails at times.
struct Failing {
    vault: Arc<dyn Vault>,
    /// How many writes it does before it fails so many.
    writes: Mutex<(usize, usize)>,
}

#[async_trait]
impl Vault for Failing {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        self.vault.put(key, sealed).await
    }
    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.vault.get(key).await
    }
    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        {
            let mut writes = self.writes.lock().unwrap();
            match &mut *writes {
                (0, 0) => {}
                (0, failures) => {
                    *failures -= 1;
                    return Err(StoreError::unavailable("down"));
                }
                (good, _) => *good -= 1,
            }
        }
        self.vault.replace(key, read, sealed).await
    }
    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        self.vault.forget(key).await
    }
}

#[tokio::test]
async fn what_was_bought_survives_a_vault_that_fails() {
    // For a moment: nobody notices. For longer: it is handed out, and kept by the next who asks.
    for (failures, kept_at_once) in [(2, true), (5, false)] {
        let (fetch, stores) = (third(), Stores::memory());
        let other = accounts(&fetch, &stores).await;
        let failing = Failing { vault: stores.vault.clone(), writes: Mutex::new((1, failures)) };
        let one = accounts_of(builder(fetch.clone()), Arc::new(failing));
        fetch.set(TOKEN, Fetched::json(SECOND));
        assert_eq!(token(&one, "alice", 3600).await.as_deref(), Some("second"));
        assert_eq!(other.token_for(&caller("alice"), at(3600)).await.is_ok(), kept_at_once);
        fetch.set(TOKEN, says("invalid_grant"));
        for _ in 0..2 {
            assert_eq!(token(&one, "alice", 3600).await.as_deref(), Some("second"));
        }
        assert_eq!(token(&other, "alice", 3600).await.as_deref(), Some("second"));
        assert_eq!(refreshes(&fetch), 1);
    }
    // Another server, once the lease is over, is refused with what was spent: what was bought is newer.
    let (fetch, stores) = (third(), Stores::memory());
    let other = accounts(&fetch, &stores).await;
    let failing = Failing { vault: stores.vault.clone(), writes: Mutex::new((1, 4)) };
    let one = accounts_of(builder(fetch.clone()), Arc::new(failing));
    fetch.set(TOKEN, Fetched::json(SECOND));
    assert_eq!(token(&one, "alice", 3600).await.as_deref(), Some("second"));
    fetch.set(TOKEN, says("invalid_grant"));
    assert_eq!(token(&other, "alice", 3640).await, None);
    assert_eq!(token(&one, "alice", 3640).await.as_deref(), Some("second"));
    assert_eq!(token(&other, "alice", 3640).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn what_does_not_open_is_asked_for_again() {
    let (fetch, stores) = (third(), Stores::memory());
    let other = accounts(&fetch, &stores).await;
    let rotated = SealedVault::new(stores.vault.clone(), VaultKeyring::new("new", &[9; 32]).unwrap());
    let connection = builder(fetch.clone()).build().unwrap();
    let one = ConnectedAccounts::new(HERE.parse().unwrap(), connection, rotated);
    // Its key is gone, or it was changed.
    assert_eq!(token(&one, "alice", 0).await, None);
    let place = VaultKey { subject: "alice".parse().unwrap(), provider: "third".parse().unwrap() };
    for damaged in [&b"x"[..], b"\x01\x01k-------------------------------"] {
        stores.vault.put(&place, damaged).await.unwrap();
        assert_eq!(token(&other, "alice", 0).await, None);
    }
    connect(&one, &fetch).await;
    assert_eq!(token(&one, "alice", 0).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_token_that_the_third_party_revoked_is_handed_out_no_more() {
    let (fetch, stores) = (third(), Stores::memory());
    let accounts = accounts(&fetch, &stores).await;
    let alice = caller("alice");
    let first = accounts.token_for(&alice, at(0)).await.unwrap().unwrap();
    // It is renewed, by one request.
    fetch.set(TOKEN, Fetched::json(SECOND));
    let both = tokio::join!(accounts.refused(&alice, &first, at(0)), accounts.refused(&alice, &first, at(0)));
    assert_eq!(shown(both.0.unwrap()).as_deref(), Some("second"));
    assert_eq!(shown(both.1.unwrap()).as_deref(), Some("second"));
    // Who hears of it late has the new one.
    assert_eq!(shown(accounts.refused(&alice, &first, at(1)).await.unwrap()).as_deref(), Some("second"));
    assert_eq!(refreshes(&fetch), 1);
    // An outage takes nothing away; an end does, once.
    let second = accounts.token_for(&alice, at(1)).await.unwrap().unwrap();
    fetch.set_error(TOKEN, FetchError::Busy);
    assert_eq!(faulty(accounts.refused(&alice, &second, at(1)).await), "unavailable");
    fetch.set(TOKEN, says("invalid_grant"));
    assert!(accounts.refused(&alice, &second, at(6)).await.unwrap().is_none());
    assert!(accounts.token_for(&alice, at(6)).await.unwrap().is_none());
    assert!(accounts.refused(&alice, &second, at(6)).await.unwrap().is_none());
    // Without a refresh token it is gone at once, and what is connected anew is not.
    let lasting = fetch_of_first();
    lasting.set(TOKEN, Fetched::json(r#"{"access_token":"lasting","token_type":"Bearer"}"#));
    connect(&accounts, &lasting).await;
    let lasting = accounts.token_for(&alice, at(6)).await.unwrap().unwrap();
    assert_eq!(shown(accounts.refused(&alice, &second, at(6)).await.unwrap()).as_deref(), Some("lasting"));
    assert!(accounts.refused(&alice, &lasting, at(6)).await.unwrap().is_none());
    assert!(accounts.token_for(&alice, at(6)).await.unwrap().is_none());
}

#[tokio::test]
async fn fewer_scopes_than_asked_for_are_asked_for_again() {
    let fetch = third();
    let granted = |scope: &str| {
        Fetched::json(TOKENS.replace(r#""expires_in""#, &format!(r#""scope":"{scope}","expires_in""#)))
    };
    let scoped = |scopes: &str| builder(fetch.clone()).scopes(scopes);
    for (scope, reason) in
        [("b,a", None), ("a b c", None), ("", None), ("a", Some("scope")), ("ab", Some("scope"))]
    {
        fetch.set(TOKEN, granted(scope));
        let finished = finish(&scoped("a b").build().unwrap(), "code=x").await;
        assert_eq!(finished.err().map(|fault| fault.reason()), reason, "{scope}");
    }
    fetch.set(TOKEN, granted("other"));
    assert!(finish(&scoped("a").scopes_have_other_names().build().unwrap(), "code=x").await.is_ok());
    // What is configured later is not covered by what was granted before.
    let stores = Stores::memory();
    fetch.set(TOKEN, Fetched::json(TOKENS));
    let before = accounts_of(scoped("a"), stores.vault.clone());
    let tokens = finish(&scoped("a").build().unwrap(), "code=x").await.unwrap();
    before.keep(&"alice".parse().unwrap(), &tokens).await.unwrap();
    assert!(token(&before, "alice", 0).await.is_some());
    let after = accounts_of(scoped("a b"), stores.vault.clone());
    assert_eq!(token(&after, "alice", 0).await, None);
    // A renewal that says nothing leaves the scopes as they were; one that takes some away is kept, and the user asked.
    fetch.set(TOKEN, Fetched::json(SECOND));
    assert_eq!(token(&before, "alice", 3600).await.as_deref(), Some("second"));
    assert_eq!(token(&after, "alice", 3600).await, None);
    fetch.set(TOKEN, granted("c"));
    assert_eq!(token(&before, "alice", 7200).await, None);
}

#[tokio::test]
async fn a_refresh_token_goes_to_nobody_else() {
    let (fetch, stores) = (third(), Stores::memory());
    let _ = accounts(&fetch, &stores).await;
    let (endpoint, secret) = ("https://evil.example/token", || Secret::new("s".into()));
    fetch.set(endpoint, Fetched::json(SECOND));
    for other in [
        builder(fetch.clone()).issuer("https://evil.example").endpoints("https://evil.example/a", endpoint),
        builder(fetch.clone()).client("another", secret()),
    ] {
        let other = accounts_of(other, stores.vault.clone());
        for seconds in [0, 3600] {
            assert_eq!(token(&other, "alice", seconds).await, None);
        }
    }
    assert_eq!((fetch.count(endpoint), refreshes(&fetch)), (0, 0));
}

#[tokio::test]
async fn not_all_servers_renew_at_the_same_second() {
    let (fetch, stores) = (third(), Stores::memory());
    let mut renewed_at = std::collections::BTreeSet::new();
    for seed in 0..16 {
        fetch.set(TOKEN, Fetched::json(TOKENS));
        let accounts =
            accounts_of(builder(fetch.clone()).entropy(SeededEntropy::new(seed)), stores.vault.clone());
        connect(&accounts, &fetch).await;
        fetch.set(TOKEN, Fetched::json(SECOND));
        for seconds in 3509..=3540 {
            if token(&accounts, "alice", seconds).await.as_deref() == Some("second") {
                renewed_at.insert(seconds);
                break;
            }
        }
    }
    assert!(renewed_at.len() > 4 && *renewed_at.first().unwrap() >= 3510, "{renewed_at:?}");
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let built = OAuthConnection::builder("a/b", "").endpoints("https://x.example/a", "http://x.example/t");
    let error = built.scopes("a \u{7f}").parameter("state", "x").build().unwrap_err();
    assert_eq!(error.faults().len(), 6, "{error}");
}
