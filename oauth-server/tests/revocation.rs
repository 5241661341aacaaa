//! Token revocation, through the service.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use oauth_core::testing::FixedClock;
use oauth_core::{
    Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore, Listing,
    MemoryStore, PageRequest, Revocation, StoreError, Stores, Timestamp, async_trait,
};
use oauth_server::AuthorizationServer;
use serde_json::Value;
use support::{
    Answer, Heard, REDIRECT, RESOURCE, VERIFIER, authorize, basic, builder, post, refresh, request, send,
    server, tokens,
};

const SECRET: &str = "correct-horse-battery";

fn token<'t>(tokens: &'t Value, name: &str) -> &'t str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

async fn revoke(server: &AuthorizationServer, client_id: &str, token: &str) -> Answer {
    post(server, "/revoke", &[], &[("client_id", client_id), ("token", token)]).await
}

async fn is_active(server: &AuthorizationServer, client_id: &str, secret: &str, token: &str) -> bool {
    let answer =
        post(server, "/introspect", &[("authorization", &basic(client_id, secret))], &[("token", token)])
            .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["active"] == true
}

#[tokio::test]
async fn a_intro_10_any_token_of_a_grant_ends_all_of_it() {
    // REV-3, REV-4, REF-14, A-INTRO-10
    let server = server().await;
    let authorization = basic("secret", SECRET);
    for (name, hint) in [
        ("refresh_token", "refresh_token"),
        ("refresh_token", "access_token"),
        ("access_token", "x"),
        ("access_token", ""),
    ] {
        let issued = tokens(&server, "secret", Some(SECRET), RESOURCE).await;
        let (access, refresh_token) = (token(&issued, "access_token"), token(&issued, "refresh_token"));
        assert!(is_active(&server, "secret", SECRET, access).await);
        let form = [("token", token(&issued, name)), ("token_type_hint", hint)];
        let answer = post(&server, "/revoke", &[("authorization", &authorization)], &form).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("cache-control")),
            (StatusCode::OK, "", "no-store")
        );
        assert!(!is_active(&server, "secret", SECRET, access).await, "{name} {hint}");
        assert!(!is_active(&server, "secret", SECRET, refresh_token).await, "{name} {hint}");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let refreshed = post(&server, "/token", &[("authorization", &authorization)], &form).await;
        assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()));
    }
}

