//! Two stores over one database are one, on every engine: no state is outside it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(any(feature = "sqlite", all(unix, any(feature = "postgres", feature = "redis"))))]

mod alternating;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oauth_core::testing::cases;
use oauth_core::{Backend, Stores};

use alternating::Alternating;

/// Runs all cases of the kit, each over a new database with two stores before it, whose calls alternate.
async fn keep_every_promise_together<S: Backend + Clone>(fresh: impl AsyncFn() -> [S; 2]) {
    for case in cases() {
        let servers = fresh().await;
        let one = servers[0].clone();
        let both = Arc::new(Alternating::new(servers));
        let mut stores = Stores::new(one).with_grants(both.clone());
        stores.clients = both.clone();
        stores.consents = both.clone();
        stores.accounts = both.clone();
        stores.sessions = both.clone();
        stores.replay = both.clone();
        stores.limits = both.clone();
        stores.keys = both.clone();
        stores.vault = both;
        case.run(stores).await;
    }
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
