//! The engines: how each is started, killed and started again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oauth_core::Stores;
use oauth_core::testing::FixedClock;
use oauth_stores::Connect as _;
use oauth_stores::testing::{History, Promise, check};

/// A database of a test's own.
pub(crate) trait Engine: Send {
    fn name(&self) -> &'static str;

    /// What [`Stores::connect`](oauth_stores::Connect) opens.
    fn url(&self) -> String;

    /// Where it listens; `None`: it is no server.
    fn port(&self) -> Option<u16>;

    /// `kill -9`.
    fn kill(&mut self);

    /// Starts it again at the same place.
    fn restart(&mut self);
}

impl dyn Engine {
    /// The URL by way of another port.
    pub(crate) fn url_through(&self, port: u16) -> String {
        let own = self.port().expect("only a server has a wire");
        self.url().replace(&format!(":{own}"), &format!(":{port}"))
    }

    pub(crate) async fn open(&self) -> Stores {
        opened(&self.url()).await
    }

    /// Holds what is stored to what was said, and prints the counts.
    pub(crate) async fn hold(&self, what: &str, history: &History, clock: &FixedClock) {
        let now = oauth_core::Clock::now(clock);
        let stores = self.open().await;
        let verdict = check(history, &*stores.grants, Promise::Keeps, now).await.unwrap();
        println!("{}, {what}: {verdict}", self.name());
        verdict.assert_sound();
        assert!(verdict.done > 20, "{verdict}: that showed nothing");
    }
}

/// Opens a database that may still be on its way up.
pub(crate) async fn opened(url: &str) -> Stores {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Stores::connect(url).await {
            Ok(stores) => return stores,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Sqlite {
    folder: Arc<tempfile::TempDir>,
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }
    fn url(&self) -> String {
        sqlite_url(self.folder.path())
    }
    fn port(&self) -> Option<u16> {
        None
    }
    fn kill(&mut self) {}
    fn restart(&mut self) {}
}

pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("oauth.sqlite").display())
}

pub(crate) fn sqlite() -> Option<Box<dyn Engine>> {
    Some(Box::new(Sqlite { folder: Arc::new(tempfile::tempdir().unwrap()) }))
}

#[cfg(feature = "postgres")]
mod postgres {
    use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
    use oauth_stores::testing::{TestPostgres, available};

    use super::Engine;

    pub(crate) struct Postgres {
        pub(crate) server: TestPostgres,
        pub(crate) url: String,
    }

    impl Engine for Postgres {
        fn name(&self) -> &'static str {
            "PostgreSQL"
        }
        fn url(&self) -> String {
            self.url.clone()
        }
        fn port(&self) -> Option<u16> {
            Some(self.server.port())
        }
        fn kill(&mut self) {
            self.server.kill();
        }
        fn restart(&mut self) {
            self.server.restart().unwrap();
        }
    }

    /// Runs statements past the store.
    pub(crate) async fn run(url: &str, sql: &str) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What a statement counts.
    pub(crate) async fn number(url: &str, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let number = raw_sql(sql).fetch_one(&mut connection).await.unwrap().get(0);
        connection.close().await.unwrap();
        number
    }

    pub(crate) fn postgres() -> Option<Box<dyn Engine>> {
        let server = available(TestPostgres::own())?;
        let url = server.fresh_database().unwrap();
        Some(Box::new(Postgres { server, url }))
    }
}

#[cfg(feature = "redis")]
mod redis {
    use oauth_stores::testing::{TestRedis, TestRedisCluster, available};

    use super::Engine;

    pub(crate) struct Redis {
        pub(crate) server: TestRedis,
    }

    impl Engine for Redis {
        fn name(&self) -> &'static str {
            "Redis"
        }
        fn url(&self) -> String {
            self.server.url()
        }
        fn port(&self) -> Option<u16> {
            Some(self.server.port())
        }
        fn kill(&mut self) {
            self.server.kill();
        }
        fn restart(&mut self) {
            self.server.restart().unwrap();
        }
    }

    struct Cluster {
        cluster: TestRedisCluster,
    }

    impl Engine for Cluster {
        fn name(&self) -> &'static str {
            "Redis Cluster"
        }
        fn url(&self) -> String {
            self.cluster.url()
        }
        // It has many ports, and its nodes say themselves where they are: no wire leads by way of another port.
        fn port(&self) -> Option<u16> {
            None
        }
        // What befalls its masters is in `failover_redis`.
        fn kill(&mut self) {}
        fn restart(&mut self) {}
    }

    /// With `appendfsync always` on each node.
    pub(crate) fn cluster() -> Option<Box<dyn Engine>> {
        Some(Box::new(Cluster { cluster: available(TestRedisCluster::own())? }))
    }

    /// With `appendfsync always`.
    pub(crate) fn redis() -> Option<Box<dyn Engine>> {
        Some(Box::new(Redis { server: available(TestRedis::own())? }))
    }
}

#[cfg(feature = "postgres")]
pub(crate) use postgres::{Postgres, number, postgres, run};
#[cfg(feature = "redis")]
pub(crate) use redis::{Redis, cluster, redis};

/// One test for each engine: `scene` is an async function of the engine.
macro_rules! on_servers {
    ($scene:ident) => {
        #[cfg(feature = "postgres")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn postgres() {
            if let Some(engine) = crate::engine::postgres() {
                $scene(engine).await;
            }
        }

        #[cfg(feature = "redis")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn redis() {
            if let Some(engine) = crate::engine::redis() {
                $scene(engine).await;
            }
        }
    };
}

/// The same, on SQLite and a Redis Cluster too.
macro_rules! on_all {
    ($scene:ident) => {
        #[cfg(feature = "sqlite")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn sqlite() {
            if let Some(engine) = crate::engine::sqlite() {
                $scene(engine).await;
            }
        }

        #[cfg(feature = "redis")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn redis_cluster() {
            if let Some(engine) = crate::engine::cluster() {
                $scene(engine).await;
            }
        }

        crate::engine::on_servers!($scene);
    };
}

pub(crate) use {on_all, on_servers};