#[tokio::test]
async fn a_spent_token_and_a_code_end_the_grant_too() {
    // REV-3
    let server = server().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let old = token(&issued, "refresh_token");
    let new = refresh(&server, "public", old).await.json();
    assert_eq!(revoke(&server, "public", old).await.status, StatusCode::OK);
    assert_eq!(
        refresh(&server, "public", token(&new, "refresh_token")).await.error(),
        (400, "invalid_grant".to_owned())
    );

    let code = authorize(&server, "public", REDIRECT).await.sent_back("code").unwrap();
    assert_eq!(revoke(&server, "public", &code).await.status, StatusCode::OK);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", "public"),
    ];
    assert_eq!(post(&server, "/token", &[], &form).await.error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_intro_8_nobody_revokes_the_token_of_another() {
    // REV-1, REV-2, A-INTRO-8
    let server = server().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let refresh_token = token(&issued, "refresh_token");
    let foreign =
        post(&server, "/revoke", &[("authorization", &basic("secret", SECRET))], &[("token", refresh_token)])
            .await;
    let unknown = revoke(&server, "public", "mcp_rt_nothing").await;
    let malformed = revoke(&server, "public", &refresh_token.replace("mcp_rt_", "mcp_rt_A")).await;
    for answer in [&foreign, &unknown, &malformed] {
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, ""));
        assert_eq!(answer.headers, foreign.headers);
    }
    assert_eq!(refresh(&server, "public", refresh_token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_client_authenticates_as_registered() {
    // REV-1, CAUTH-2
    let server = server().await;
    let issued = tokens(&server, "secret", Some(SECRET), RESOURCE).await;
    let refresh_token = token(&issued, "refresh_token");
    for (headers, form) in [
        (vec![], vec![("client_id", "secret"), ("token", refresh_token)]),
        (vec![("authorization", basic("secret", "wrong"))], vec![("token", refresh_token)]),
        (vec![], vec![("client_id", "nobody"), ("token", refresh_token)]),
    ] {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = post(&server, "/revoke", &headers, &form).await;
        assert_eq!(refused.error(), (401, "invalid_client".to_owned()), "{form:?}");
        // TOK-6
        assert_eq!(refused.headers.contains_key("www-authenticate"), !headers.is_empty());
    }
    assert!(is_active(&server, "secret", SECRET, refresh_token).await);
    let missing = post(&server, "/revoke", &[("authorization", &basic("secret", SECRET))], &[]).await;
    assert_eq!(missing.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn only_a_form_by_post_revokes() {
    // REV-6, TOK-2
    let server = server().await;
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let query = format!("/revoke?client_id=public&token={}", token(&issued, "refresh_token"));
    let by_get = send(&server, request(Method::GET, &query, &[], "")).await;
    assert_eq!((by_get.status, by_get.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS"));
    let by_query = post(&server, &query, &[], &[]).await;
    assert_eq!(by_query.status, StatusCode::BAD_REQUEST);
    let json = request(Method::POST, "/revoke", &[("content-type", "application/json")], "{}");
    assert_eq!(send(&server, json).await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(refresh(&server, "public", token(&issued, "refresh_token")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_revocation_is_heard_of_once() {
    // LIM-6
    let heard = Heard::default();
    let server =
        builder(Stores::memory(), &FixedClock::default()).events(heard.clone()).build().await.unwrap();
    let issued = tokens(&server, "public", None, RESOURCE).await;
    for _ in 0..2 {
        assert_eq!(revoke(&server, "public", token(&issued, "refresh_token")).await.status, StatusCode::OK);
    }
    let revoked: Vec<String> =
        heard.all().into_iter().filter(|event| event.starts_with("grant_revoked")).collect();
    assert_eq!(revoked.len(), 1, "{revoked:?}");
    assert!(revoked[0].contains("client_id=public") && revoked[0].contains("subject=owner"));
    assert!(!heard.all().concat().contains(token(&issued, "refresh_token")));
}

/// A ledger that fails when it is told to.
struct Failing {
    inner: MemoryStore,
    finds: Arc<AtomicBool>,
    revokes: Arc<AtomicBool>,
}

fn outcome(fails: &AtomicBool) -> Result<(), StoreError> {
    if fails.load(Ordering::SeqCst) {
        Err(StoreError::unavailable("the disk is on fire at /var/db"))
    } else {
        Ok(())
    }
}

#[async_trait]
impl GrantStore for Failing {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        self.inner.open(grant, first).await
    }
    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        outcome(&self.finds)?;
        self.inner.find(key).await
    }
    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        self.inner.exchange(exchange).await
    }
    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        outcome(&self.revokes)?;
        self.inner.revoke(what, now).await
    }
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.inner.grant(id).await
    }
    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        self.inner.list(filter, page).await
    }
    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        GrantStore::count(&self.inner, filter).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        GrantStore::purge(&self.inner, before).await
    }
}

#[tokio::test]
async fn a_intro_9_a_store_that_fails_is_never_a_success() {
    // REV-5, LIM-3, A-INTRO-9, A-LOGX-4
    let (finds, revokes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let failing = Failing { inner: MemoryStore::default(), finds: finds.clone(), revokes: revokes.clone() };
    let stores = Stores::memory().with_grants(Arc::new(failing));
    let clock = FixedClock::default();
    let server = builder(stores, &clock).build().await.unwrap();
    let issued = tokens(&server, "public", None, RESOURCE).await;
    let refresh_token = token(&issued, "refresh_token");
    for fails in [&finds, &revokes] {
        fails.store(true, Ordering::SeqCst);
        let answer = revoke(&server, "public", refresh_token).await;
        assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()));
        assert!(!answer.header("retry-after").is_empty());
        assert!(!answer.text().contains("disk"));
        fails.store(false, Ordering::SeqCst);
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(&server, "public", refresh_token).await.status, StatusCode::OK);
}
