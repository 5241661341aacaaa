//! Token introspection, through the service.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::time::Duration;

use http::StatusCode;
use oauth_core::testing::FixedClock;
use oauth_core::{CredentialKind, GrantId, OsEntropy, Quota, Stores, TokenFormat};
use oauth_server::{AuthorizationServer, Limits};
use serde_json::{Value, json};
use support::{
    Answer, OTHER_RESOURCE, REDIRECT, RESOURCE, authorize, basic, builder, has_nothing, post, tokens,
};

const SECRET: &str = "correct-horse-battery";
const RS: &str = "secret-of-the-notes-server";
const OTHER_RS: &str = "secret-of-the-other-server";
const INACTIVE: &str = r#"{"active":false}"#;

async fn world() -> (AuthorizationServer, FixedClock) {
    let clock = FixedClock::default();
    (server(Stores::memory(), &clock).await, clock)
}

async fn server(stores: Stores, clock: &FixedClock) -> AuthorizationServer {
    builder(stores, clock)
        .resource_secret(RESOURCE, RS)
        .resource_secret(OTHER_RESOURCE, OTHER_RS)
        .build()
        .await
        .unwrap()
}

async fn ask(server: &AuthorizationServer, header: (&str, &str), token: &str) -> Answer {
    post(server, "/introspect", &[header], &[("token", token)]).await
}

fn token<'t>(tokens: &'t Value, name: &str) -> &'t str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

#[tokio::test]
async fn a_resource_learns_what_a_token_for_it_may_do() {
    // INTR-1, INTR-4, INTR-6, seed: X-Resource-Secret
    let (server, _) = world().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let access = token(&issued, "access_token");
    let bearer = format!("Bearer {RS}");
    let encoded = form_urlencoded::byte_serialize(RESOURCE.as_bytes()).collect::<String>();
    let (by_id, by_encoded_id) = (basic(RESOURCE, RS), basic(&encoded, RS));
    let mut ids = Vec::new();
    for header in [
        ("x-resource-secret", RS),
        ("authorization", &*bearer),
        ("authorization", &*by_id),
        ("authorization", &*by_encoded_id),
    ] {
        let answer = ask(&server, header, access).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.header("cache-control")),
            (StatusCode::OK, "application/json", "no-store")
        );
        let mut told = answer.json();
        assert!(!has_nothing(&told), "{told:#}");
        ids.push(told.as_object_mut().unwrap().remove("jti").unwrap());
        assert_eq!(
            told,
            json!({
                "active": true, "scope": "notes:read notes:write", "client_id": "public", "sub": "owner", "aud": RESOURCE, "iss": "https://as.example",
                "iat": 1_700_000_000, "exp": 1_700_000_600, "auth_time": 1_700_000_000, "token_type": "Bearer",
            }),
            "{header:?}"
        );
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert!(ids[0].as_str().is_some_and(|id| !access.contains(id)));
}

#[tokio::test]
async fn a_intro_2_nobody_learns_of_a_token_that_is_not_for_them() {
    // INTR-2, INTR-3, A-INTRO-2
    let (server, clock) = world().await;
    let issued = tokens(&server, "secret", Some(SECRET), RESOURCE).await;
    let (access, refresh_token) = (token(&issued, "access_token"), token(&issued, "refresh_token"));
    let code = authorize(&server, "secret", REDIRECT).await.sent_back("code").unwrap();
    let owner = basic("secret", SECRET);
    let other = basic("other", "staple-correct-horse");
    let (never, _) =
        TokenFormat::default().mint(CredentialKind::AccessToken, GrantId::generate(&OsEntropy), &OsEntropy);
    for (header, asked) in [
        (("x-resource-secret", OTHER_RS), access),
        (("x-resource-secret", RS), refresh_token),
        (("x-resource-secret", RS), &code),
        (("x-resource-secret", RS), never.expose()),
        (("x-resource-secret", RS), "junk"),
        (("authorization", &*other), access),
        (("authorization", &*other), refresh_token),
        (("authorization", &*owner), &code),
    ] {
        let answer = ask(&server, header, asked).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, INACTIVE), "{header:?}");
    }
    // Its owner learns of both.
    for (asked, kind) in [(access, json!("Bearer")), (refresh_token, Value::Null)] {
        let told = ask(&server, ("authorization", &owner), asked).await.json();
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &kind));
    }
    clock.advance(Duration::from_secs(600));
    assert_eq!(ask(&server, ("x-resource-secret", RS), access).await.text(), INACTIVE);
    let issued = tokens(&server, "secret", Some(SECRET), RESOURCE).await;
    post(&server, "/revoke", &[("authorization", &owner)], &[("token", token(&issued, "refresh_token"))])
        .await;
    assert_eq!(
        ask(&server, ("x-resource-secret", RS), token(&issued, "access_token")).await.text(),
        INACTIVE
    );
}

