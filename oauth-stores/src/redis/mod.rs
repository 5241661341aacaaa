//! Redis and Valkey: every port over one server, one behind Sentinel, or a cluster.
//!
//! Each verb is one script, and touches one slot: the server runs it alone, so it is atomic. What belongs to a grant has the grant's
//! identifier as its hash tag. Every key has a lifetime, so nothing needs to be swept. Any number of servers over one deployment's
//! prefix are one server.
//!
//! What a script cannot reach, because it is in another slot, is written *before* it, so that a crash between the two leaves nothing but
//! an entry that leads nowhere: the indexes of grants by subject and by client, the identity of an account, the fingerprint of a client.
//! So a revocation by subject or client reaches every grant that was open when it began.
//!
//! # Deployment
//!
//! - Redis 7 or Valkey 8, or newer. `maxmemory-policy noeviction`: another one is refused. When the memory is full, what would be granted is
//!   `Unavailable`, and revocations still happen.
//! - `appendonly yes` and `appendfsync always`, or else a power failure, and with `everysec` a crash of the machine, undoes the last answers:
//!   a code that was redeemed can be redeemed again, a revoked grant lives.
//! - Replication is asynchronous: at a failover the last writes may be lost in the same way. [`RedisOptions::with_replicas`] waits until
//!   replicas have what was granted or revoked, which narrows this to a failover that promotes a replica that had not acknowledged;
//!   `min-replicas-to-write` keeps a master that is cut off from granting for long. SCHEMA.md says what stays possible.
//! - Keys of servers are stored in clear: whoever reads the server, its file or its wire can forge. Use `rediss://` and a password.

mod accounts;
mod address;
mod clients;
mod cluster;
mod consents;
mod grant_indexes;
mod grants;
mod index;
mod keys;
mod ledger;
mod life;
mod limits;
mod link;
mod names;
mod node;
mod open;
mod open_error;
mod registration;
mod replay;
mod retry;
mod script;
mod sessions;
mod slot;
mod stale;
mod vault;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use link::Link;
use names::Names;
pub use open_error::RedisOpenError;

/// A store in Redis or Valkey. Cloning shares it, and its one connection to each server (two, with replicas to wait for).
///
/// ```
/// # #[cfg(feature = "testing")]
/// # {
/// use oauth_core::{LimitKey, Quota, RateLimiter, Timestamp, Verdict};
/// use oauth_stores::RedisStore;
/// # use oauth_stores::testing::{TestRedis, available};
/// # let Some(server) = available(TestRedis::shared()) else { return };
/// # let url = server.url();
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let store = RedisStore::open(&url).await?;
/// let quota = Quota::new(1, std::time::Duration::from_secs(60));
/// let now = Timestamp::from_secs(1_700_000_000);
/// # store.reset(&LimitKey::new("token", "app")).await?;
/// assert_eq!(store.hit(&LimitKey::new("token", "app"), quota, now).await?, Verdict::Allowed);
/// assert_ne!(store.hit(&LimitKey::new("token", "app"), quota, now).await?, Verdict::Allowed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    names: Names,
}

impl RedisStore {
    /// Connects to what `url` names:
    ///
    /// | URL | is |
    /// |---|---|
    /// | `redis://user:password@host:port/database` | one server |
    /// | `redis-cluster://user:password@host:port,host:port` | a cluster, by some of its nodes |
    /// | `redis-sentinel://user:password@host:port,host:port/master/database` | the master that these sentinels name |
    /// | `redis+unix:///path/of/the.sock?db=2&user=…&pass=…` | one server, by its socket; `unix` and `valkey+unix` are the same |
    ///
    /// With `rediss` in place of `redis` by TLS. User and password before the `@` are for servers; what sentinels want themselves stands behind:
    /// `/master?sentinel_username=…&sentinel_password=…`. Other parameters are refused.
    ///
    /// # Errors
    /// [`RedisOpenError`] names the URL, without its password, and what helps.
    pub async fn open(url: &str) -> Result<Self, RedisOpenError> {
        RedisOptions::default().open(url).await
    }

    fn link(&self) -> &Link {
        &self.inner.link
    }

    fn names(&self) -> &Names {
        &self.inner.names
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// How to open a [`RedisStore`], where the defaults do not suit.
///
/// ```
/// use std::time::Duration;
/// use oauth_stores::RedisOptions;
///
/// let options = RedisOptions::default()
///     .with_prefix("staging")
///     .with_response_timeout(Duration::from_millis(500))
///     .with_replicas(1, Duration::from_millis(100));
/// assert!(format!("{options:?}").contains("staging"));
/// ```
#[derive(Clone)]
pub struct RedisOptions {
    prefix: Box<str>,
    connect_timeout: Duration,
    response_timeout: Duration,
    retry_time: Duration,
    replicas: Option<(u32, Duration)>,
    root_certificate: Option<Vec<u8>>,
}

impl RedisOptions {
    /// The prefix of all keys.
    pub const DEFAULT_PREFIX: &'static str = "oauth";
    /// For how long a server may take to accept a connection.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    /// For how long it may take to answer.
    pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
    /// For how long what the server refused before it ran is asked again.
    pub const DEFAULT_RETRY_TIME: Duration = Duration::from_secs(1);

    /// Another prefix, so that several deployments share a server. 1 to 64 letters, digits and `_-.:`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// For how long a server may take to accept a connection.
    #[must_use]
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For how long a server may take to answer. Then the caller hears `Unavailable`, and does not know whether a write happened.
    #[must_use]
    pub const fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// For how long a command that the server refused before it ran (`LOADING`, `CLUSTERDOWN`, `MOVED`, …) is asked again.
    #[must_use]
    pub const fn with_retry_time(mut self, time: Duration) -> Self {
        self.retry_time = time;
        self
    }

    /// Answers a write only when `count` replicas have it, too (`WAIT`). With fewer after `timeout`, it is `Unavailable`: the write
    /// was made, stays, and may be lost at a failover. A code is then spent though nobody got its tokens; a refresh token
    /// can be presented again within the grace window.
    #[must_use]
    pub const fn with_replicas(mut self, count: u32, timeout: Duration) -> Self {
        self.replicas = Some((count, timeout));
        self
    }

    /// Trusts this certificate authority (PEM), and no other, instead of the system's.
    #[must_use]
    pub fn with_root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Connects, as [`RedisStore::open`] does.
    ///
    /// # Errors
    /// [`RedisOpenError`] names the URL, without its password, and what helps.
    pub async fn open(self, url: &str) -> Result<RedisStore, RedisOpenError> {
        open::open(self, url).await
    }

    /// The server keeps an answer back for as long as it waits for replicas.
    fn longest_answer(&self) -> Duration {
        self.response_timeout + self.replicas.map_or(Duration::ZERO, |(_, timeout)| timeout)
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: Self::DEFAULT_PREFIX.into(),
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
            response_timeout: Self::DEFAULT_RESPONSE_TIMEOUT,
            retry_time: Self::DEFAULT_RETRY_TIME,
            replicas: None,
            root_certificate: None,
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("retry_time", &self.retry_time)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
