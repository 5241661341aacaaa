//! The engines. One that is not installed is skipped, with a line that says so.

use oauth_core::{MemoryStore, Stores};

use super::race;

/// The races, over two servers' stores on one database. Each engine has them all.
macro_rules! races {
    ($engine:ident, $two:expr) => {
        mod $engine {
            #[test]
            fn of_64_redemptions_one_is_done_and_the_grant_is_revoked() {
                super::run($two, |stores| Box::pin(super::race::redemptions(stores)));
            }

            #[test]
            fn of_64_refreshes_all_get_the_one_successor() {
                super::run($two, |stores| Box::pin(super::race::refreshes(stores)));
            }

            #[test]
            fn of_64_refreshes_and_revocations_nothing_stays_live() {
                super::run($two, |stores| Box::pin(super::race::revocations(stores)));
            }

            #[test]
            fn of_refreshes_and_a_revocation_by_subject_nothing_stays_live() {
                super::run($two, |stores| Box::pin(super::race::revocations_by_subject(stores)));
            }

            #[test]
            fn of_openings_and_a_revocation_by_subject_none_is_lost_to_the_next() {
                super::run($two, |stores| Box::pin(super::race::openings(stores)));
            }
        }
    };
}

type Race = fn([Stores; 2]) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Two servers over one store, and what keeps its database alive.
struct Two {
    stores: [Stores; 2],
    _database: Option<Box<dyn std::any::Any>>,
}

fn run(two: impl AsyncFnOnce() -> Option<Two>, race: Race) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(two) = two().await {
            race(two.stores).await;
        }
    });
}

async fn memory() -> Option<Two> {
    let stores = Stores::new(MemoryStore::default());
    Some(Two { stores: [stores.clone(), stores], _database: None })
}

races!(in_memory, super::memory);

#[cfg(feature = "sqlite")]
async fn sqlite() -> Option<Two> {
    let folder = tempfile::tempdir().unwrap();
    let open = || Stores::new(oauth_stores::SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap());
    Some(Two { stores: [open(), open()], _database: Some(Box::new(folder)) })
}

#[cfg(feature = "sqlite")]
races!(in_sqlite, super::sqlite);

#[cfg(all(unix, feature = "postgres"))]
async fn postgres() -> Option<Two> {
    use oauth_stores::PostgresStore;
    use oauth_stores::testing::{TestPostgres, available};
    let server = available(TestPostgres::shared())?;
    let url = server.fresh_database().unwrap();
    let open = async || Stores::new(PostgresStore::open(&url).await.unwrap());
    Some(Two { stores: [open().await, open().await], _database: Some(Box::new(server)) })
}

#[cfg(all(unix, feature = "postgres"))]
races!(in_postgres, super::postgres);

#[cfg(all(unix, feature = "redis"))]
mod redis {
    use oauth_core::Stores;
    use oauth_stores::RedisOptions;
    use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};

    use super::Two;

    async fn two(url: &str, database: Box<dyn std::any::Any>) -> Two {
        let prefix = fresh_prefix();
        let open =
            async || Stores::new(RedisOptions::default().with_prefix(&prefix).open(url).await.unwrap());
        Two { stores: [open().await, open().await], _database: Some(database) }
    }

    pub(super) async fn single() -> Option<Two> {
        let server = available(TestRedis::shared())?;
        Some(two(&server.url(), Box::new(server)).await)
    }

    pub(super) async fn cluster() -> Option<Two> {
        let cluster = available(TestRedisCluster::shared())?;
        Some(two(&cluster.url(), Box::new(cluster)).await)
    }
}

#[cfg(all(unix, feature = "redis"))]
races!(in_redis, super::redis::single);

#[cfg(all(unix, feature = "redis"))]
races!(in_a_redis_cluster, super::redis::cluster);
