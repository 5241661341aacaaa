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

    /// Where it listens; nowhere if it is no server.
    fn ports(&self) -> Vec<u16>;

    /// Clients come by way of these other ports from now on: nodes that say where they are say so.
    fn lead_through(&self, ports: &[u16]);

    /// `kill -9`.
    fn kill(&mut self);

    /// Starts it again at the same place.
    fn restart(&mut self);
}

impl dyn Engine {
    /// The URL by way of other ports.
    pub(crate) fn url_through(&self, ports: &[u16]) -> String {
        self.lead_through(ports);
        self.ports()
            .iter()
            .zip(ports)
            .fold(self.url(), |url, (own, port)| url.replace(&format!(":{own}"), &format!(":{port}")))
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
    fn ports(&self) -> Vec<u16> {
        Vec::new()
    }
    fn lead_through(&self, _: &[u16]) {}
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
        fn ports(&self) -> Vec<u16> {
            vec![self.server.port()]
        }
        fn lead_through(&self, _: &[u16]) {}
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
        fn ports(&self) -> Vec<u16> {
            vec![self.server.port()]
        }
        fn lead_through(&self, _: &[u16]) {}
        fn kill(&mut self) {
            self.server.kill();
        }
        fn restart(&mut self) {
            self.server.restart().unwrap();
        }
    }

    pub(crate) struct Cluster {
        pub(crate) cluster: TestRedisCluster,
    }

    impl Engine for Cluster {
        fn name(&self) -> &'static str {
            "Redis Cluster"
        }
        fn url(&self) -> String {
            self.cluster.url()
        }
        fn ports(&self) -> Vec<u16> {
            self.cluster.ports().to_vec()
        }
        fn lead_through(&self, ports: &[u16]) {
            self.cluster.announce(ports).unwrap();
        }
        /// All nodes: what befalls one master is in `failover_redis`.
        fn kill(&mut self) {
            self.cluster.kill_all();
        }
        fn restart(&mut self) {
            self.cluster.restart_all().unwrap();
        }
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
pub(crate) use redis::{Cluster, Redis, cluster, redis};

/// One test for each engine that is a server: `scene` is an async function of the engine.
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

        #[cfg(feature = "redis")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn redis_cluster() {
            if let Some(engine) = crate::engine::cluster() {
                $scene(engine).await;
            }
        }
    };
}

/// The same, on SQLite too.
macro_rules! on_all {
    ($scene:ident) => {
        #[cfg(feature = "sqlite")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn sqlite() {
            if let Some(engine) = crate::engine::sqlite() {
                $scene(engine).await;
            }
        }

        crate::engine::on_servers!($scene);
    };
}

pub(crate) use {on_all, on_servers};
