//! The identifier of a protected resource, [RFC 9728 §1.2](https://www.rfc-editor.org/rfc/rfc9728#section-1.2) and
//! [RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Position, Url};

use crate::web::{MAX_URL, UrlError, secure, shown};

/// A protected resource's identifier in its canonical form: https (http on loopback), scheme and host in lower case, no
/// default port, no slash at the end, no query, no fragment (RS-5, RS-6, AS-43).
///
/// ```
/// use oauth_core::ResourceUri;
///
/// let resource: ResourceUri = "HTTPS://MCP.Example:443/mcp/".parse()?;
/// assert_eq!(resource.as_str(), "https://mcp.example/mcp");
/// assert_eq!(resource.metadata_url(), "https://mcp.example/.well-known/oauth-protected-resource/mcp");
/// assert!("https://mcp.example/mcp#x".parse::<ResourceUri>().is_err());
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ResourceUri(Arc<str>);

/// The well-known path of RFC 9728 §3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl ResourceUri {
    /// The canonical identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0[..self.path_start()]
    }

    /// Its path, empty for a bare origin.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0[self.path_start()..]
    }

    /// Where its metadata document lives: the well-known path put between host and path (RFC 9728 §3.1, RS-2).
    #[must_use]
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.origin(), self.metadata_path())
    }

    /// The path of [`metadata_url`](Self::metadata_url).
    #[must_use]
    pub fn metadata_path(&self) -> String {
        format!("{WELL_KNOWN}{}", self.path())
    }

    fn path_start(&self) -> usize {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at)
    }
}

impl FromStr for ResourceUri {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: Url = secure(text)?;
        if url.query().is_some() {
            return Err(UrlError::Component { url: shown(text), component: "query" });
        }
        let canonical = url[..Position::AfterPath].trim_end_matches('/');
        // What the parser encodes grows: stored, it would not be read again.
        if canonical.len() > MAX_URL {
            return Err(UrlError::TooLong(MAX_URL));
        }
        Ok(Self(canonical.into()))
    }
}

impl<'de> Deserialize<'de> for ResourceUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceUri({:?})", &self.0)
    }
}

/// The resources that a grant or a token is for. Never empty where a token is issued: a token without an audience has no
/// maker (TOK-10).
///
/// ```
/// use oauth_core::{ResourceSet, ResourceUri};
///
/// let mcp: ResourceUri = "https://mcp.example/mcp".parse()?;
/// let set = ResourceSet::from(mcp.clone());
/// assert!(set.contains(&mcp));
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceSet(Arc<[ResourceUri]>);

impl ResourceSet {
    /// The resources, in order, without repetition.
    #[must_use]
    pub fn as_slice(&self) -> &[ResourceUri] {
        &self.0
    }

    /// Whether `resource` is one of them.
    #[must_use]
    pub fn contains(&self, resource: &ResourceUri) -> bool {
        self.0.contains(resource)
    }

    /// Whether all of these are in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|resource| other.contains(resource))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<ResourceUri> for ResourceSet {
    fn from(resource: ResourceUri) -> Self {
        Self(Arc::new([resource]))
    }
}

/// Separated by spaces, as stores keep it: no URI has one.
///
/// ```
/// use oauth_core::ResourceSet;
///
/// let set: ResourceSet = "https://b.example https://a.example".parse()?;
/// assert_eq!(set.to_string(), "https://a.example https://b.example");
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
impl fmt::Display for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, resource) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            f.write_str(resource.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for ResourceSet {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        text.split(' ').filter(|piece| !piece.is_empty()).map(str::parse).collect()
    }
}

impl FromIterator<ResourceUri> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = ResourceUri>>(resources: I) -> Self {
        let ordered: std::collections::BTreeSet<ResourceUri> = resources.into_iter().collect();
        Self(ordered.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_forgives_case_port_and_a_slash_at_the_end() {
        // RS-5, RS-48, AS-43
        for (given, canonical) in [
            ("https://mcp.example", "https://mcp.example"),
            ("https://mcp.example/", "https://mcp.example"),
            ("HTTPS://MCP.Example:443/mcp/", "https://mcp.example/mcp"),
            ("https://mcp.example:8443/a/b", "https://mcp.example:8443/a/b"),
            ("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/mcp"),
            ("http://localhost:80/mcp", "http://localhost/mcp"),
        ] {
            assert_eq!(given.parse::<ResourceUri>().unwrap().as_str(), canonical);
        }
        // RS-6
        for bad in [
            "http://mcp.example/mcp",
            "https://mcp.example/mcp#x",
            "/mcp",
            "mcp",
            "urn:x:y",
            "https://u:p@mcp.example",
            "https://mcp.example/?q",
        ] {
            assert!(bad.parse::<ResourceUri>().is_err(), "{bad}");
        }
        let grows = format!("https://mcp.example/{}", "é".repeat(500));
        assert!(matches!(grows.parse::<ResourceUri>(), Err(UrlError::TooLong(_))));
    }

    #[test]
    fn the_metadata_path_is_put_between_host_and_path() {
        // RS-2
        for (resource, url) in [
            ("https://h", "https://h/.well-known/oauth-protected-resource"),
            ("https://h/public/mcp", "https://h/.well-known/oauth-protected-resource/public/mcp"),
            ("https://h/a/b/c", "https://h/.well-known/oauth-protected-resource/a/b/c"),
        ] {
            assert_eq!(resource.parse::<ResourceUri>().unwrap().metadata_url(), url);
        }
    }
}
