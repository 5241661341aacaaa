//! What a change of a client's metadata document ends, and whose documents are taken.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{FetchError, Fetched, StaticFetch};
use oauth_core::testing::FixedClock;
use oauth_core::{ClientFilter, GrantFilter, Stores};
use oauth_server::{AuthorizationServer, Builder, DocumentChange, DocumentPolicy};
use serde_json::{Value, json};
use support::{Heard, REDIRECT, RESOURCE, authorize, builder, refresh, tokens};

const URL: &str = "https://app.example/client.json";
const DAY: Duration = Duration::from_secs(86_400);

fn document() -> Value {
    json!({ "client_id": URL, "client_name": "App", "redirect_uris": [REDIRECT] })
}

fn with(changes: &Value) -> Fetched {
    let mut document = document();
    let members = document.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    Fetched::json(document.to_string())
}

fn keys(x: &[&str]) -> Value {
    let keys: Vec<_> = x.iter().map(|x| json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})).collect();
    json!({ "jwks": { "keys": keys } })
}

/// Two servers over one store, each with its own look at the world.
struct World {
    servers: [AuthorizationServer; 2],
    fetches: [Arc<StaticFetch>; 2],
    stores: Stores,
    clock: FixedClock,
    heard: Heard,
}

impl World {
    async fn new(first: &Fetched, set: impl Fn(Builder) -> Builder) -> Self {
        let (stores, clock, heard) = (Stores::memory(), FixedClock::default(), Heard::default());
        let fetches = [0, 1].map(|_| Arc::new(StaticFetch::new().with(URL, first.clone())));
        let mut servers = Vec::new();
        for fetch in &fetches {
            let builder = builder(stores.clone(), &clock).client_documents(fetch.clone());
            servers.push(set(builder.events(heard.clone())).build().await.unwrap());
        }
        Self { servers: servers.try_into().unwrap(), fetches, stores, clock, heard }
    }

    /// Shows another document to both servers, once the old one is not fresh any more.
    fn show(&self, answer: &Fetched) {
        for fetch in &self.fetches {
            fetch.set(URL, answer.clone());
        }
        self.clock.advance(DAY);
    }

    async fn sign_in(&self, at: usize) -> String {
        let tokens = tokens(&self.servers[at], URL, None, RESOURCE).await;
        tokens["refresh_token"].as_str().unwrap().to_owned()
    }

    /// The next token, or the error.
    async fn refresh(&self, at: usize, token: &str) -> Result<String, String> {
        let answer = refresh(&self.servers[at], URL, token).await;
        match answer.status {
            StatusCode::OK => Ok(answer.json()["refresh_token"].as_str().unwrap().to_owned()),
            _ => Err(answer.error().1),
        }
    }
}

#[tokio::test]
async fn a_client_that_may_have_changed_hands_loses_its_grants() {
    // CIMD-12, A-CIMDX-17
    let gone = Err("invalid_grant".to_owned());
    for (before, after) in [
        (json!({}), json!({ "redirect_uris": [REDIRECT, "https://evil.example/cb"] })),
        (json!({}), json!({ "redirect_uris": ["https://app.example.evil.example/cb"] })),
        (json!({}), json!({ "redirect_uris": [REDIRECT, "com.evil.app:/cb"] })),
        (keys(&["1"]), keys(&["2"])),
        (keys(&["1"]), json!({})),
        (json!({ "jwks_uri": "https://app.example/k" }), json!({ "jwks_uri": "https://evil.example/k" })),
    ] {
        let world = World::new(&with(&before), |builder| builder).await;
        let (one, other) = (world.sign_in(0).await, world.sign_in(1).await);
        world.show(&with(&after));
        // The refresh itself makes the server look, and it is too late for it.
        assert_eq!(world.refresh(0, &one).await, gone, "{after}");
        assert_eq!(world.refresh(1, &other).await, gone, "{after}");
        assert!(world.heard.has("grant_revoked"), "{after}");
        assert!(world.heard.all().iter().any(|event| event.ends_with("reason=document_changed")));
    }
}

