//! Tokens near their end: bought once, by one of all who ask, and not lost.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::{Stores, async_trait};
use tokio::sync::{Notify, Semaphore};

use crate::fixture::{
    SECOND, TOKEN, TOKENS, accounts, accounts_of, at, builder, caller, connect, refreshes, says, third, token,
};

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
    connect(&accounts, &third()).await;
    assert_eq!(token(&accounts, "alice", 0).await.as_deref(), Some("first"));
    assert!(accounts.forget(&"alice".parse().unwrap()).await.unwrap());
    assert_eq!(token(&accounts, "alice", 0).await, None);
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
        let newer = third();
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
