//! SQLite: every port over one file.
//!
//! One thread writes, many read (WAL). What was answered is on the disk (`synchronous = FULL`); callers who write at the
//! same time share one transaction and one `fsync`. Any number of servers and processes on one machine may open the same file,
//! and are one server.
//!
//! # Deployment
//!
//! - The file holds keys: it is created for its owner alone. Two files beside it, `-wal` (some 8 MB, and more only while a long reader keeps
//!   it from being written back) and `-shm`, belong to it: do not copy the file alone while a server runs, take a [`backup`](SqliteStore::backup).
//! - A local disk: SQLite's locks cannot be trusted on network file systems.
//! - Rate limits, and that a client was used, are written without an `fsync` of their own: a power failure may undo the last
//!   of them; the end of the process does not.
//! - Start a [`Sweep`](crate::Sweep): nothing else removes what has ended.

mod accounts;
mod backup;
mod clients;
mod consents;
mod fault;
mod grants;
mod keys;
mod ledger;
mod limits;
mod open;
mod purge;
mod readers;
mod replay;
mod row;
mod schema;
mod sessions;
mod sweep;
mod vault;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use oauth_core::StoreError;
use rusqlite::Connection;

use fault::Fault;
pub use open::OpenError;
use open::Place;
use readers::Readers;
use writer::{Durability, Writer};

/// A store in one SQLite file, or in memory.
///
/// Cloning shares it. Dropping the last clone waits until what is queued is written, and closes the file.
///
/// ```
/// use oauth_core::{LimitKey, Quota, RateLimiter, Timestamp, Verdict};
/// use oauth_stores::SqliteStore;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = SqliteStore::in_memory()?;
/// let quota = Quota::new(1, std::time::Duration::from_secs(60));
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert_eq!(store.hit(&LimitKey::new("token", "app"), quota, now).await?, Verdict::Allowed);
/// assert_ne!(store.hit(&LimitKey::new("token", "app"), quota, now).await?, Verdict::Allowed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped first: the last connection to close tidies the file up, and only the writer's can.
    readers: Option<Readers>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file at `path`; creates it where there is none, with mode 0600. Blocks for some milliseconds: call it at start.
    ///
    /// # Errors
    /// [`OpenError`] names the path and what helps.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::default().open(path)
    }

    /// A store that ends with its last clone: for tests and trials.
    ///
    /// # Errors
    /// [`OpenError::Other`] if the system has neither memory nor a thread to give.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::start(open::memory()?, None, None, Path::new(":memory:"))
    }

    fn start(
        connection: Connection,
        place: Option<Place>,
        readers: Option<Readers>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let writer = Writer::start(connection, place).map_err(|error| OpenError::of_system(path, error))?;
        Ok(Self { inner: Arc::new(Inner { readers, writer }) })
    }

    /// Writes durably: all that `work` did, or nothing.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.run(Durability::Full, work).await
    }

    /// Writes what may be lost in a power failure.
    async fn write_lightly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.run(Durability::Process, work).await
    }

    /// Reads what was committed.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.inner.readers {
            Some(readers) => readers.run(work).map_err(StoreError::from),
            // A database in memory has one connection, and that is the writer's.
            None => self.write_lightly(work).await,
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// How to open a [`SqliteStore`], where the defaults do not suit.
///
/// ```
/// use oauth_stores::SqliteOptions;
///
/// let folder = tempfile::tempdir()?;
/// let store = SqliteOptions::default().with_size_limit(1 << 30).open(folder.path().join("oauth.sqlite"));
/// assert!(store.is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SqliteOptions {
    size_limit: Option<u64>,
}

impl SqliteOptions {
    /// How many bytes the file may grow to, not counting the log beside it. At the limit writes are [`StoreError::Unavailable`] until a purge makes room.
    #[must_use]
    pub const fn with_size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = Some(bytes);
        self
    }

    /// Opens the file at `path`, as [`SqliteStore::open`] does.
    ///
    /// # Errors
    /// [`OpenError`] names the path and what helps.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let (connection, real) = open::writer(path.as_ref(), self.size_limit)?;
        let place = Place::of(real.clone()).map_err(|error| OpenError::of_system(path.as_ref(), error))?;
        SqliteStore::start(connection, Some(place), Some(Readers::new(real)), path.as_ref())
    }
}
