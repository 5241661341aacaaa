//! Connections, and how a statement is run: with a limit in time, and again only where that is safe.
//!
//! 1. A connection that may have been dropped is tested before it is used: one that was idle for a while, or since another one broke.
//!    A broken one is replaced, within the time for acquiring one.
//! 2. Then the statement is sent, once. An answer that does not come is [`StoreError::Unavailable`]: nobody knows whether it ran.
//! 3. Only what the server took back as a whole, and says so (serialization failures, deadlocks), is sent again, some times.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oauth_core::{OsEntropy, StoreError, random};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::time::{sleep, timeout};

use crate::postgres::fault;
use crate::postgres::options::PostgresOptions;
use crate::postgres::schema::{self, SCHEMA};

/// A statement with its values.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// How often a statement is sent at most, if the server asks for it.
const ATTEMPTS: u32 = 10;

/// The longest pause before it is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// For how long an idle connection is trusted without a test.
const TRUSTED: Duration = Duration::from_secs(1);

/// By how much the server's own limit comes before ours: its answer says more.
const HEADSTART: Duration = Duration::from_millis(500);

pub(super) struct Pool {
    connections: PgPool,
    schema: Box<str>,
    statement_time: Duration,
    broken: Arc<Broken>,
}

/// When a connection was last found broken.
#[derive(Debug)]
struct Broken {
    began: Instant,
    /// Milliseconds after `began`; zero: never.
    last: AtomicU64,
}

impl Broken {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn note(&self) {
        self.last.fetch_max(self.now().max(1), Ordering::Relaxed);
    }

    /// Whether one that was idle for so long may be broken, too.
    fn doubts(&self, idle: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        idle > TRUSTED || (last > 0 && self.now().saturating_sub(idle_ms) <= last)
    }
}

impl Pool {
    /// A pool that connects when it must.
    pub(super) fn new(connect: PgConnectOptions, options: &PostgresOptions) -> Self {
        let broken = Arc::new(Broken { began: Instant::now(), last: AtomicU64::new(0) });
        let limit = format!("SET statement_timeout = {}", options.statement_time.as_millis());
        let doubt = broken.clone();
        let connections = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.acquire_time)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let doubt = doubt.clone();
                Box::pin(async move {
                    if doubt.doubts(meta.idle_for) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let limit = limit.clone();
                Box::pin(async move {
                    sqlx::raw_sql(AssertSqlSafe(limit)).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(connect);
        Self { connections, schema: options.schema.clone(), statement_time: options.statement_time, broken }
    }

    pub(super) fn connections(&self) -> &PgPool {
        &self.connections
    }

    /// A statement over the tables of the schema `oauth`, in the schema that was chosen.
    pub(super) fn statement<'q>(&self, sql: &'static str) -> Statement<'q> {
        if *self.schema == *SCHEMA { sqlx::query(sql) } else { self.composed(sql) }
    }

    /// The same, of a text that is put together from texts of ours.
    pub(super) fn composed<'q>(&self, sql: &str) -> Statement<'q> {
        sqlx::query(AssertSqlSafe(schema::in_schema(sql, &self.schema)))
    }

    /// The same, of a text that is kept.
    pub(super) fn shared<'q>(&self, sql: &Arc<str>) -> Statement<'q> {
        if *self.schema == *SCHEMA { sqlx::query(AssertSqlSafe(sql.clone())) } else { self.composed(sql) }
    }

    /// Runs a statement, and returns the rows that it yields. It must not matter if one that was taken back is sent again.
    pub(super) async fn rows<'q>(
        &self,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut attempt = 1;
        loop {
            let mut connection = self.acquire().await?;
            let error = match timeout(self.patience(), statement().fetch_all(&mut *connection)).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.give_up(connection)),
            };
            self.look_at(&error, connection);
            if !fault::asks_again(&error) || attempt == ATTEMPTS {
                return Err(fault::port(error));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }

    /// Runs a statement that yields one row at most.
    pub(super) async fn row<'q>(
        &self,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// Runs a statement that yields a row for each that it wrote. How many.
    pub(super) async fn written<'q>(
        &self,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<u64, StoreError> {
        Ok(self.rows(statement).await?.len() as u64)
    }

    /// Runs a short transaction; again, if the server took it back. All of it has the time of one statement.
    pub(super) async fn transact<T: Send>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + Sync,
    ) -> Result<T, StoreError> {
        let mut attempt = 1;
        loop {
            let mut connection = self.acquire().await?;
            let run = async {
                let mut transaction = connection.begin().await?;
                let done = work(&mut transaction).await?;
                transaction.commit().await?;
                Ok(done)
            };
            let error = match timeout(self.patience(), run).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.give_up(connection)),
            };
            self.look_at(&error, connection);
            if !fault::asks_again(&error) || attempt == ATTEMPTS {
                return Err(fault::port(error));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.connections.acquire().await.map_err(|error| {
            self.broken.note();
            StoreError::unavailable(error)
        })
    }

    fn patience(&self) -> Duration {
        self.statement_time + HEADSTART
    }

    /// The answer did not come: what is left of it on the connection must not be taken for the next one's.
    fn give_up(&self, connection: PoolConnection<Postgres>) -> StoreError {
        self.broken.note();
        drop(connection.detach());
        StoreError::unavailable("the database did not answer in time")
    }

    /// Does not give a broken connection to anybody else, and doubts the others.
    fn look_at(&self, error: &sqlx::Error, connection: PoolConnection<Postgres>) {
        if fault::breaks(error) {
            self.broken.note();
            drop(connection.detach());
        }
    }
}

/// Lets the others finish: longer each time, and not all for the same time.
async fn pause(attempt: u32) {
    let most = (Duration::from_millis(1) * 2_u32.saturating_pow(attempt)).min(PAUSE);
    let share = u32::from(random::<1>(&OsEntropy)[0]);
    sleep(most * share / 255).await;
}

type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;
