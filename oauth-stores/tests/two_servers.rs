//! Two stores over one file are one: no state is outside it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(feature = "sqlite")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_core::testing::cases;
use oauth_core::{
    Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    KeyPurpose, KeyStore, LimitKey, Listing, PageRequest, Quota, RateLimiter, ReplayGuard, Revocation,
    Revocations, StoreError, StoredKey, Stores, Timestamp, TokenHash, Verdict,
};
use oauth_stores::SqliteStore;

/// Every call goes to the other server than the one before.
#[derive(Clone)]
struct Alternating {
    servers: [SqliteStore; 2],
    calls: Arc<AtomicUsize>,
}

impl Alternating {
    fn next(&self) -> &SqliteStore {
        &self.servers[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GrantStore for Alternating {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        GrantStore::open(self.next(), grant, first).await
    }
    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        GrantStore::find(self.next(), key).await
    }
    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        self.next().exchange(exchange).await
    }
    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        self.next().revoke(what, now).await
    }
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.next().grant(id).await
    }
    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        GrantStore::list(self.next(), filter, page).await
    }
    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        GrantStore::count(self.next(), filter).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        GrantStore::purge(self.next(), before).await
    }
    fn revocations(&self) -> Option<&Revocations> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ReplayGuard for Alternating {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        self.next().first_use(key, until, now).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        ReplayGuard::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RateLimiter for Alternating {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.next().hit(key, quota, now).await
    }
    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.next().peek(key, quota, now).await
    }
    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        self.next().reset(key).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        RateLimiter::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KeyStore for Alternating {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.next().keys(purpose).await
    }
    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        self.next().first(candidate).await
    }
    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.next().add(key).await
    }
    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.next().retire(purpose, id, at).await
    }
    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        KeyStore::remove(self.next(), purpose, id).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_over_one_file_keep_every_promise_together() {
    let mut ran = 0;
    for case in cases() {
        let alternates = ["grants", "exchange", "revoke", "purge", "races", "replay", "limits", "keys"];
        if !alternates.contains(&case.part()) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oauth.sqlite");
        let servers = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
        let both = Alternating { servers: servers.clone(), calls: Arc::default() };
        let [one, _] = servers;
        let mut stores = Stores::new(one).with_grants(Arc::new(both.clone()));
        (stores.replay, stores.limits) = (Arc::new(both.clone()), Arc::new(both.clone()));
        stores.keys = Arc::new(both);
        case.run(stores).await;
        ran += 1;
    }
    assert!(ran > 40, "{ran} cases");
}
