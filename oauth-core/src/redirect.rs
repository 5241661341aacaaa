//! Redirect URIs: what may be registered, and when an asked one is a registered one.
//!
//! 1. An absolute URI of at most 2048 characters, without fragment, user, white space, control characters or backslash
//!    (AS-34).
//! 2. `https`; or `http` to `127.0.0.1`, `[::1]` or `localhost`; or a private-use scheme with a dot
//!    ([RFC 8252 §7.1](https://www.rfc-editor.org/rfc/rfc8252#section-7.1)) or one of [`WELL_KNOWN_SCHEMES`].
//! 3. No parameter in its query that the response will carry.
//! 4. Asked and registered are compared as strings; only the port of a loopback address is free
//!    ([RFC 8252 §7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3), AS-31 to AS-33).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Position, Url};

use crate::web::{UrlError, absolute, secure, shown};

/// Private-use schemes without a dot that clients in use have (A-REDIR-14).
pub const WELL_KNOWN_SCHEMES: &[&str] = &["cursor", "vscode", "vscode-insiders", "windsurf", "claude", "zed"];

/// Parameters that an authorization response carries (A-REDIR-22).
const RESPONSE_PARAMETERS: &[&str] = &["code", "state", "iss", "error", "error_description", "error_uri"];

/// Where a redirect leads.
///
/// ```
/// use oauth_core::{RedirectKind, RedirectUri};
/// let uri: RedirectUri = "http://127.0.0.1:8080/callback".parse()?;
/// assert_eq!(uri.kind(), RedirectKind::Loopback);
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    /// To a web server.
    Https,
    /// To a port of the user's own machine, by http or https. Any program there can listen.
    Loopback,
    /// To whatever program claimed the scheme.
    PrivateUse,
}

/// A redirect URI that may be registered. Wildcards and patterns have no form (A-REDIR-7).
///
/// ```
/// use oauth_core::RedirectUri;
///
/// let registered: RedirectUri = "http://127.0.0.1/callback".parse()?;
/// assert!(registered.admits("http://127.0.0.1:53123/callback"));
/// assert!(!registered.admits("http://localhost:53123/callback"));
/// assert!("javascript:alert(1)//".parse::<RedirectUri>().is_err());
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RedirectUri(Arc<str>);

impl RedirectUri {
    /// The URI as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it leads.
    #[must_use]
    pub fn kind(&self) -> RedirectKind {
        if self.0.starts_with("https:") {
            // A certificate for one's own machine is in the hands of whoever sits there.
            if is_own_machine(&self.0) { RedirectKind::Loopback } else { RedirectKind::Https }
        } else if self.0.starts_with("http:") {
            RedirectKind::Loopback
        } else {
            RedirectKind::PrivateUse
        }
    }

    /// What a person should see of it: the host, in punycode where it is not ASCII; for a private-use scheme the scheme
    /// and a colon.
    #[must_use]
    pub fn shown_host(&self) -> String {
        match Url::parse(&self.0) {
            Ok(url) if self.kind() == RedirectKind::PrivateUse => format!("{}:", url.scheme()),
            Ok(url) => url[Position::BeforeHost..Position::AfterPort].to_owned(),
            Err(_) => shown(&self.0),
        }
    }

    /// Whether a request that asks for `asked` means this registered URI: equal as strings, but for the port of a
    /// loopback address.
    #[must_use]
    pub fn admits(&self, asked: &str) -> bool {
        if *self.0 == *asked {
            return true;
        }
        match (LoopbackParts::of(&self.0), LoopbackParts::of(asked)) {
            // What is admitted is a redirect URI itself: a port can make it too long.
            (Some(own), Some(other)) => own == other && asked.parse::<Self>().is_ok(),
            _ => false,
        }
    }

    /// The URI with `parameters` added to its query, which is kept (AS-48).
    #[must_use]
    pub fn with_parameters<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut location = String::from(&*self.0);
        let mut separator = match self.0.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        for (name, value) in parameters {
            location.push_str(separator);
            location.extend(form_urlencoded::byte_serialize(name.as_bytes()));
            location.push('=');
            location.extend(form_urlencoded::byte_serialize(value.as_bytes()));
            separator = "&";
        }
        location
    }
}

/// Whether an https URL leads back to the machine that opens it: a loopback address, `localhost` or a name below it (RFC 6761 §6.3).
fn is_own_machine(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped();
            address.is_loopback()
                || address.is_unspecified()
                || mapped.is_some_and(|address| address.is_loopback() || address.is_unspecified())
        }
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// A loopback URI without its port, as text: nothing is decoded, lower-cased or mended (A-REDIR-9, A-REDIR-10).
#[derive(PartialEq, Eq)]
struct LoopbackParts<'a> {
    host: &'a str,
    rest: &'a str,
}

