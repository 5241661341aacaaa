//! What issuers, resources and redirect URIs have in common: the strict reading of an absolute http(s) URL.

use url::{Host, Url};

/// Why a text is no URL that this family accepts.
///
/// ```
/// use oauth_core::{Issuer, UrlError};
/// assert!(matches!("http://as.example".parse::<Issuer>(), Err(UrlError::Insecure(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not an absolute URL, or with white space, control characters or a backslash.
    #[error("{0:?} is not an absolute url")]
    Malformed(String),
    /// Neither https, nor http to a loopback address.
    #[error("{0:?} must be https (http is for loopback addresses alone)")]
    Insecure(String),
    /// A component that must not be there.
    #[error("{url:?} must not have a {component}")]
    Component {
        /// What was read.
        url: String,
        /// `fragment`, `query`, `user` or `host`.
        component: &'static str,
    },
    /// A scheme that must not be redirected to.
    #[error("{0:?} has a scheme that is not allowed")]
    Scheme(String),
    /// Longer than the limit.
    #[error("the url must have at most {0} characters")]
    TooLong(usize),
}

/// How many characters a URL of ours may have.
pub(crate) const MAX_URL: usize = 2048;

/// Reads an absolute URL and refuses what the `url` crate would silently mend: white space, control characters,
/// backslashes. Shows at most the first 100 characters of what it refuses.
pub(crate) fn absolute(text: &str) -> Result<Url, UrlError> {
    if text.len() > MAX_URL {
        return Err(UrlError::TooLong(MAX_URL));
    }
    let strange = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.is_empty() || text.contains(strange) {
        return Err(UrlError::Malformed(shown(text)));
    }
    Url::parse(text).map_err(|_| UrlError::Malformed(shown(text)))
}

pub(crate) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// https to a host, or http to a loopback address; no user, no fragment.
pub(crate) fn secure(text: &str) -> Result<Url, UrlError> {
    let url = absolute(text)?;
    let component = |component| UrlError::Component { url: shown(text), component };
    // "https:///x" and "https:x" are read as if they had a host: the text must have one where it stands.
    let host_start = text.find("://").map(|at| at + 3).ok_or_else(|| UrlError::Malformed(shown(text)))?;
    if text[host_start..].starts_with(['/', '?', '#']) {
        return Err(UrlError::Malformed(shown(text)));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(UrlError::Insecure(shown(text))),
        _ => return Err(UrlError::Scheme(shown(text))),
    }
    if !url.username().is_empty() || url.password().is_some() || authority(&text[host_start..]).contains('@')
    {
        return Err(component("user"));
    }
    if url.fragment().is_some() {
        return Err(component("fragment"));
    }
    Ok(url)
}

fn authority(after_scheme: &str) -> &str {
    after_scheme.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether nobody on the way can read or change what goes there: https, or http to [this machine](is_loopback).
///
/// ```
/// use oauth_core::is_secure;
/// assert!(is_secure(&"https://as.example/token".parse()?) && is_secure(&"http://127.0.0.1:3001/token".parse()?));
/// assert!(!is_secure(&"http://as.example/token".parse()?) && !is_secure(&"data:,x".parse()?));
/// # Ok::<(), url::ParseError>(())
/// ```
#[must_use]
pub fn is_secure(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether it is on this machine: `127.0.0.0/8`, `[::1]` and the name `localhost`.
///
/// ```
/// use oauth_core::is_loopback;
/// assert!(is_loopback(&"http://localhost:3001".parse()?) && is_loopback(&"https://[::1]/".parse()?));
/// assert!(!is_loopback(&"http://localhost.example".parse()?));
/// # Ok::<(), url::ParseError>(())
/// ```
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}
