//! Cookies: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no domain (AS-75).

use std::time::Duration;

use http::HeaderValue;
use http::header::COOKIE;
use http::request::Parts;

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
    const fn name(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Browser, true) => "__Host-oauth-browser",
            (Self::Session, true) => "__Host-oauth-session",
            (Self::Browser, false) => "insecure-oauth-browser",
            (Self::Session, false) => "insecure-oauth-session",
        }
    }

    /// Its value. A name that stands twice was tossed in by somebody: it counts as absent (A-MIX-10).
    pub(crate) fn read(self, head: &Parts, https: bool) -> Option<&str> {
        let mut found = None;
        let headers = head.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        for pair in headers.flat_map(|header| header.split(';')) {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == self.name(https) && found.replace(value).is_some() {
                return None;
            }
        }
        found.filter(|value| !value.is_empty() && value.len() <= 128)
    }

    /// The header that sets it, for `age`. The value is base64url of ours.
    pub(crate) fn set(self, value: &str, age: Duration, https: bool) -> HeaderValue {
        let secure = if https { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.name(https),
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

    fn head(cookie: &str) -> Parts {
        let request = http::Request::builder().header(COOKIE, cookie).body(()).unwrap();
        request.into_parts().0
    }

    #[test]
    fn a_cookie_that_stands_twice_is_absent() {
        // A-MIX-10
        let name = "__Host-oauth-session";
        assert_eq!(Cookie::Session.read(&head(&format!("a=b; {name}=x")), true), Some("x"));
        for bad in [
            format!("{name}=x; {name}=y"),
            "session=x".to_owned(),
            "insecure-oauth-session=x".to_owned(),
            format!("{name}="),
        ] {
            assert_eq!(Cookie::Session.read(&head(&bad), true), None, "{bad}");
        }
    }

    #[test]
    fn the_attributes_are_the_strictest_that_work() {
        // AS-75, A-PROXY-11
        let set = Cookie::Session.set("v", Duration::from_secs(60), true);
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-oauth-session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