impl<'a> LoopbackParts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let after_scheme = uri.strip_prefix("http://")?;
        let host =
            ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| after_scheme.starts_with(host))?;
        let after_host = &after_scheme[host.len()..];
        let rest = match after_host.strip_prefix(':') {
            None => after_host,
            Some(port_on) => {
                let digits = port_on.bytes().take_while(u8::is_ascii_digit).count();
                // No leading zeros, no sign, no empty port, at most 65535.
                port_on[..digits].parse::<u16>().ok().filter(|port| port.to_string() == port_on[..digits])?;
                &port_on[digits..]
            }
        };
        // What follows the host must end it: `127.0.0.1.evil.example` and `localhost@evil` do not.
        (rest.is_empty() || rest.starts_with(['/', '?']))
            .then_some(Self { host: &after_scheme[..host.len()], rest })
    }
}

impl FromStr for RedirectUri {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = absolute(text)?;
        // Hosts are shown to people as they are compared: in ASCII (A-REDIR-16).
        if !text.is_ascii() {
            return Err(UrlError::Malformed(shown(text)));
        }
        match url.scheme() {
            "https" | "http" => {
                secure(text)?;
                // `http` alone admits 127.0.0.0/8 in `secure`; as a redirect only the literals that clients use.
                if url.scheme() == "http" && LoopbackParts::of(text).is_none() {
                    return Err(UrlError::Insecure(shown(text)));
                }
                if !(text.starts_with("https://") || text.starts_with("http://")) {
                    return Err(UrlError::Scheme(shown(text)));
                }
            }
            scheme if scheme.contains('.') || WELL_KNOWN_SCHEMES.contains(&scheme) => {
                // The scheme is written as it is read: `Vscode:` would pass a check and miss the comparison.
                if !text.starts_with(scheme) {
                    return Err(UrlError::Scheme(shown(text)));
                }
            }
            _ => return Err(UrlError::Scheme(shown(text))),
        }
        let component = |component| UrlError::Component { url: shown(text), component };
        // An empty user is none to the parser, and is one to whoever reads the text.
        let authority = text
            .split_once("://")
            .map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(component("user"));
        }
        if text.contains('#') {
            return Err(component("fragment"));
        }
        if has_encoded_control(text) {
            return Err(component("control character"));
        }
        if url.query_pairs().any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name)) {
            return Err(component("query parameter that the response carries"));
        }
        Ok(Self(text.into()))
    }
}

/// `%0d%0a`: what decodes it once too often writes a header line (A-REDIR-16).
fn has_encoded_control(text: &str) -> bool {
    let is_control = |rest: &str| {
        let code = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        code.is_some_and(|code| code.is_ascii_control())
    };
    text.split('%').skip(1).any(is_control)
}

