//! One line that chooses the engine: a URL.

use std::error::Error;
use std::future::Future;

use oauth_core::Stores;

use crate::shown::{shown, split};

/// Opens [`Stores`] by a URL, so that whoever runs a program chooses the engine.
///
/// | URL | is | feature |
/// |---|---|---|
/// | `memory:` | [`MemoryStore`](oauth_core::MemoryStore): forgets when the process ends | |
/// | `sqlite://path`, `sqlite:///absolute/path` | `SqliteStore` | `sqlite` |
/// | `sqlite::memory:` | the same, and forgets when the process ends | `sqlite` |
/// | `postgres://user:password@host:port/database` | `PostgresStore`; `postgresql://` is the same | `postgres` |
/// | `redis://user:password@host:port/database` | `RedisStore`; with `rediss` by TLS, `valkey` and `valkeys` are the same | `redis` |
/// | `redis-cluster://host:port,host:port` | a cluster; `rediss-cluster` | `redis` |
/// | `redis-sentinel://host:port,host:port/master` | what sentinels name; `rediss-sentinel` | `redis` |
/// | `redis+unix:///path/of/the.sock` | one server, by its socket; `unix` and `valkey+unix` are the same | `redis` |
///
/// Parameters of ours stand behind a question mark; those that the engine's own URLs have may stand beside them. Others are refused.
///
/// | engine | parameter | is |
/// |---|---|---|
/// | SQLite | `size_limit=1073741824` | how many bytes the file may grow to |
/// | PostgreSQL | `connections=16` | how many connections are opened at most |
/// | | `schema=oauth` | where the tables are |
/// | | `migrate=false` | leaves the tables alone |
/// | | `purge=by-grant` | removes what has ended from one grant after another: for Citus, whose tables are spread by the grant |
/// | Redis | `prefix=oauth` | begins all keys |
/// | | `replicas=1` | how many replicas must have what was written before it is answered, within a second |
/// | Sentinel | `sentinel_username=…`, `sentinel_password=…` | for the sentinels, where they want them: those before the `@` are for the master |
///
/// ```
/// use oauth_core::{GrantFilter, Stores};
/// use oauth_stores::{Connect, ConnectError};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let stores = Stores::connect("memory:").await?;
/// assert_eq!(stores.grants.count(GrantFilter::All).await?, 0);
///
/// let error = Stores::connect("mysql://me:secret@db.example/oauth").await.unwrap_err();
/// assert!(matches!(error, ConnectError::UnknownScheme { .. }));
/// assert!(!error.to_string().contains("secret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub trait Connect: Sized {
    /// Opens what `url` names.
    ///
    /// # Errors
    /// [`ConnectError`] says what is wrong and what helps, without the password.
    fn connect(url: &str) -> impl Future<Output = Result<Self, ConnectError>> + Send;
}

/// Why a URL could not be opened. Each names the URL, without its password, and what helps.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_stores::{Connect, ConnectError};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let error = Stores::connect("oauth.sqlite").await.unwrap_err();
/// assert!(matches!(error, ConnectError::NoScheme { .. }));
/// assert!(error.to_string().contains("sqlite://oauth.sqlite"));
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It does not say which engine.
    #[error("cannot open {url}: it has no scheme; {}", with_scheme(url))]
    NoScheme {
        /// The URL without its password.
        url: String,
    },
    /// No engine of ours.
    #[error(
        "cannot open {url}: no store has the scheme `{scheme}`; write sqlite, postgres, redis, redis-cluster, redis-sentinel or memory"
    )]
    UnknownScheme {
        /// The URL without its password.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// An engine that this program was built without.
    #[error(
        "cannot open {url}: this program was built without what `{scheme}` needs; build it with the feature `{feature}` of oauth-stores"
    )]
    FeatureOff {
        /// The URL without its password.
        url: String,
        /// Its scheme.
        scheme: String,
        /// What to switch on.
        feature: &'static str,
    },
    /// It is of a file, and names none.
    #[error(
        "cannot open {url}: it names no file; write sqlite://oauth.sqlite, or sqlite::memory: for what may be forgotten"
    )]
    NoFile {
        /// The URL.
        url: String,
    },
    /// A parameter that there is not, or with a value that it does not take.
    #[error("cannot open {url}: the parameter `{name}` {why}")]
    BadParameter {
        /// The URL without its password.
        url: String,
        /// The parameter.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The engine's own error, which says all that.
    #[error(transparent)]
    Engine(Box<dyn Error + Send + Sync>),
}

