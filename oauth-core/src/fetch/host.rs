//! Names of hosts: which are never public, and patterns that an operator lists.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host, or with `*.` in front all hosts below it.
///
/// ```
/// use oauth_core::fetch::HostPattern;
///
/// let pattern: HostPattern = "*.Example.com".parse()?;
/// assert_eq!(pattern.to_string(), "*.example.com");
/// assert!(pattern.matches("login.example.com"));
/// assert!(!pattern.matches("example.com"), "below, not at");
/// assert!(!pattern.matches("badexample.com"));
/// # Ok::<(), oauth_core::fetch::HostPatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    below: bool,
    name: String,
}

impl HostPattern {
    /// Whether a host, as [`Target::host`](super::Target::host) writes it, is meant.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = without_root(host);
        if self.below {
            host.strip_suffix(self.name.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            host == self.name
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let fault = || HostPatternError { text: text.to_owned() };
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        // The very parser that reads the hosts of URLs, so that both are written alike.
        let host = url::Host::parse(name).map_err(|_| fault())?;
        let is_name = matches!(host, url::Host::Domain(_));
        let name = without_root(&host.to_string()).to_owned();
        let has_empty_label = is_name && name.split('.').any(str::is_empty);
        if has_empty_label || name.contains('*') || (below && !is_name) {
            return Err(fault());
        }
        Ok(Self { below, name })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostPattern({self})")
    }
}

/// A text that is neither a host nor `*.` and a host.
///
/// ```
/// use oauth_core::fetch::HostPattern;
///
/// let error = "https://example.com".parse::<HostPattern>().unwrap_err();
/// assert_eq!(error.to_string(), r#"invalid host pattern "https://example.com": expected a host or "*." and a host"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid host pattern {text:?}: expected a host or \"*.\" and a host")]
pub struct HostPatternError {
    text: String,
}

/// Whether the host is this machine by its very name or notation
/// ([RFC 6761 §6.3](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)).
pub(super) fn is_loopback(host: &str) -> bool {
    is_localhost(host) || address(host).is_some_and(|address| address.to_canonical().is_loopback())
}

/// Whether the host is `localhost` or below it: a name that is never looked up.
pub(super) fn is_localhost(host: &str) -> bool {
    is_at_or_below(without_root(host), "localhost")
}

/// Whether the host is a name that means nothing to the public: one without a dot, which look-ups complete with our own
/// domain, and the top level domains kept for local use. To look them up would only ask our own network about itself.
pub(super) fn is_local_name(host: &str) -> bool {
    let name = without_root(host);
    let local = ["localhost", "local", "internal", "home.arpa", "onion"];
    address(host).is_none()
        && (!name.contains('.') || local.iter().any(|parent| is_at_or_below(name, parent)))
}

/// The address that a host is, if it is one. IPv6 addresses stand in brackets.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// The name without the dot of the root: `example.com.` is `example.com`.
pub(super) fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_at_or_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_at_label_boundaries() {
        let exact: HostPattern = "example.com".parse().unwrap();
        assert!(exact.matches("example.com") && exact.matches("example.com."));
        assert!(!exact.matches("a.example.com") && !exact.matches("example.com.evil.test"));
        let below: HostPattern = "*.example.com".parse().unwrap();
        assert!(below.matches("a.example.com") && below.matches("a.b.example.com."));
        assert!(!below.matches(".example.com") && !below.matches("aexample.com"));
        let v6: HostPattern = "[2600:0::1]".parse().unwrap();
        assert!(v6.matches("[2600::1]"));
        for text in ["", "*", "*.", "*.*.com", "a b", "a/b", "a:443", "*.10.0.0.1", ".", "..", "a..b", ".a"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn local_names_are_known() {
        for host in
            ["localhost", "a.localhost", "localhost.", "intranet", "db.local", "x.internal", "x.home.arpa"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["example.com", "local.example", "notlocal.example", "8.8.8.8", "[::1]", "my-local.dev"] {
            assert!(!is_local_name(host), "{host}");
        }
        for host in ["localhost", "a.b.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "0.0.0.0", "10.0.0.1", "[::]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