#[tokio::test]
async fn a_harmless_change_logs_nobody_out() {
    // CIMD-12
    for (before, after) in [
        (json!({}), json!({ "client_name": "App 2", "client_uri": "https://app.example/" })),
        (json!({}), json!({ "redirect_uris": [REDIRECT, "https://app.example/cb2", "http://localhost/cb"] })),
        (json!({ "redirect_uris": [REDIRECT, "https://b.example/cb"] }), json!({})),
        (keys(&["1"]), keys(&["2", "1"])),
        (keys(&["1", "2"]), keys(&["2", "1"])),
        (json!({}), keys(&["1"])),
    ] {
        let world = World::new(&with(&before), |builder| builder).await;
        let token = world.sign_in(0).await;
        world.show(&with(&after));
        let token = world.refresh(0, &token).await.unwrap();
        assert!(world.refresh(1, &token).await.is_ok(), "{after}");
        assert!(!world.heard.has("grant_revoked"), "{after}");
    }
}

#[tokio::test]
async fn no_failing_or_partial_fetch_revokes_anything() {
    // CIMD-12, CIMD-17
    let whole = with(&json!({ "redirect_uris": ["https://evil.example/cb"] }));
    let text = String::from_utf8(whole.body.to_vec()).unwrap();
    let mut foreign = document();
    foreign["client_id"] = json!("https://app.example/other.json");
    let world = World::new(&with(&json!({})), |builder| builder).await;
    let mut token = world.sign_in(0).await;
    for bad in [
        Fetched::json(text[..text.len() - 1].to_owned()),
        Fetched::json(text[..text.len() / 2].to_owned()),
        Fetched::json(""),
        Fetched::json("{}"),
        Fetched::json(foreign.to_string()),
        Fetched::new(StatusCode::NOT_FOUND, text.clone()),
        Fetched::new(StatusCode::BAD_GATEWAY, text.clone()),
        Fetched::new(StatusCode::FOUND, text.clone()),
        with(&json!({ "client_secret": "hush", "redirect_uris": ["https://evil.example/cb"] })),
    ] {
        world.show(&bad);
        // It may be refused meanwhile; nothing is revoked.
        let _ = world.refresh(0, "mcp_rt_nothing").await;
        let _ = world.refresh(1, "mcp_rt_nothing").await;
        world.show(&with(&json!({})));
        token = world.refresh(0, &token).await.unwrap();
    }
    world.fetches[0].set_error(URL, FetchError::unreachable("app.example", "reset"));
    world.clock.advance(DAY);
    assert!(world.refresh(0, &token).await.is_ok());
    assert!(!world.heard.has("grant_revoked"));
}

