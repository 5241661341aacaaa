//! What can be wrong with a configuration: all of it is said at once, naming the values.

use std::fmt;

use oauth_core::fetch::{Network, NetworkError};
use oauth_core::{ScopeError, UrlError};

/// One thing that is wrong.
///
/// ```
/// use oauth_resource::ScopeRules;
/// let errors = ScopeRules::builder("notes:read").tool("add_note", "notes\twrite").build().unwrap_err();
/// assert_eq!(errors.to_string(), "scopes \"notes\\twrite\" of tool \"add_note\": scope has a character that is not allowed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The resource is no resource identifier (RS-6).
    #[error("resource {0}")]
    Resource(#[source] UrlError),
    /// An issuer is no issuer.
    #[error("issuer {0}")]
    Issuer(#[source] UrlError),
    /// Scopes that are none.
    #[error("scopes {text:?} of {what}: {source}")]
    Scopes {
        /// What was given.
        text: String,
        /// What they are for.
        what: String,
        /// Why they are none.
        source: ScopeError,
    },
    /// `offline_access` is between a client and its authorization server (RS-8).
    #[error("scopes of {0}: offline_access is no scope of a resource")]
    OfflineAccess(String),
    /// A rule that would never apply, or not as it reads.
    #[error("rule for {what}: {why}")]
    Rule {
        /// Which rule.
        what: String,
        /// Why.
        why: &'static str,
    },
    /// Not an origin.
    #[error("origin {0:?}: must be scheme, host and port alone, like https://app.example")]
    Origin(String),
    /// Not a host.
    #[error("host {0:?}: must be a host, with or without port, like mcp.example or 127.0.0.1:8080")]
    Host(String),
    /// A header name that is none.
    #[error("header {0:?}: not the name of a header")]
    Header(String),
    /// Not a network.
    #[error("trusted proxy: {0}")]
    Network(String),
    /// A leeway above the limit.
    #[error("leeway of {0} s: must be at most 60 s")]
    Leeway(u64),
    /// A key that cannot sign the metadata.
    #[error("metadata key: it cannot sign")]
    MetadataKey,
    /// A link that is no URL.
    #[error("{what} {url:?}: must be an absolute https url")]
    Link {
        /// Which one.
        what: &'static str,
        /// What was given.
        url: String,
    },
}

/// Everything that is wrong.
///
/// ```
/// use oauth_resource::ScopeRules;
/// let errors = ScopeRules::builder("a\"").tool("x", "b\\").build().unwrap_err();
/// assert_eq!(errors.iter().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl ConfigErrors {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Those that are networks; what is wrong with the others goes to `errors`.
pub(crate) fn networks<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    errors: &mut Vec<ConfigError>,
) -> Vec<Network> {
    let mut read = |text: &str| {
        text.parse().map_err(|error: NetworkError| errors.push(ConfigError::Network(error.to_string()))).ok()
    };
    texts.into_iter().filter_map(&mut read).collect()
}

/// A rule that does not hold.
pub(crate) fn rule(what: &str, why: &'static str) -> ConfigError {
    ConfigError::Rule { what: what.to_owned(), why }
}
