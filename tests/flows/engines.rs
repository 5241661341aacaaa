//! Two servers over one database, for every engine. Those whose programs are not installed are skipped, in a line that says so.

use std::any::Any;

use oauth_stores::SqliteStore;
use oauth_testing::Site;

/// Two sites that share nothing but a database.
pub(crate) struct Pair {
    pub(crate) a: Site,
    pub(crate) b: Site,
    /// The database, for as long as they live.
    _database: Box<dyn Any>,
}

async fn pair(a: impl oauth_core::Backend, b: impl oauth_core::Backend, database: impl Any) -> Pair {
    let a = Site::builder().store(a).build().await.unwrap();
    let b = Site::builder().store(b).build().await.unwrap();
    Pair { a, b, _database: Box::new(database) }
}

pub(crate) async fn memory() -> Option<Pair> {
    let a = Site::new().await.unwrap();
    let b = a.twin().await.unwrap();
    Some(Pair { a, b, _database: Box::new(()) })
}

pub(crate) async fn sqlite() -> Option<Pair> {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap();
    let (one, other) = (open(), open());
    Some(pair(one, other, folder).await)
}

#[cfg(unix)]
mod servers {
    use oauth_stores::testing::{TestPostgres, TestRedis, TestRedisCluster, available, fresh_prefix};
    use oauth_stores::{PostgresStore, RedisOptions};

    use super::{Pair, pair};

    pub(crate) async fn postgres() -> Option<Pair> {
        let server = available(TestPostgres::shared())?;
        let url = server.fresh_database().unwrap();
        let (one, other) =
            (PostgresStore::open(&url).await.unwrap(), PostgresStore::open(&url).await.unwrap());
        Some(pair(one, other, server).await)
    }

    pub(crate) async fn redis() -> Option<Pair> {
        let server = available(TestRedis::shared())?;
        Some(over(&server.url(), server).await)
    }

    pub(crate) async fn redis_cluster() -> Option<Pair> {
        let cluster = available(TestRedisCluster::shared())?;
        Some(over(&cluster.url(), cluster).await)
    }

    async fn over(url: &str, server: impl std::any::Any) -> Pair {
        let options = RedisOptions::default().with_prefix(&fresh_prefix());
        let (one, other) = (options.clone().open(url).await.unwrap(), options.open(url).await.unwrap());
        pair(one, other, server).await
    }
}

#[cfg(unix)]
pub(crate) use servers::{postgres, redis, redis_cluster};

/// Each scene, an async function of a [`Pair`], as a test over each engine.
macro_rules! on_each_engine {
    ($($scene:ident,)*) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $scene() {
                    super::$scene(crate::engines::memory().await.unwrap()).await;
                }
            )*
        }

        mod sqlite {
            $(
                #[tokio::test]
                async fn $scene() {
                    super::$scene(crate::engines::sqlite().await.unwrap()).await;
                }
            )*
        }

        #[cfg(unix)]
        mod postgres {
            $(
                #[tokio::test]
                async fn $scene() {
                    if let Some(pair) = crate::engines::postgres().await {
                        super::$scene(pair).await;
                    }
                }
            )*
        }

        #[cfg(unix)]
        mod redis {
            $(
                #[tokio::test]
                async fn $scene() {
                    if let Some(pair) = crate::engines::redis().await {
                        super::$scene(pair).await;
                    }
                }
            )*
        }

        #[cfg(unix)]
        mod redis_cluster {
            $(
                #[tokio::test]
                async fn $scene() {
                    if let Some(pair) = crate::engines::redis_cluster().await {
                        super::$scene(pair).await;
                    }
                }
            )*
        }
    };
}

pub(crate) use on_each_engine;