#[tokio::test]
async fn a_change_is_seen_after_a_restart_and_by_another_server() {
    // CIMD-12
    let world = World::new(&with(&json!({})), |builder| builder).await;
    let token = world.sign_in(0).await;
    // The second server never saw the document before: it knows of the first one from the store alone.
    world.show(&with(&json!({ "redirect_uris": ["https://evil.example/cb"] })));
    assert_eq!(
        authorize(&world.servers[1], URL, "https://evil.example/cb").await.status,
        StatusCode::SEE_OTHER
    );
    // The first one still goes by what it fetched; the ledger does not.
    world.fetches[0].set(URL, with(&json!({})));
    assert_eq!(world.refresh(0, &token).await, Err("invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_server_with_an_older_document_opens_no_grant() {
    // CIMD-12
    let world = World::new(&with(&json!({})), |builder| builder).await;
    let _ = world.sign_in(0).await;
    world.clock.advance(DAY);
    // The first server has just looked, and the document changes a moment later.
    assert!(authorize(&world.servers[0], URL, REDIRECT).await.sent_back("code").is_some());
    let moved = with(&json!({ "redirect_uris": ["https://evil.example/cb"] }));
    world.fetches[0].set(URL, moved.clone());
    world.fetches[1].set(URL, moved);
    assert!(authorize(&world.servers[1], URL, "https://evil.example/cb").await.sent_back("code").is_some());
    let live = |stores: Stores| async move {
        let all = stores.grants.list(GrantFilter::All, oauth_core::PageRequest::first(100)).await.unwrap();
        all.items.iter().filter(|grant| grant.revoked_at.is_none()).count()
    };
    assert_eq!(live(world.stores.clone()).await, 1);
    // It opens one, sees that it is late, looks again, and knows better.
    let late = authorize(&world.servers[0], URL, REDIRECT).await;
    assert_eq!((late.status, late.sent_back("code")), (StatusCode::BAD_REQUEST, None));
    assert!(late.text().contains("unregistered_redirect"), "{}", late.text());
    assert_eq!(live(world.stores.clone()).await, 1, "what it opened, it took back");
    assert!(authorize(&world.servers[0], URL, "https://evil.example/cb").await.sent_back("code").is_some());
}

#[tokio::test]
async fn the_operator_decides_what_a_change_ends() {
    // CIMD-12
    let renamed = json!({ "client_name": "App 2" });
    let moved = json!({ "redirect_uris": ["https://evil.example/cb"] });
    for (change, after, ends) in [
        (DocumentChange::Keep, &moved, false),
        (DocumentChange::RevokeIfMoved, &moved, true),
        (DocumentChange::RevokeIfMoved, &renamed, false),
        (DocumentChange::Revoke, &renamed, true),
    ] {
        let policy = DocumentPolicy::new().on_change(change);
        let world = World::new(&with(&json!({})), |builder| builder.document_policy(policy.clone())).await;
        let token = world.sign_in(0).await;
        world.show(&with(after));
        assert_eq!(world.refresh(0, &token).await.is_err(), ends, "{change:?} {after}");
    }
}

#[tokio::test]
async fn nobody_writes_to_the_store_by_looking() {
    // CIMD-12: a stranger's documents take no room until a user has agreed to one.
    let world = World::new(&with(&json!({})), |builder| builder).await;
    let elsewhere = authorize(&world.servers[0], URL, "https://evil.example/cb").await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.stores.clients.count(ClientFilter::All).await.unwrap(), 0);
    let _ = world.sign_in(0).await;
    assert_eq!(world.stores.clients.count(ClientFilter::Documents).await.unwrap(), 1);
    // It takes no place of those that wait for their first use.
    assert_eq!(world.stores.clients.count(ClientFilter::Unused).await.unwrap(), 0);
    // And it is there for as long as any grant: 365 days after the last was opened.
    world.clock.advance(200 * DAY);
    let _ = world.sign_in(1).await;
    let stored = world.stores.clients.find(&URL.parse().unwrap()).await.unwrap().unwrap();
    assert!(stored.client.is_live(oauth_core::Clock::now(&world.clock) + 364 * DAY));
}

#[tokio::test]
async fn what_is_known_of_a_document_outlives_every_grant_of_its_client() {
    // CIMD-12: also one for which a later end was not worth a write.
    let mut policy = oauth_server::Policy::default();
    policy.refresh_token = 400 * DAY;
    let world = World::new(&with(&json!({})), |builder| builder.policy(policy.clone())).await;
    let _ = world.sign_in(0).await;
    let first = world.stores.clients.find(&URL.parse().unwrap()).await.unwrap().unwrap().client.expires_at;
    world.clock.advance(23 * DAY / 24);
    let token = world.sign_in(0).await;
    let stored = world.stores.clients.find(&URL.parse().unwrap()).await.unwrap().unwrap().client;
    assert_eq!(stored.expires_at, first, "not a write for each grant");
    let grants = world.stores.grants.list(GrantFilter::All, oauth_core::PageRequest::first(9)).await.unwrap();
    assert!(grants.items.iter().all(|grant| stored.is_live(grant.expires_at)));
    // In the last hour of the second grant, swept up to now.
    world.clock.advance(365 * DAY - DAY / 24);
    world.stores.purge(oauth_core::Clock::now(&world.clock)).await.unwrap();
    for fetch in &world.fetches {
        fetch.set(URL, with(&json!({ "redirect_uris": ["https://evil.example/cb"] })));
    }
    assert_eq!(world.refresh(1, &token).await, Err("invalid_grant".to_owned()));
    assert!(world.heard.has("grant_revoked"));
}

#[tokio::test]
async fn a_flood_of_unknown_documents_does_not_sweep_the_store_at_each() {
    // CIMD-14, DCR-10
    let (stores, counted) = support::clients::counted(Stores::memory());
    let clock = FixedClock::default();
    let fetch = Arc::new(StaticFetch::new());
    let url = |at: usize| format!("https://app.example/{at}.json");
    for at in 0..40 {
        fetch.set(url(at), with(&json!({ "client_id": url(at) })));
    }
    let builder = builder(stores.clone(), &clock).client_documents(fetch.clone());
    let mut limits = oauth_server::Limits::default();
    limits.fetch_total = oauth_core::Quota::new(1000, Duration::from_secs(60));
    let builder = builder.limits(limits).document_policy(DocumentPolicy::new().at_most(1));
    let server = builder.build().await.unwrap();
    assert!(authorize(&server, &url(0), REDIRECT).await.sent_back("code").is_some());
    for at in 1..40 {
        assert!(authorize(&server, &url(at), REDIRECT).await.text().contains("document_room"));
    }
    assert_eq!(counted.purges(), 1);
    // What has ended makes room for who comes a little later.
    clock.advance(368 * DAY);
    assert!(authorize(&server, &url(39), REDIRECT).await.sent_back("code").is_some());
    assert_eq!(counted.purges(), 2);
}

#[tokio::test]
async fn redirects_can_be_held_to_the_documents_origin() {
    // CIMD-14, CIMD-19
    let policy = DocumentPolicy::new().same_origin_redirects();
    for (redirect, taken) in [
        (REDIRECT, true),
        ("https://app.example/other/cb", true),
        ("http://localhost/cb", true),
        ("com.example.app:/cb", true),
        ("https://app.example:8443/cb", false),
        ("https://www.app.example/cb", false),
        ("https://app.example.evil.example/cb", false),
        ("https://evil.example/cb", false),
    ] {
        let shown = with(&json!({ "redirect_uris": [REDIRECT, redirect] }));
        let world = World::new(&shown, |builder| builder.document_policy(policy.clone())).await;
        let answer = authorize(&world.servers[0], URL, REDIRECT).await;
        assert_eq!(answer.sent_back("code").is_some(), taken, "{redirect}");
        assert!(taken || answer.text().contains("redirect_uris"));
    }
}

#[tokio::test]
async fn hosts_can_be_allowed_and_denied() {
    // CIMD-14
    let allow = |pattern: &str| DocumentPolicy::new().allow(pattern).unwrap();
    let deny = |pattern: &str| DocumentPolicy::new().deny(pattern).unwrap();
    for (policy, taken) in [
        (allow("app.example"), true),
        (allow("*.example"), true),
        (allow("*.app.example"), false),
        (allow("other.example"), false),
        (deny("app.example"), false),
        (deny("*.app.example"), true),
        (allow("app.example").deny("*.example").unwrap(), false),
    ] {
        let world = World::new(&with(&json!({})), |builder| builder.document_policy(policy.clone())).await;
        let answer = authorize(&world.servers[0], URL, REDIRECT).await;
        assert_eq!(answer.sent_back("code").is_some(), taken, "{policy:?}");
        assert!(taken || answer.text().contains("document_host"));
        // What is refused is not even fetched.
        assert_eq!(world.fetches[0].requests().len(), usize::from(taken));
    }
}

#[tokio::test]
async fn a_host_that_is_denied_later_is_out_at_once() {
    // CIMD-14
    let world = World::new(&with(&json!({})), |builder| builder).await;
    let token = world.sign_in(0).await;
    let deny = DocumentPolicy::new().deny("app.example").unwrap();
    let builder = builder(world.stores.clone(), &world.clock).client_documents(world.fetches[0].clone());
    let strict = builder.document_policy(deny.clone()).build().await.unwrap();
    assert_eq!(refresh(&strict, URL, &token).await.error(), (401, "invalid_client".to_owned()));
    // An operator who pins a document means it.
    let builder = support::builder(world.stores.clone(), &world.clock).document_policy(deny);
    let pinned = builder.pinned_document(URL, &document().to_string()).build().await.unwrap();
    assert_eq!(refresh(&pinned, URL, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn there_are_no_more_clients_by_document_than_the_operator_wants() {
    // CIMD-14
    let policy = DocumentPolicy::new().at_most(2);
    let world = World::new(&with(&json!({})), |builder| builder.document_policy(policy.clone())).await;
    let url = |at: usize| format!("https://app.example/{at}.json");
    for at in 0..4 {
        for fetch in &world.fetches {
            fetch.set(url(at), with(&json!({ "client_id": url(at) })));
        }
    }
    let asks = async |server: usize, at: usize| {
        let answer = authorize(&world.servers[server], &url(at), REDIRECT).await;
        answer.sent_back("code").ok_or_else(|| answer.text().contains("document_room"))
    };
    assert!(asks(0, 0).await.is_ok() && asks(1, 1).await.is_ok());
    assert_eq!(asks(0, 2).await, Err(true));
    assert_eq!(asks(1, 3).await, Err(true));
    // Those that are known stay, on either server.
    assert!(asks(1, 0).await.is_ok() && asks(0, 1).await.is_ok());
    assert_eq!(world.stores.clients.count(ClientFilter::Documents).await.unwrap(), 2);
    // What is not used for a day longer than a grant lives makes room.
    world.clock.advance(368 * DAY);
    assert!(asks(0, 2).await.is_ok());
}
