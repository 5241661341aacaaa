//! Hosts and links as a page may show them.

use url::{Host, Url};

/// A host as it is shown: lower case, and in ASCII.
///
/// An internationalised name is shown in its `xn--` form: `аpple.example` with a Cyrillic "а" must not look like
/// its twin. What is no host at all is shown escaped, never hidden.
///
/// ```
/// use oauth_server::pages::display_host;
///
/// assert_eq!(display_host("bücher.example"), "xn--bcher-kva.example");
/// assert_eq!(display_host("Claude.AI"), "claude.ai");
/// ```
pub fn display_host(host: &str) -> String {
    match Host::parse(host) {
        Ok(host) => host.to_string(),
        Err(_) => host.escape_default().to_string(),
    }
}

/// A link that a client may put on a page: `https` with a host, and no user name in front of it.
///
/// `javascript:`, `data:` and plain `http` cannot be held by this type (RFC 7591 §5).
///
/// ```
/// use oauth_server::pages::HttpsLink;
///
/// assert_eq!(HttpsLink::parse("https://claude.ai/about").map(|l| l.as_str().to_owned()),
///            Some("https://claude.ai/about".to_owned()));
/// assert!(HttpsLink::parse("javascript:alert(1)").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsLink(String);

impl HttpsLink {
    /// The link, normalised, or `None` for anything that a page must not link to.
    pub fn parse(raw: &str) -> Option<Self> {
        let url = Url::parse(raw).ok()?;
        let fit = url.scheme() == "https"
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none();
        fit.then(|| Self(url.into()))
    }

    /// The absolute URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-65, AS-67
    #[test]
    fn hosts_are_shown_in_ascii() {
        let table = [
            ("claude.ai", "claude.ai"),
            ("EVIL.example", "evil.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("\u{430}pple.example", "xn--pple-43d.example"),
            ("ｃｌａｕｄｅ.ai", "claude.ai"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("a b\u{202e}", "a b\\u{202e}"),
            ("<b>", "<b>"),
        ];
        for (host, shown) in table {
            assert_eq!(display_host(host), shown, "{host:?}");
        }
    }

    // AS-78, A-XSS-2
    #[test]
    fn only_https_is_linked() {
        for bad in [
            "javascript:alert(1)",
            " JaVaScRiPt:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "http://claude.ai/",
            "https://claude.ai@evil.example/",
            "https://user:pw@evil.example/",
            "//evil.example",
            "/path",
            "vbscript:x",
            "blob:https://claude.ai/1",
            "",
        ] {
            assert_eq!(HttpsLink::parse(bad), None, "{bad:?}");
        }
        let quoted = HttpsLink::parse("https://claude.ai/\"><script>").unwrap();
        assert_eq!(quoted.as_str(), "https://claude.ai/%22%3E%3Cscript%3E");
    }
}
