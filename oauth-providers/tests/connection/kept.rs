//! Tokens that are kept, and when they are of no use any more.

use std::sync::{Arc, Mutex};

use oauth_core::fetch::{FetchError, Fetched};
use oauth_core::testing::SeededEntropy;
use oauth_core::{
    ConnectedAccounts, SealedVault, Secret, StoreError, Stores, Vault, VaultKey, VaultKeyring, async_trait,
};

use crate::fixture::{
    HERE, SECOND, TOKEN, TOKENS, accounts, accounts_of, at, builder, caller, connect, faulty, finish,
    refreshes, says, shown, third, token,
};

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
    let lasting = third();
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