/// What to write in place of an address without a scheme.
fn with_scheme(url: &str) -> String {
    let file = match url {
        // It may be the name of a file, or hold a password.
        "…" => "if it is the name of a file, write sqlite:// before it".to_owned(),
        _ => format!("write sqlite://{url} for a file"),
    };
    format!("{file}, or postgres://… or redis://… for a server")
}

impl ConnectError {
    #[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
    fn engine(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl Connect for Stores {
    async fn connect(url: &str) -> Result<Self, ConnectError> {
        let Some((scheme, _)) = url.split_once(':') else {
            return Err(ConnectError::NoScheme { url: shown(url) });
        };
        match scheme {
            "memory" => Ok(Self::memory()),
            "sqlite" => sqlite(url),
            "postgres" | "postgresql" => postgres(url).await,
            "redis" | "rediss" | "valkey" | "valkeys" | "redis-cluster" | "rediss-cluster"
            | "redis-sentinel" | "rediss-sentinel" | "unix" | "redis+unix" | "valkey+unix" => {
                redis(url).await
            }
            _ if split(url).is_none() => Err(ConnectError::NoScheme { url: shown(url) }),
            _ => Err(ConnectError::UnknownScheme { url: shown(url), scheme: scheme.to_owned() }),
        }
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
fn off(url: &str, feature: &'static str) -> ConnectError {
    let scheme = url.split(':').next().unwrap_or_default().to_owned();
    ConnectError::FeatureOff { url: shown(url), scheme, feature }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<Stores, ConnectError> {
    let mut asked = Asked::read(url, &["size_limit"]);
    let mut options = crate::SqliteOptions::default();
    if let Some(bytes) = asked.number("size_limit")? {
        options = options.with_size_limit(bytes);
    }
    let rest = asked.left.strip_prefix("sqlite:").unwrap_or(&asked.left);
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let store = match path {
        ":memory:" => crate::SqliteStore::in_memory(),
        _ if path.contains('?') => return Err(asked.unknown()),
        // What is left is the scheme alone.
        "" => return Err(ConnectError::NoFile { url: asked.left }),
        _ => {
            let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
            options.open(&*path)
        }
    };
    store.map(Stores::new).map_err(ConnectError::engine)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(url: &str) -> Result<Stores, ConnectError> {
    Err(off(url, "sqlite"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Stores, ConnectError> {
    let mut asked = Asked::read(url, &["connections", "schema", "migrate", "purge"]);
    let mut options = crate::PostgresOptions::default();
    if let Some(connections) = asked.number("connections")? {
        options = options.with_connections(connections);
    }
    if let Some(schema) = asked.take("schema") {
        options = options.with_schema(&schema);
    }
    match asked.take("migrate").as_deref() {
        None | Some("true") => {}
        Some("false") => options = options.without_migration(),
        Some(_) => return Err(asked.bad("migrate", "is `true` or `false`")),
    }
    match asked.take("purge").as_deref() {
        None => {}
        Some("by-grant") => options = options.with_purge_by_grant(),
        Some(_) => return Err(asked.bad("purge", "is `by-grant`, or left out")),
    }
    options.open(&asked.left).await.map(Stores::new).map_err(ConnectError::engine)
}

#[cfg(not(feature = "postgres"))]
async fn postgres(url: &str) -> Result<Stores, ConnectError> {
    Err(off(url, "postgres"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str) -> Result<Stores, ConnectError> {
    /// For how long a write waits for its replicas.
    const REPLICAS: std::time::Duration = std::time::Duration::from_secs(1);

    let mut asked = Asked::read(url, &["prefix", "replicas"]);
    let mut options = crate::RedisOptions::default();
    if let Some(prefix) = asked.take("prefix") {
        options = options.with_prefix(&prefix);
    }
    if let Some(count) = asked.number("replicas")? {
        options = options.with_replicas(count, REPLICAS);
    }
    options.open(&asked.left).await.map(Stores::new).map_err(ConnectError::engine)
}

#[cfg(not(feature = "redis"))]
async fn redis(url: &str) -> Result<Stores, ConnectError> {
    Err(off(url, "redis"))
}

/// Our parameters, and the URL without them.
#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
struct Asked<'a> {
    url: &'a str,
    ours: Vec<(String, String)>,
    left: String,
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
impl<'a> Asked<'a> {
    fn read(url: &'a str, names: &[&str]) -> Self {
        let Some(query) = query_of(url, names) else {
            return Self { url, ours: Vec::new(), left: url.to_owned() };
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for pair in url[query + 1..].split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if names.contains(&name) {
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
                ours.push((name.to_owned(), value));
            } else {
                theirs.push(pair);
            }
        }
        let mut left = url[..query].to_owned();
        if !theirs.is_empty() {
            left.push('?');
            left.push_str(&theirs.join("&"));
        }
        Self { url, ours, left }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.ours.iter().position(|(own, _)| own == name)?;
        Some(self.ours.remove(at).1)
    }

    fn number<T: std::str::FromStr>(&mut self, name: &'static str) -> Result<Option<T>, ConnectError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.bad(name, "is no number that it can be"))
    }

    fn bad(&self, name: &str, why: &'static str) -> ConnectError {
        ConnectError::BadParameter { url: shown(self.url), name: name.to_owned(), why }
    }

    /// What is left is nobody's.
    #[cfg(feature = "sqlite")]
    fn unknown(&self) -> ConnectError {
        let query = self.left.split_once('?').map_or("", |(_, query)| query);
        let name = query.split(['&', '=']).next().unwrap_or_default().to_owned();
        self.bad(&name, "is none of this engine")
    }
}

/// Where the question mark before the parameters is. A password may have one that nobody encoded, and a parameter an `@`: behind an `@` it is the
/// first one, else that behind which a parameter of ours stands.
#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn query_of(url: &str, names: &[&str]) -> Option<usize> {
    let from = url.rfind('@').unwrap_or_default();
    let behind = url[from..].find('?').map(|at| from + at);
    let is_ours = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| names.contains(&name));
    let ours = || url.match_indices('?').map(|(at, _)| at).find(|at| url[at + 1..].split('&').any(is_ours));
    behind.or_else(ours)
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_wherever_an_at_sign_stands() {
        for (url, schema, left) in [
            ("postgres://me:pw@host/db?schema=a", Some("a"), "postgres://me:pw@host/db"),
            ("postgres://host/db?schema=a&user=me@host", Some("a"), "postgres://host/db?user=me@host"),
            ("postgres://host/db?user=me@host&schema=a", Some("a"), "postgres://host/db?user=me@host"),
            ("postgres://me:p?w@host/db?schema=a", Some("a"), "postgres://me:p?w@host/db"),
            ("postgres://me:p?w@host/db?user=a@b&schema=a", Some("a"), "postgres://me:p?w@host/db?user=a@b"),
            ("postgres://me:p?w@host/db", None, "postgres://me:p?w@host/db"),
        ] {
            let mut asked = Asked::read(url, &["schema"]);
            assert_eq!((asked.take("schema").as_deref(), asked.left.as_str()), (schema, left), "{url}");
        }
    }
}