#[tokio::test]
async fn a_intro_1_who_does_not_prove_who_they_are_learns_nothing() {
    // INTR-1, A-INTRO-1
    let (server, _) = world().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let access = token(&issued, "access_token");
    let wrong = basic("secret", "wrong");
    let of_the_resource = basic(RESOURCE, OTHER_RS);
    let public = basic("public", "");
    for asked in [access, "junk"] {
        for (headers, client_id) in [
            (vec![], None),
            (vec![], Some("public")),
            (vec![], Some("secret")),
            (vec![], Some("nobody")),
            (vec![("x-resource-secret", "wrong")], None),
            (vec![("x-resource-secret", "")], None),
            (vec![("authorization", "Bearer wrong")], None),
            (vec![("authorization", "Basic !!!")], None),
            (vec![("authorization", &*wrong)], None),
            (vec![("authorization", &*of_the_resource)], None),
            (vec![("authorization", &*public)], None),
        ] {
            let mut form = vec![("token", asked)];
            form.extend(client_id.map(|id| ("client_id", id)));
            let refused = post(&server, "/introspect", &headers, &form).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{headers:?} {client_id:?}");
            assert!(refused.headers.contains_key("www-authenticate"), "{headers:?}");
            assert!(refused.json().get("active").is_none());
        }
    }
    let two = [("x-resource-secret", RS), ("authorization", "Bearer x")];
    assert_eq!(
        post(&server, "/introspect", &two, &[("token", access)]).await.error(),
        (400, "invalid_request".to_owned())
    );
    let both = post(
        &server,
        "/introspect",
        &[("x-resource-secret", RS)],
        &[("token", access), ("client_secret", "x")],
    )
    .await;
    assert_eq!(both.error(), (400, "invalid_request".to_owned()));
    let missing = post(&server, "/introspect", &[("x-resource-secret", RS)], &[]).await;
    assert_eq!(missing.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_intro_3_who_tries_tokens_is_stopped_and_who_has_them_is_not() {
    // INTR-6, LIM-1, A-INTRO-3
    let mut limits = Limits::default();
    limits.token_client = Quota::new(5, Duration::from_secs(60));
    let server = builder(Stores::memory(), &FixedClock::default())
        .limits(limits)
        .resource_secret(RESOURCE, RS)
        .build()
        .await
        .unwrap();
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let mut answers = Vec::new();
    for at in 0..60 {
        answers.push(ask(&server, ("x-resource-secret", RS), &format!("junk {at}")).await);
    }
    assert!(answers[..50].iter().all(|answer| answer.text() == INACTIVE));
    assert!(
        answers[50..].iter().all(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS
            && !answer.header("retry-after").is_empty())
    );
    assert_eq!(
        ask(&server, ("x-resource-secret", RS), token(&issued, "access_token")).await.json()["active"],
        true
    );
}

#[tokio::test]
async fn the_secrets_of_resources_are_not_guessed_without_end() {
    // CAUTH-18, INTR-1
    let (stores, clock) = (Stores::memory(), FixedClock::default());
    let first = server(stores.clone(), &clock).await;
    let issued = tokens(&first, "public", None, RESOURCE).await;
    let access = token(&issued, "access_token").to_owned();
    let tries_at = async |server: &AuthorizationServer, header: (&str, String), source: &str| {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", &access).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), (header.0, header.1.as_str())];
        let mut asked = support::request(http::Method::POST, "/introspect", &headers, form);
        asked.extensions_mut().insert(oauth_server::PeerAddress(source.parse().unwrap()));
        let answer = support::send(server, asked).await;
        (answer.status.as_u16(), answer.status == 200 && answer.json()["active"] == true)
    };
    let tries = async |header: (&str, String), source: &str| tries_at(&first, header, source).await;
    let ways = |secret: &str| {
        [
            ("x-resource-secret", secret.to_owned()),
            ("authorization", format!("Bearer {secret}")),
            ("authorization", basic(RESOURCE, secret)),
        ]
    };
    let (home, thief) = ("198.51.100.7", "203.0.113.9");
    assert_eq!(tries(ways(RS)[0].clone(), home).await, (200, true));
    let mut compared = 0;
    for at in 0..60 {
        let (status, _) = tries(ways(&format!("guess {at}"))[at % 3].clone(), thief).await;
        assert!([401, 429].contains(&status), "{status}");
        compared += usize::from(status == 401);
    }
    assert_eq!(compared, 20);
    // The right one is not found there either; elsewhere nobody is kept from asking.
    for way in ways(RS) {
        assert_eq!(tries(way.clone(), thief).await, (429, false));
        assert_eq!(tries(way.clone(), home).await, (200, true));
        assert_eq!(tries(way, "198.51.100.8").await, (200, true));
    }
    // Nor where the resource itself asks from.
    for at in 0..60 {
        let _ = tries(ways(&format!("guess {at}"))[at % 3].clone(), home).await;
    }
    assert_eq!(tries(ways(RS)[1].clone(), home).await, (200, true));
    assert_eq!(tries(ways("guess")[1].clone(), home).await, (429, false));
    // A server that was started since knows the place from the store.
    let second = server(stores, &clock).await;
    assert_eq!(tries_at(&second, ways("guess")[1].clone(), home).await, (429, false));
    assert_eq!(tries_at(&second, ways(RS)[1].clone(), home).await, (200, true));
}

#[tokio::test]
async fn a_resource_is_known_by_post_and_however_it_writes_itself() {
    // CAUTH-3, RS-5
    let (server, _) = world().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let access = token(&issued, "access_token");
    let spelt = ["https://mcp.example/mcp/", "HTTPS://MCP.example/mcp", "https://mcp.example:443/mcp"];
    for name in [RESOURCE].iter().chain(&spelt) {
        let form = [("token", access), ("client_id", *name), ("client_secret", RS)];
        assert_eq!(post(&server, "/introspect", &[], &form).await.json()["active"], true, "{name}");
        let encoded = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        for name in [*name, &encoded] {
            let header = basic(name, RS);
            assert_eq!(
                ask(&server, ("authorization", &header), access).await.json()["active"],
                true,
                "{name}"
            );
        }
        let wrong = [("token", access), ("client_id", *name), ("client_secret", OTHER_RS)];
        assert_eq!(post(&server, "/introspect", &[], &wrong).await.error().0, 401, "{name}");
    }
    // Another resource's name is not this one's, and two ways are none.
    let other = [("token", access), ("client_id", OTHER_RESOURCE), ("client_secret", RS)];
    assert_eq!(post(&server, "/introspect", &[], &other).await.error().0, 401);
    let form = [("token", access), ("client_id", RESOURCE), ("client_secret", RS)];
    let twice = post(&server, "/introspect", &[("authorization", &basic(RESOURCE, RS))], &form).await;
    assert_eq!(twice.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn guesses_by_post_are_counted_with_the_others() {
    // LIM-1, CAUTH-12's like for resources
    let (server, _) = world().await;
    let mut statuses = Vec::new();
    for guess in 0..60 {
        let guess = format!("guess-number-{guess}");
        let form = [("token", "x"), ("client_id", RESOURCE), ("client_secret", &guess)];
        statuses.push(post(&server, "/introspect", &[], &form).await.status);
    }
    assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
    assert_eq!(statuses[59], StatusCode::TOO_MANY_REQUESTS);
    // Nor does the right one tell itself from the others.
    let form = [("token", "x"), ("client_id", RESOURCE), ("client_secret", RS)];
    assert_eq!(post(&server, "/introspect", &[], &form).await.status, StatusCode::TOO_MANY_REQUESTS);
}
