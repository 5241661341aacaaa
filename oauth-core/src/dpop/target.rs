//! `htu`: where a proof is for, compared after RFC 3986's syntax-based and scheme-based normalisation (§6.2.2, §6.2.3).

use std::fmt;
use std::str::FromStr;

use url::{Position, Url};

use crate::resource::ResourceUri;
use crate::web::{UrlError, absolute, shown};

/// A URL without query and fragment, in the one form that all its spellings have in common.
///
/// ```
/// use oauth_core::dpop::Target;
///
/// let target: Target = "https://mcp.example/mcp".parse()?;
/// assert_eq!("HTTPS://MCP.Example:443/a/../%6dcp?x=y#z".parse::<Target>()?, target);
/// assert_ne!("https://mcp.example/mcp/".parse::<Target>()?, target);
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target(Box<str>);

impl Target {
    /// The normalised URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ResourceUri> for Target {
    fn from(resource: &ResourceUri) -> Self {
        resource.as_str().parse().expect("a resource is an http(s) url without user")
    }
}

impl FromStr for Target {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: Url = absolute(text)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(UrlError::Scheme(shown(text)));
        }
        let authority_end =
            text.find("://").map(|at| at + 3).ok_or_else(|| UrlError::Malformed(shown(text)))?;
        let authority = text[authority_end..].split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() || authority.contains('@') {
            return Err(UrlError::Component { url: shown(text), component: "user" });
        }
        // Scheme and host in lower case, no default port, no dot segments, a path at least: the parser's work.
        let mut normal = url[..Position::BeforePath].to_owned();
        push_path(&mut normal, url.path());
        Ok(Self(normal.into()))
    }
}

/// Percent-encoding in one form: what needs none has none, hexadecimal digits are upper case.
fn push_path(normal: &mut String, path: &str) {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            Some(byte) => normal.push_str(&format!("%{byte:02X}")),
            None => {
                // No code at all: it stands for itself, here as there.
                normal.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    normal.push_str(rest);
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?})", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_target_are_equal_and_others_are_not() {
        // DPOP-3, A-DPOPX-2
        let target = |text: &str| text.parse::<Target>();
        let own = target("https://mcp.example/a%2Fb~").unwrap();
        for same in [
            "HTTPS://MCP.EXAMPLE/a%2fb~",
            "https://mcp.example:443/a%2Fb%7E",
            "https://mcp.example/x/../a%2Fb~",
            "https://mcp.example/./a%2Fb~",
            "https://mcp.example/%61%2Fb%7e",
            "https://mcp.example/a%2Fb~?query",
            "https://mcp.example/a%2Fb~#fragment",
        ] {
            assert_eq!(target(same).unwrap(), own, "{same}");
        }
        for other in [
            "http://mcp.example/a%2Fb~",
            "https://mcp.example/a/b~",
            "https://mcp.example/A%2Fb~",
            "https://mcp.example/a%2Fb~/",
            "https://mcp.example:8443/a%2Fb~",
            "https://mcp.example.evil/a%2Fb~",
            "https://mcp.example/",
        ] {
            assert_ne!(target(other).unwrap(), own, "{other}");
        }
        assert_eq!(target("https://mcp.example").unwrap(), target("https://mcp.example/").unwrap());
        assert_eq!(target("https://h/%").unwrap().as_str(), "https://h/%");
        assert_eq!(target("https://h/%zz%4").unwrap().as_str(), "https://h/%zz%4");
        assert!(target("https://h/%é1").is_ok());
    }

    #[test]
    fn what_is_no_url_of_http_is_no_target() {
        for bad in [
            "",
            "/mcp",
            "mcp.example/mcp",
            "ftp://mcp.example/mcp",
            "https:mcp.example",
            "https://user@mcp.example/mcp",
            "https://mcp.example\\mcp",
            " https://mcp.example/mcp",
            "https:///mcp",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
        assert!(format!("https://mcp.example/{}", "a".repeat(3000)).parse::<Target>().is_err());
    }
}
