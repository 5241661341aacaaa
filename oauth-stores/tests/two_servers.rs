//! Two stores over one database are one, on every engine: no state is outside it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(any(feature = "sqlite", all(unix, any(feature = "postgres", feature = "redis"))))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_core::testing::cases;
use oauth_core::{
    Backend, Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    KeyPurpose, KeyStore, LimitKey, Listing, PageRequest, Quota, RateLimiter, ReplayGuard, Revocation,
    Revocations, StoreError, StoredKey, Stores, Timestamp, TokenHash, Verdict,
};

/// Every call goes to the other server than the one before.
struct Alternating<S> {
    servers: [S; 2],
    calls: AtomicUsize,
}

impl<S> Alternating<S> {
    fn next(&self) -> &S {
        &self.servers[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> GrantStore for Alternating<S> {
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
impl<S: Backend> ReplayGuard for Alternating<S> {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        self.next().first_use(key, until, now).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        ReplayGuard::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> RateLimiter for Alternating<S> {
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
impl<S: Backend> KeyStore for Alternating<S> {
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

/// The ports whose calls alternate.
const PARTS: [&str; 8] = ["grants", "exchange", "revoke", "purge", "races", "replay", "limits", "keys"];

/// Runs the kit's cases, each over a new database with two stores before it.
async fn keep_every_promise_together<S: Backend + Clone>(fresh: impl AsyncFn() -> [S; 2]) {
    let mut ran = 0;
    for case in cases() {
        if !PARTS.contains(&case.part()) {
            continue;
        }
        let servers = fresh().await;
        let one = servers[0].clone();
        let both = Arc::new(Alternating { servers, calls: AtomicUsize::new(0) });
        let mut stores = Stores::new(one).with_grants(both.clone());
        (stores.replay, stores.limits, stores.keys) = (both.clone(), both.clone(), both);
        case.run(stores).await;
        ran += 1;
    }
    assert!(ran > 40, "{ran} cases");
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_over_one_file_keep_every_promise_together() {
    let folder = tempfile::tempdir().unwrap();
    let files = AtomicUsize::new(0);
    keep_every_promise_together(async || {
        let path = folder.path().join(format!("{}.sqlite", files.fetch_add(1, Ordering::Relaxed)));
        let open = || oauth_stores::SqliteStore::open(&path).unwrap();
        [open(), open()]
    })
    .await;
}

#[cfg(all(unix, feature = "postgres"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_over_one_postgres_keep_every_promise_together() {
    use oauth_stores::PostgresOptions;
    use oauth_stores::testing::{TestPostgres, available};

    let Some(server) = available(TestPostgres::shared()) else { return };
    let url = server.fresh_database().unwrap();
    let schemas = AtomicUsize::new(0);
    keep_every_promise_together(async || {
        // Tables of its own do as well as a database, and are there sooner.
        let schema = format!("case_{}", schemas.fetch_add(1, Ordering::Relaxed));
        let options = PostgresOptions::default().with_schema(&schema);
        [options.clone().open(&url).await.unwrap(), options.open(&url).await.unwrap()]
    })
    .await;
}

#[cfg(all(unix, feature = "redis"))]
mod redis {
    use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};
    use oauth_stores::{RedisOptions, RedisStore};

    use super::keep_every_promise_together;

    async fn pair(url: &str) -> [RedisStore; 2] {
        let options = RedisOptions::default().with_prefix(&fresh_prefix());
        [options.clone().open(url).await.unwrap(), options.open(url).await.unwrap()]
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_servers_over_one_redis_keep_every_promise_together() {
        let Some(server) = available(TestRedis::shared()) else { return };
        keep_every_promise_together(async || pair(&server.url()).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_servers_over_one_cluster_keep_every_promise_together() {
        let Some(cluster) = available(TestRedisCluster::shared()) else { return };
        keep_every_promise_together(async || pair(&cluster.url()).await).await;
    }
}
