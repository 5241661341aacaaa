//! Cookies: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no domain (AS-75).

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderValue;
use http::header::COOKIE;
use http::request::Parts;
use oauth_core::{Issuer, TokenHash};

use super::read::without_blanks;

/// A cookie of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Which browser this is: binds tickets to it. Says nothing about who sits there.
    Browser,
    /// Who signed in here.
    Session,
}

impl Cookie {
    /// Its name. Without https there is no `__Host-`, and the name says so.
    ///
    /// `__Host-` leaves no path but `/`, so the name tells apart several issuers at one host: to sign in at one is not to sign out
    /// at the other.
    fn name(self, issuer: &Issuer) -> Cow<'static, str> {
        let name = match (self, issuer.is_https()) {
            (Self::Browser, true) => "__Host-oauth-browser",
            (Self::Session, true) => "__Host-oauth-session",
            (Self::Browser, false) => "insecure-oauth-browser",
            (Self::Session, false) => "insecure-oauth-session",
        };
        if issuer.path().is_empty() {
            return name.into();
        }
        // A path has characters that a name cannot have.
        let [a, b, c, d, ..] = *TokenHash::of(issuer.path()).as_bytes();
        format!("{name}-{a:02x}{b:02x}{c:02x}{d:02x}").into()
    }

    /// Its value. A name that stands twice was tossed in by somebody: it counts as absent (A-MIX-10).
    pub(crate) fn read<'h>(self, head: &'h Parts, issuer: &Issuer) -> Option<&'h str> {
        let own = self.name(issuer);
        let mut found = None;
        // Another cookie on this host may hold any bytes; it must not hide ours.
        let pairs = head
            .headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        for pair in pairs.filter_map(|pair| std::str::from_utf8(without_blanks(pair)).ok()) {
            let Some((name, value)) = pair.split_once('=') else { continue };
            if name == own && found.replace(value).is_some() {
                return None;
            }
        }
        found.filter(|value| !value.is_empty() && value.len() <= 128)
    }

    /// The header that sets it, for `age`. The value is base64url of ours.
    pub(crate) fn set(self, value: &str, age: Duration, issuer: &Issuer) -> HeaderValue {
        let secure = if issuer.is_https() { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.name(issuer),
            age.as_secs()
        );
        let mut header =
            HeaderValue::from_str(&text).expect("name, base64url and attributes are visible ascii");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> Issuer {
        text.parse().unwrap()
    }

    fn head(cookie: &str) -> Parts {
        let request = http::Request::builder().header(COOKIE, cookie).body(()).unwrap();
        request.into_parts().0
    }

    #[test]
    fn a_cookie_that_stands_twice_is_absent() {
        // A-MIX-10
        let name = "__Host-oauth-session";
        assert_eq!(
            Cookie::Session.read(&head(&format!("a=b; {name}=x")), &issuer("https://as.example")),
            Some("x")
        );
        assert_eq!(
            Cookie::Session.read(&head(&format!("a=b;\t {name}=x \t")), &issuer("https://as.example")),
            Some("x")
        );
        for bad in [
            format!("{name}=x; {name}=y"),
            "session=x".to_owned(),
            "insecure-oauth-session=x".to_owned(),
            format!("{name}="),
            // A browser takes it for another name, without the promises of `__Host-`.
            format!("\u{2000}{name}=x"),
            format!("a=b; \u{a0}{name}=x"),
            format!("\u{85}{name}=x"),
        ] {
            assert_eq!(Cookie::Session.read(&head(&bad), &issuer("https://as.example")), None, "{bad}");
        }
    }

    #[test]
    fn the_attributes_are_the_strictest_that_work() {
        // AS-75, A-PROXY-11
        let set = Cookie::Session.set("v", Duration::from_secs(60), &issuer("https://as.example"));
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-oauth-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn issuers_at_one_host_have_names_of_their_own() {
        // AS-75
        let (one, other) = (issuer("https://as.example/t1"), issuer("https://as.example/t2"));
        let set = Cookie::Session.set("v", Duration::from_secs(60), &one);
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        assert!(pair.starts_with("__Host-oauth-session-"), "{pair}");
        assert_eq!(Cookie::Session.read(&head(pair), &one), Some("v"));
        assert_eq!(Cookie::Session.read(&head(pair), &other), None);
        assert_eq!(Cookie::Session.read(&head(pair), &issuer("https://as.example")), None);
    }
}
