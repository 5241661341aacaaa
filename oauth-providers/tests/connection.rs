//! Accounts at third parties: what is asked of them, and what is taken for an answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::{
    CodeVerifier, ConnectedAccounts, Connection as _, ConnectionFault, ConnectionReply, Form, SealedVault,
    Secret, Stores, Subject, Timestamp, VaultKeyring, async_trait,
};
use oauth_providers::{OAuthConnection, OAuthConnectionBuilder};

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
    for (seconds, fetches) in [(0, 1), (3599, 0), (3600, 1), (3601, 1)] {
        let before = fetch.count(METADATA);
        connection.begin(CALLBACK, at(seconds)).await.unwrap();
        assert_eq!(fetch.count(METADATA) - before, fetches, "{seconds}");
        fetch.set_error(METADATA, FetchError::Busy);
    }
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

/// The accounts of one server over a vault that others share, with Alice's first tokens in it.
async fn accounts(fetch: &Arc<StaticFetch>, stores: &Stores, alice: &Subject) -> ConnectedAccounts {
    let connection = builder(Slow(fetch.clone())).build().unwrap();
    let tokens = finish(&connection, "code=a").await.unwrap();
    let keys = VaultKeyring::new("k", &[7; 32]).unwrap();
    let accounts = ConnectedAccounts::new(connection, SealedVault::new(stores.vault.clone(), keys));
    accounts.keep(alice, &tokens).await.unwrap();
    accounts
}

async fn token(accounts: &ConnectedAccounts, alice: &Subject, seconds: u64) -> Option<String> {
    accounts.token_for(alice, at(seconds)).await.unwrap().map(|token| token.expose().to_owned())
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_by_one_request() {
    let (fetch, stores, alice) = (third(), Stores::memory(), "alice".parse().unwrap());
    let accounts = accounts(&fetch, &stores, &alice).await;
    assert_eq!(token(&accounts, &alice, 3539).await.as_deref(), Some("first"));
    assert_eq!(token(&accounts, &"bob".parse().unwrap(), 0).await, None);
    let before = fetch.count(TOKEN);
    fetch.set(TOKEN, Fetched::json(r#"{"access_token":"second","token_type":"Bearer","expires_in":3600}"#));
    let both = tokio::join!(token(&accounts, &alice, 3540), token(&accounts, &alice, 3540));
    assert_eq!(both, (Some("second".into()), Some("second".into())));
    assert_eq!(fetch.count(TOKEN) - before, 1);
    assert_eq!(fetch.requests().pop().unwrap().body, "grant_type=refresh_token&refresh_token=again");
    // The refresh token is still the one before (RFC 6749 §6); near the end an outage costs nothing, after it it is one.
    fetch.set_error(TOKEN, FetchError::Busy);
    assert_eq!(token(&accounts, &alice, 3540 + 3599).await.as_deref(), Some("second"));
    assert_eq!(faulty(accounts.token_for(&alice, at(3540 + 3600)).await), "unavailable");
    // What the third party takes no more is asked for anew.
    fetch.set(TOKEN, Fetched::new(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#));
    assert_eq!(token(&accounts, &alice, 3540 + 3600).await, None);
    assert!(accounts.forget(&alice).await.unwrap());
}

#[tokio::test]
async fn what_another_server_has_renewed_meanwhile_is_taken() {
    let (fetch, stores, alice) = (third(), Stores::memory(), "alice".parse().unwrap());
    let (one, other) = (accounts(&fetch, &stores, &alice).await, accounts(&fetch, &stores, &alice).await);
    // Both ask; whoever comes second is refused, or is answered too late.
    fetch.set(TOKEN, Fetched::json(r#"{"access_token":"second","token_type":"Bearer","expires_in":3600}"#));
    let both = tokio::join!(token(&one, &alice, 3600), token(&other, &alice, 3600));
    assert_eq!(both, (Some("second".into()), Some("second".into())));
    let refuses = async {
        fetch.set(TOKEN, Fetched::new(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#));
        let newer = Secret::new(r#"{"access_token":"third"}"#.into());
        other.keep(&alice, &newer).await.unwrap();
    };
    let (found, ()) = tokio::join!(token(&one, &alice, 7200), refuses);
    assert_eq!(found.as_deref(), Some("third"));
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let built = OAuthConnection::builder("a/b", "").endpoints("https://x.example/a", "http://x.example/t");
    let error = built.scopes("a \u{7f}").parameter("state", "x").build().unwrap_err();
    assert_eq!(error.faults().len(), 6, "{error}");
}
