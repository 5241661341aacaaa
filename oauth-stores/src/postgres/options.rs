//! How to connect, and how long to wait.

use std::time::Duration;

use crate::postgres::PostgresStore;
use crate::postgres::open;
use crate::postgres::open_error::PostgresOpenError;
use crate::postgres::schema::SCHEMA;

/// How to open a [`PostgresStore`], where the defaults do not suit.
///
/// The URL says where, as whom and how safely: `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=/ca.pem`.
///
/// ```
/// use std::time::Duration;
/// use oauth_stores::PostgresOptions;
///
/// let options = PostgresOptions::default()
///     .with_connections(32)
///     .with_acquire_time(Duration::from_secs(2))
///     .with_schema("login")
///     .without_migration();
/// assert!(format!("{options:?}").contains("login"));
/// ```
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(super) connections: u32,
    pub(super) acquire_time: Duration,
    pub(super) connect_time: Duration,
    pub(super) statement_time: Duration,
    pub(super) migration_time: Duration,
    pub(super) schema: Box<str>,
    pub(super) migrate: bool,
    pub(super) purge_by_grant: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: Self::CONNECTIONS,
            acquire_time: Self::ACQUIRE_TIME,
            connect_time: Self::CONNECT_TIME,
            statement_time: Self::STATEMENT_TIME,
            migration_time: Self::MIGRATION_TIME,
            schema: SCHEMA.into(),
            migrate: true,
            purge_by_grant: false,
        }
    }
}

impl PostgresOptions {
    /// How many connections a store opens at most. More than the database has cores to serve are of little use.
    pub const CONNECTIONS: u32 = 16;

    /// For how long a call waits for a connection, a new one included, before it is
    /// [`Unavailable`](oauth_core::StoreError::Unavailable).
    pub const ACQUIRE_TIME: Duration = Duration::from_secs(5);

    /// For how long [`open`](Self::open) waits for the first connection, and then for an answer about the tables.
    pub const CONNECT_TIME: Duration = Duration::from_secs(10);

    /// For how long a statement may run. None of ours needs a hundredth of it on a database that is well.
    pub const STATEMENT_TIME: Duration = Duration::from_secs(10);

    /// For how long bringing the tables up to date may take, or waiting for another server that does: among millions of grants an index takes
    /// minutes.
    pub const MIGRATION_TIME: Duration = Duration::from_secs(600);

    /// The longest that any of these times can be: the server counts milliseconds, in 31 bits.
    const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

    const fn bounded(time: Duration) -> Duration {
        if time.as_secs() < Self::LONGEST.as_secs() { time } else { Self::LONGEST }
    }

    /// How many connections to open at most, in place of [`CONNECTIONS`](Self::CONNECTIONS). Zero is taken as one.
    #[must_use]
    pub fn with_connections(mut self, most: u32) -> Self {
        self.connections = most.max(1);
        self
    }

    /// For how long a call waits for a connection, in place of [`ACQUIRE_TIME`](Self::ACQUIRE_TIME). More than 24 days is taken as 24 days, here
    /// as with the other times.
    #[must_use]
    pub const fn with_acquire_time(mut self, time: Duration) -> Self {
        self.acquire_time = Self::bounded(time);
        self
    }

    /// For how long opening waits for the first connection and for an answer about the tables, in place of [`CONNECT_TIME`](Self::CONNECT_TIME).
    #[must_use]
    pub const fn with_connect_time(mut self, time: Duration) -> Self {
        self.connect_time = Self::bounded(time);
        self
    }

    /// For how long a statement may run, in place of [`STATEMENT_TIME`](Self::STATEMENT_TIME).
    #[must_use]
    pub const fn with_statement_time(mut self, time: Duration) -> Self {
        self.statement_time = Self::bounded(time);
        self
    }

    /// For how long bringing the tables up to date may take, in place of [`MIGRATION_TIME`](Self::MIGRATION_TIME).
    #[must_use]
    pub const fn with_migration_time(mut self, time: Duration) -> Self {
        self.migration_time = Self::bounded(time);
        self
    }

    /// In which schema the tables are, in place of `oauth`. Several stores may share a database.
    #[must_use]
    pub fn with_schema(mut self, schema: &str) -> Self {
        self.schema = schema.into();
        self
    }

    /// Leaves the tables alone: somebody who may change them does that, by [`migrate`](Self::migrate), before this server starts.
    #[must_use]
    pub const fn without_migration(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Purges one grant at a time, in statements that each name it: for tables that are spread over nodes by the grant, where rows of many nodes
    /// cannot be locked at once, as with Citus. Elsewhere it costs round trips for nothing. In a URL for [`Connect`](crate::Connect): `?purge=by-grant`.
    ///
    /// ```
    /// let options = oauth_stores::PostgresOptions::default().with_purge_by_grant();
    /// assert!(format!("{options:?}").contains("purge_by_grant: true"));
    /// ```
    #[must_use]
    pub const fn with_purge_by_grant(mut self) -> Self {
        self.purge_by_grant = true;
        self
    }

    /// Connects to the database at `url`, and brings its tables up to date.
    ///
    /// # Errors
    /// [`PostgresOpenError`] names the URL, without its password, and what helps.
    pub async fn open(self, url: &str) -> Result<PostgresStore, PostgresOpenError> {
        open::store(url, &self).await
    }

    /// Brings the tables up to date, as a user who may do that, and does nothing else: before servers start that may not.
    ///
    /// # Errors
    /// [`PostgresOpenError`] names the URL, without its password, and what helps.
    pub async fn migrate(self, url: &str) -> Result<(), PostgresOpenError> {
        open::migrate(url, &self).await
    }
}
