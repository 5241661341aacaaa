//! What to say when a store cannot be opened.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::redis::open::{OLDEST, VERSION};
use crate::shown::shown;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a [`RedisStore`](crate::RedisStore) could not be opened. Each names the URL, without its password, and what helps.
///
/// ```
/// use oauth_stores::{RedisOpenError, RedisStore};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let error = RedisStore::open("redis://:secret@127.0.0.1:1/0").await.unwrap_err();
/// assert!(matches!(error, RedisOpenError::Unreachable { .. }));
/// assert!(error.to_string().contains("127.0.0.1:1") && !error.to_string().contains("secret"));
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOpenError {
    /// The URL, or the prefix, is none.
    #[error("cannot open {url}: {why}")]
    Misconfigured {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers.
    #[error("cannot open {url}: no server answers there ({source}); start it, or correct the address")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// What the system said.
        source: Cause,
    },
    /// The server does not let us in.
    #[error(
        "cannot open {url}: the server refuses the user name or the password ({source}); correct them in the URL"
    )]
    Refused {
        /// The URL without its password.
        url: String,
        /// What the server said.
        source: Cause,
    },
    /// The database does not exist, or the server has but one.
    #[error(
        "cannot open {url}: the server has no such database ({source}); leave the number out, and tell deployments apart by their prefix"
    )]
    NoDatabase {
        /// The URL without its password.
        url: String,
        /// What the server said.
        source: Cause,
    },
    /// A cluster by the URL of a single server, or the other way round.
    #[error("cannot open {url}: {why}")]
    OtherKind {
        /// The URL without its password.
        url: String,
        /// What it is, and how to write that.
        why: &'static str,
    },
    /// The user may not do what is necessary.
    #[error(
        "cannot open {url}: the user may not do what is needed ({source}); let it run all commands on the keys with this store's prefix: \
         ACL SETUSER … ~oauth:* +@all"
    )]
    Forbidden {
        /// The URL without its password.
        url: String,
        /// What the server said.
        source: Cause,
    },
    /// The server refuses to write.
    #[error("cannot open {url}: the server takes no writes ({source}); {remedy}")]
    TakesNoWrites {
        /// The URL without its password.
        url: String,
        /// What helps.
        remedy: &'static str,
        /// What the server said.
        source: Cause,
    },
    /// The server is too old.
    #[error("cannot open {url}: the server has version {found}, and version {OLDEST} is needed; update it")]
    OldServer {
        /// The URL without its password.
        url: String,
        /// The server's version.
        found: String,
    },
    /// The server throws keys away when its memory is full.
    #[error(
        "cannot open {url}: the server throws keys away when its memory is full (maxmemory-policy {policy}), a spent code's or \
         a revocation's among them; set maxmemory-policy noeviction, or use a server of its own for this store"
    )]
    Evicts {
        /// The URL without its password.
        url: String,
        /// Its policy.
        policy: String,
    },
    /// What is there was written by a newer version of this crate.
    #[error(
        "cannot open {url}: its data has version {found}, and this program knows versions up to {VERSION}; run the newer program, \
         or choose another prefix"
    )]
    NewerData {
        /// The URL without its password.
        url: String,
        /// The data's version.
        found: String,
    },
    /// Anything else.
    #[error("cannot open {url}: {source}")]
    Other {
        /// The URL without its password.
        url: String,
        /// What was said.
        source: Cause,
    },
}

impl RedisOpenError {
    pub(super) fn of(url: &str, error: impl Into<Cause>) -> Self {
        let source: Cause = error.into();
        let url = shown(url);
        // A port wraps the driver's error.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*source);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<RedisError>() {
                return Self::of_driver(url, &error.clone());
            }
            cause = error.source();
        }
        Self::Other { url, source }
    }

    fn of_driver(url: String, error: &RedisError) -> Self {
        let (text, source) = (error.to_string(), Box::new(error.clone()));
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match error.kind() {
            ErrorKind::InvalidClientConfig => Self::Misconfigured { url, why: text },
            ErrorKind::AuthenticationFailed => Self::Refused { url, source },
            _ if says(&["WRONGPASS", "NOAUTH", "AuthenticationFailed", "invalid username-password"]) => {
                Self::Refused { url, source }
            }
            _ if says(&["DB index", "SELECT is not allowed"]) => Self::NoDatabase { url, source },
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Forbidden { url, source },
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                let remedy = "it is a replica: name its master, or the sentinels that know it";
                Self::TakesNoWrites { url, remedy, source }
            }
            _ if error.code() == Some("MISCONF") => {
                let remedy = "it cannot save to its disk: free some space there, or mend what its log names";
                Self::TakesNoWrites { url, remedy, source }
            }
            _ if error.code() == Some("NOREPLICAS") => {
                let remedy = "too few replicas follow it: start them, or lower its min-replicas-to-write";
                Self::TakesNoWrites { url, remedy, source }
            }
            _ if error.code() == Some("OOM") => {
                let remedy =
                    "its memory is full: raise its maxmemory, or give this store a server of its own";
                Self::TakesNoWrites { url, remedy, source }
            }
            _ if says(&["cluster support disabled"]) => {
                Self::OtherKind { url, why: "it is a single server, no cluster; write redis://host:port" }
            }
            ErrorKind::RESP3NotSupported => Self::OldServer { url, found: "5 or older".into() },
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel => Self::Unreachable { url, source },
            _ => Self::Other { url, source },
        }
    }
}
