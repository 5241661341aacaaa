//! What is asked of a third party, and what is taken for an answer.

use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch as _, FetchError, FetchRequest, Fetched};
use oauth_core::{CodeVerifier, Connection as _};
use oauth_providers::{OAuthConnection, OAuthConnectionBuilder};

use crate::fixture::{
    CALLBACK, ISSUER, METADATA, NOW, Slow, TOKEN, VERIFIER, at, builder, faulty, finish, metadata, third,
};

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

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let built = OAuthConnection::builder("a/b", "").endpoints("https://x.example/a", "http://x.example/t");
    let error = built.scopes("a \u{7f}").parameter("state", "x").build().unwrap_err();
    assert_eq!(error.faults().len(), 6, "{error}");
}
