//! The issuer identifier, [RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::web::{UrlError, secure, shown};

/// An authorization server's identifier: https (http on loopback for development), no query, no fragment (AS-5).
///
/// It is kept byte for byte as it was given and compared as a string: a slash at the end is another issuer (AS-4).
///
/// ```
/// use oauth_core::Issuer;
///
/// let issuer: Issuer = "https://as.example".parse()?;
/// assert_eq!(issuer.as_str(), "https://as.example");
/// assert_eq!(issuer.endpoint("/token"), "https://as.example/token");
/// assert_ne!(issuer, "https://as.example/".parse()?);
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Issuer(Arc<str>);

impl Issuer {
    /// The identifier as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its path without a slash at the end; empty where there is none.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let path = self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at);
        self.0[path..].trim_end_matches('/')
    }

    /// Scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let path = self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at);
        &self.0[..path]
    }

    /// The URL of an endpoint below it; `path` begins with a slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin(), self.path())
    }

    /// Where its metadata is looked for, one after the other: RFC 8414 §3.1; then OpenID Connect Discovery §4, in its own form and in that of
    /// RFC 8414 §5.
    ///
    /// ```
    /// use oauth_core::Issuer;
    /// let issuer: Issuer = "https://as.example/t1".parse()?;
    /// assert_eq!(issuer.metadata_urls()[0], "https://as.example/.well-known/oauth-authorization-server/t1");
    /// assert_eq!(issuer.metadata_urls()[1], "https://as.example/t1/.well-known/openid-configuration");
    /// # Ok::<(), oauth_core::UrlError>(())
    /// ```
    #[must_use]
    pub fn metadata_urls(&self) -> Vec<String> {
        let (origin, path) = (self.origin(), self.path());
        let mut urls = vec![
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
            format!("{origin}{path}/.well-known/openid-configuration"),
        ];
        if !path.is_empty() {
            urls.push(format!("{origin}/.well-known/openid-configuration{path}"));
        }
        urls
    }

    /// Whether it is https. If not, it is a loopback address.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for Issuer {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = secure(text)?;
        // A path is matched as it stands in requests, which is ASCII.
        if !text.is_ascii() {
            return Err(UrlError::Malformed(shown(text)));
        }
        if url.query().is_some() {
            return Err(UrlError::Component { url: shown(text), component: "query" });
        }
        // The scheme's case matters to `is_https` and to every string comparison on the other side.
        if !(text.starts_with("https://") || text.starts_with("http://")) {
            return Err(UrlError::Scheme(shown(text)));
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({:?})", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_without_query_or_fragment() {
        // AS-5
        for good in [
            "https://as.example",
            "https://as.example/",
            "https://as.example/t1",
            "http://127.0.0.1:8080",
            "http://localhost:3001",
            "http://[::1]:1",
        ] {
            assert_eq!(good.parse::<Issuer>().unwrap().as_str(), good);
        }
        for bad in [
            "http://as.example",
            "https://as.example?x",
            "https://as.example#x",
            "https://u@as.example",
            "https://@as.example",
            "https:as.example",
            "https:///as.example",
            "as.example",
            "",
            "ftp://as.example",
            "https://as.example\\x",
            " https://as.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_stand_below_the_path() {
        let issuer: Issuer = "https://as.example/t1/".parse().unwrap();
        assert_eq!((issuer.origin(), issuer.path()), ("https://as.example", "/t1"));
        assert_eq!(issuer.endpoint("/token"), "https://as.example/t1/token");
    }
}
