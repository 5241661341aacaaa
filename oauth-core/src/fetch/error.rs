//! Why nothing was fetched, split by whose fault it is.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Why a [`Fetch`](super::Fetch) brought nothing.
///
/// An answer with an error status is an answer, not one of these. No message holds a path, a query string, a header or
/// a body: they may carry credentials, and errors end up in logs.
///
/// ```
/// use oauth_core::fetch::{FetchError, FetchPolicy, Refusal};
///
/// let error = FetchPolicy::new().judge_url("https://10.0.0.1/client.json").unwrap_err();
/// assert!(matches!(error, FetchError::Refused(Refusal::Address)));
/// assert!(!error.is_transient());
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The fault of whoever named the URL: our policy refuses it. Nothing was sent.
    #[error("refused to fetch: {0}")]
    Refused(#[from] Refusal),
    /// The fault of the other side: its body is longer than the limit, in bytes. Nothing of it was kept.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit that it exceeds, in bytes.
        limit: usize,
    },
    /// The fault of the other side: it did not finish in time.
    #[error("no complete answer within {} ms", after.as_millis())]
    TimedOut {
        /// How long we gave it: to make the connection, or for all from the call to the last byte of the body.
        after: Duration,
    },
    /// The fault of the other side or of the network: no such name, no connection, no trusted certificate, or it broke
    /// off. The source says which.
    #[error("could not fetch from {host:?}")]
    Unreachable {
        /// The host, without port and path.
        host: String,
        /// What went wrong.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Ours: as many fetches as we allow are under way, and none ended while we waited. Answer 503 or try again.
    #[error("too many fetches at once")]
    Busy,
}

impl FetchError {
    /// An [`Unreachable`](Self::Unreachable) with its cause.
    ///
    /// ```
    /// use oauth_core::fetch::FetchError;
    ///
    /// let error = FetchError::unreachable("app.example", "connection reset");
    /// assert_eq!(error.to_string(), r#"could not fetch from "app.example""#);
    /// assert!(error.is_transient());
    /// ```
    pub fn unreachable(host: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable { host: host.into(), source: Arc::from(source.into()) }
    }

    /// Whether the same request may succeed later without anybody changing anything. What was fetched before is then
    /// better than nothing, and the right answer is 503 rather than 4xx.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Busy => true,
            Self::Refused(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// What the policy has against a URL.
///
/// The texts are constant. In particular [`Address`](Self::Address) reads the same for an address in any notation and
/// for a name that resolves to it, so that nobody learns from it what names and addresses we see from the inside.
///
/// ```
/// use oauth_core::fetch::FetchPolicy;
///
/// let policy = FetchPolicy::new();
/// let said = |url| policy.judge_url(url).unwrap_err().to_string();
/// assert_eq!(said("https://127.0.0.1/"), said("https://0x7f.1/"));
/// assert_eq!(said("https://127.0.0.1/"), "refused to fetch: the address is not public");
/// assert_eq!(said("http://app.example/"), "refused to fetch: the scheme is not https");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no absolute URL of visible ASCII characters.
    #[error("the URL cannot be read")]
    Malformed,
    /// It is neither `https` nor, where the policy has opened that, `http`.
    #[error("the scheme is not https")]
    Scheme,
    /// It carries a user name or a password.
    #[error("the URL carries user information")]
    UserInfo,
    /// It carries a fragment, which no server ever sees.
    #[error("the URL carries a fragment")]
    Fragment,
    /// Its port is not one that the policy opens.
    #[error("the port is not allowed")]
    Port,
    /// Its host is on the list of the denied, or not on that of the allowed.
    #[error("the host is not allowed")]
    Host,
    /// Its address, or one of those that its name resolves to, is not public, nor in a network that the policy opens.
    #[error("the address is not public")]
    Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    // LIM-5
    #[test]
    fn messages_say_neither_path_nor_query() {
        let error = FetchError::unreachable("app.example", "reset");
        assert!(error.source().is_some_and(|source| source.to_string() == "reset"));
        assert_eq!(
            FetchError::TimedOut { after: Duration::from_secs(5) }.to_string(),
            "no complete answer within 5000 ms"
        );
        assert_eq!(FetchError::TooLarge { limit: 65536 }.to_string(), "the body is longer than 65536 bytes");
    }
}