impl<'de> Deserialize<'de> for RedirectUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedirectUri({:?})", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_may_be_registered() {
        // AS-34, DCR-7, A-REDIR-13 to A-REDIR-16, A-REDIR-22
        for good in [
            "https://app.example/cb",
            "https://app.example/cb?x=1",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:8080/cb",
            "http://[::1]:1/cb",
            "http://localhost:3000/callback",
            "http://localhost/callback",
            "com.example.app:/cb",
            "vscode://vscode.github-authentication/did-authenticate",
            "cursor://anysphere.cursor-retrieval/oauth/callback",
            "https://xn--pp-uia.example/cb",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
        for bad in [
            "",
            "/cb",
            "app.example/cb",
            "http://app.example/cb",
            "http://192.168.1.5/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.1/cb",
            "http://2130706433/cb",
            "http://0.0.0.0/cb",
            "javascript:alert(1)//",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://x",
            "about:blank",
            "intent:x",
            "ms-msdt:x",
            "ws://x",
            " java\tscript:x",
            "myapp:/cb",
            "http+x:/cb",
            "https://app.example/cb#x",
            "https://app.example/cb#",
            "https://u:p@app.example/cb",
            "https://app.example\\@evil.example/",
            "https://app.example/cb\r\nx",
            "https://app.example/c b",
            "https://\u{430}pp.example/cb",
            "https://app.example/cb?code=x",
            "https://app.example/cb?iss=x",
            "https:/app.example",
            "https:app.example",
            "HTTPS://app.example/cb",
            "https://app.example/\u{0}",
            "http://localhost@evil.example/",
            "com.example.app://@",
            "http://localhost:99999/cb",
        ] {
            assert!(bad.parse::<RedirectUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_asked_uri_is_a_registered_one_letter_for_letter() {
        for (registered, asked) in [
            // A-REDIR-4
            ("https://app.example/cb%2Fa", "https://app.example/cb%2fa"),
            ("https://app.example/cb%2Fa", "https://app.example/cb/a"),
            ("https://app.example/cb", "https://app.example/c%62"),
            // A-REDIR-5
            ("https://app.example/Callback", "https://app.example/callback"),
            ("https://app.example/cb", "HTTPS://app.example/cb"),
            ("https://app.example/cb", "https://APP.example/cb"),
            // A-REDIR-7, A-REDIR-8
            ("https://app.example/cb", "https://appXexample/cb"),
            ("https://app.example/cb", "https://app.example:8443/cb"),
            ("https://app.example/cb", "https://app.example:443/cb"),
            // A-REDIR-9
            ("http://127.0.0.1/cb", "http://127.0.0.1:9999/cb?x=1"),
            ("http://127.0.0.1/cb", "http://127.0.0.1/cb/"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:9999/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:9999/cb#"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
            // A-REDIR-10
            ("http://127.0.0.1/cb", "http://localhost:1234/cb"),
            ("http://127.0.0.1/cb", "http://[::1]:1234/cb"),
            ("http://127.0.0.1/cb", "http://127.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://localhost/cb", "http://localhost.evil.example/cb"),
            ("http://localhost/cb", "http://127.0.0.1:1/cb"),
            ("http://localhost/cb", "http://localhost:/cb"),
            ("http://localhost/cb", "http://localhost:080/cb"),
            ("http://localhost/cb", "http://localhost:80@evil.example/cb"),
            ("http://localhost/cb", "http://localhost:99999/cb"),
            ("http://localhost/cb", "http://LOCALHOST:1/cb"),
            ("http://localhost", "http://localhost:1@evil.example"),
            // AS-31
            ("https://app.example/cb", "https://app.example/cb/"),
            ("https://app.example/cb", "https://app.example/x/../cb"),
            ("https://app.example/cb", "https://app.example/cb?x=1"),
            ("https://app.example/cb", ""),
        ] {
            assert!(!uri(registered).admits(asked), "{registered} {asked}");
        }
        for (registered, asked) in [
            ("https://app.example/cb", "https://app.example/cb"),
            // AS-32, AS-33
            ("http://127.0.0.1/callback", "http://127.0.0.1:53123/callback"),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1:2/callback"),
            ("http://[::1]/cb", "http://[::1]:9/cb"),
            ("http://localhost/callback", "http://localhost:3118/callback"),
            ("http://localhost:1/callback", "http://localhost/callback"),
        ] {
            assert!(uri(registered).admits(asked), "{registered} {asked}");
        }
    }

    #[test]
    fn ones_own_machine_is_told_from_the_web() {
        // AS-66, A-CONS-3
        for (text, kind) in [
            ("https://app.example/cb", RedirectKind::Https),
            ("https://localhost.example/cb", RedirectKind::Https),
            ("https://notlocalhost/cb", RedirectKind::Https),
            ("https://10.0.0.1/cb", RedirectKind::Https),
            ("http://localhost/cb", RedirectKind::Loopback),
            ("https://localhost/cb", RedirectKind::Loopback),
            ("https://LOCALHOST:8443/cb", RedirectKind::Loopback),
            ("https://localhost./cb", RedirectKind::Loopback),
            ("https://app.localhost/cb", RedirectKind::Loopback),
            ("https://127.0.0.1:8443/cb", RedirectKind::Loopback),
            ("https://127.9.9.9/cb", RedirectKind::Loopback),
            ("https://2130706433/cb", RedirectKind::Loopback),
            ("https://0.0.0.0/cb", RedirectKind::Loopback),
            ("https://[::1]/cb", RedirectKind::Loopback),
            ("https://[::ffff:127.0.0.1]/cb", RedirectKind::Loopback),
            ("cursor://localhost/cb", RedirectKind::PrivateUse),
        ] {
            assert_eq!(uri(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn parameters_join_the_query_that_is_there() {
        // AS-48
        for (given, joined) in [
            ("https://c.example/cb", "https://c.example/cb?code=a%26b&state=%C3%A9"),
            ("https://c.example/cb?x=1", "https://c.example/cb?x=1&code=a%26b&state=%C3%A9"),
            ("https://c.example/cb?", "https://c.example/cb?code=a%26b&state=%C3%A9"),
            ("https://c.example/cb?x&", "https://c.example/cb?x&code=a%26b&state=%C3%A9"),
            ("https://c.example/cb??", "https://c.example/cb??&code=a%26b&state=%C3%A9"),
            // No query: the path stays as it is.
            ("https://c.example/cb&", "https://c.example/cb&?code=a%26b&state=%C3%A9"),
        ] {
            assert_eq!(uri(given).with_parameters([("code", "a&b"), ("state", "é")]), joined);
        }
    }
}
