//! PostgreSQL: every port over one database.
//!
//! Opening a grant and exchanging a credential are one statement and one round trip each. Any number of servers over one database are
//! one server: what is decided, the database decides, by its unique keys. Nothing is used that CockroachDB or YugabyteDB lack, and every
//! statement of one grant touches one partition key, the grant's identifier. A purge is about many; for Citus, which refuses that of distributed
//! tables, there is one that goes from grant to grant ([`PostgresOptions::with_purge_by_grant`]).
//! It is tested on PostgreSQL.
//!
//! # Deployment
//!
//! - The database holds keys: whoever reads the table `keys` can forge tokens. Give the schema a user of its own, and use TLS
//!   (`?sslmode=verify-full`) where the network is not yours alone.
//! - What was answered is as durable as the server's settings make it: leave `fsync` and `synchronous_commit` on. After a failover to a
//!   replica that lags, what was answered last may be gone, and a spent token is unspent again: name a synchronous standby.
//! - `READ COMMITTED`, the default, suffices; under `SERIALIZABLE` statements are repeated when the server asks for it.
//! - Each server opens up to [`PostgresOptions::with_connections`] connections: all of them together stay below the
//!   database's `max_connections`. A pooler in between must pool by session.
//! - Start a [`Sweep`](crate::Sweep): nothing else removes what has ended.

mod accounts;
mod clients;
mod consents;
mod fault;
mod grants;
mod keys;
mod ledger;
mod limits;
mod open;
mod open_error;
mod options;
mod pool;
mod purge;
mod purge_by_grant;
mod replay;
mod row;
mod schema;
mod sessions;
mod vault;

use std::fmt;
use std::sync::Arc;

use sqlx::postgres::PgPool;

pub use open_error::PostgresOpenError;
pub use options::PostgresOptions;
use pool::Pool;

/// The most records of one page.
const PAGE: usize = 1000;

/// A store in a PostgreSQL database. Cloning shares it.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use oauth_core::{GrantFilter, Stores};
/// use oauth_stores::PostgresStore;
/// # use oauth_stores::testing::{TestPostgres, available};
///
/// # let Some(server) = available(TestPostgres::shared()) else { return };
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let url = server.fresh_database()?;
/// // postgres://user:password@host/database
/// let stores = Stores::new(PostgresStore::open(&url).await?);
/// assert_eq!(stores.grants.count(GrantFilter::All).await?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pool: Arc<Pool>,
    /// Whether a purge asks for one grant at a time.
    by_grant: bool,
}

impl PostgresStore {
    /// Connects to the database at `url`, and creates its tables where there are none.
    ///
    /// # Errors
    /// [`PostgresOpenError`] names the URL, without its password, and what helps.
    pub async fn open(url: &str) -> Result<Self, PostgresOpenError> {
        PostgresOptions::default().open(url).await
    }

    /// The driver's pool, to close it or to watch it.
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// use oauth_stores::{PostgresOptions, PostgresStore};
    /// # use oauth_stores::testing::{TestPostgres, available};
    ///
    /// # let Some(server) = available(TestPostgres::shared()) else { return };
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// # let url = server.fresh_database()?;
    /// let store = PostgresStore::open(&url).await?;
    /// assert!(store.pool().size() <= PostgresOptions::CONNECTIONS);
    /// store.pool().close().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # }
    /// ```
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        self.pool.connections()
    }

    fn new(pool: Pool, by_grant: bool) -> Self {
        Self { pool: Arc::new(pool), by_grant }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}
