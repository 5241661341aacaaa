//! Durable stores for an OAuth 2.1 server for MCP servers: implementations of `oauth-core`'s storage ports.
//!
//! | feature | store | for |
//! |---|---|---|
//! | `sqlite` (default) | [`SqliteStore`] | one machine: a file, durable at every answer, no server to run |
//! | `postgres` | [`PostgresStore`] | many machines: any number of servers over one database |
//! | `redis` | [`RedisStore`] | many machines: one Redis or Valkey, one behind Sentinel, or a cluster |
//!
//! The feature `testing` starts databases for tests, from installed programs.
//!
//! Each implements every port, so it goes as a whole into [`Stores::new`](oauth_core::Stores::new):
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! use oauth_core::{GrantFilter, Stores};
//! use oauth_stores::SqliteStore;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let path = folder.path().join("oauth.sqlite");
//! let stores = Stores::new(SqliteStore::open(path)?);
//! assert_eq!(stores.grants.count(GrantFilter::All).await?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # }
//! ```

mod connect;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod shown;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sweep;
#[cfg(all(unix, feature = "testing"))]
pub mod testing;

pub use connect::{Connect, ConnectError};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOpenError, PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOpenError, RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteOptions, SqliteStore};
/// The driver of [`PostgresStore`], whose pool is in its interface.
#[cfg(feature = "postgres")]
pub use sqlx;
pub use sweep::{Sweep, Sweeper, Swept};
