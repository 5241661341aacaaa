//! A URL after its judgement.

use std::fmt;

use url::Url;

/// The scheme of a [`Target`].
///
/// ```
/// use oauth_core::fetch::{FetchPolicy, Scheme};
///
/// let target = FetchPolicy::new().judge_url("https://app.example/client.json")?;
/// assert_eq!(target.scheme(), Scheme::Https);
/// # Ok::<(), oauth_core::fetch::FetchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// With TLS.
    Https,
    /// Without.
    Http,
}

impl Scheme {
    /// The port that goes without saying.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// A URL that a policy has let pass. If its host is a name, what the name resolves to is still to be judged.
///
/// ```
/// use oauth_core::fetch::FetchPolicy;
///
/// let target = FetchPolicy::new().judge_url("https://App.Example:8443/client.json?x=1")?;
/// assert_eq!(target.host(), "app.example");
/// # Ok::<(), oauth_core::fetch::FetchError>(())
/// ```
#[derive(Clone)]
pub struct Target {
    scheme: Scheme,
    url: Url,
}

impl Target {
    /// For the policy alone to call: a target is the proof of its judgement.
    pub(super) fn new(scheme: Scheme, url: Url) -> Self {
        Self { scheme, url }
    }

    /// The host in the form of the URL standard: lower case, addresses in their one notation, IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    #[cfg(feature = "fetch")]
    pub(super) fn into_url(self) -> Url {
        self.url
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without path and query: they may carry credentials.
        f.debug_struct("Target")
            .field("scheme", &self.scheme)
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}
