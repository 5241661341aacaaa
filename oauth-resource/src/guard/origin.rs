//! Which pages may call, and what their browsers are told (Fetch standard).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use oauth_core::ResourceUri;
use url::Url;

use crate::answer::Answer;

/// Origins, as browsers write them.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Vec<Box<str>>);

/// From where a request comes.
#[derive(Debug)]
pub(crate) enum From {
    /// No page.
    NoPage,
    /// A page on the list.
    Listed(HeaderValue),
    /// Another page.
    Foreign,
}

impl Origins {
    /// Of no page at all.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// The resource's own; on loopback under each of its names.
    pub(crate) fn of(resource: &ResourceUri) -> Self {
        let own = resource.origin();
        let mut origins: Vec<Box<str>> = vec![own.into()];
        for name in ["//localhost", "//127.0.0.1", "//[::1]"] {
            let Some((scheme, after)) = own.split_once(name) else { continue };
            if after.is_empty() || after.starts_with(':') {
                origins = ["localhost", "127.0.0.1", "[::1]"]
                    .map(|name| format!("{scheme}//{name}{after}").into())
                    .to_vec();
            }
        }
        Self(origins)
    }

    /// Whether any is on the list.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more; `false` if it is no origin as a browser would write it.
    pub(crate) fn add(&mut self, origin: &str) -> bool {
        let valid = Url::parse(origin).is_ok_and(|url| {
            // An extension's page has an origin that the URL standard calls opaque.
            let written = url.origin().ascii_serialization();
            written == origin
                || (written == "null"
                    && url.host_str().is_some_and(|host| origin == format!("{}://{host}", url.scheme())))
        });
        if valid {
            self.0.push(origin.into());
        }
        valid
    }

    pub(crate) fn of_request(&self, headers: &HeaderMap) -> From {
        if !headers.contains_key(ORIGIN) {
            return From::NoPage;
        }
        let mut named = headers.get_all(ORIGIN).iter();
        match (named.next(), named.next()) {
            (None, _) => From::NoPage,
            // Letter by letter: neither a suffix nor a prefix counts, and `null` is everybody.
            (Some(origin), None) if self.0.iter().any(|own| own.as_bytes() == origin.as_bytes()) => {
                From::Listed(origin.clone())
            }
            _ => From::Foreign,
        }
    }
}

/// Whether a browser asks if it may ask.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

pub(crate) fn preflight_answer(origin: HeaderValue) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE, OPTIONS"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, DPoP, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    allow(headers, origin);
    answer
}

/// Lets a page on the list read an answer, and what clients need of its headers.
pub(crate) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, Retry-After"),
    );
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_on_the_list_letter_by_letter() {
        // RS-75, A-PROXY-8
        let mut origins = Origins::of(&"https://mcp.example/mcp".parse().unwrap());
        assert!(
            origins.add("https://good.example")
                && origins.add("http://localhost:6274")
                && origins.add("chrome-extension://abcdef")
        );
        for bad in [
            "https://good.example/",
            "*",
            "null",
            "good.example",
            "https://GOOD.example",
            "https://good.example:443",
            "",
        ] {
            assert!(!origins.add(bad), "{bad}");
        }
        for (origin, good) in [
            ("https://good.example", true),
            ("https://mcp.example", true),
            ("http://localhost:6274", true),
            ("chrome-extension://abcdef", true),
            ("null", false),
            ("https://good.example.evil", false),
            ("https://evilgood.example", false),
            ("http://good.example", false),
            ("https://good.example:8443", false),
            ("HTTPS://GOOD.EXAMPLE", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            assert_eq!(matches!(origins.of_request(&headers), From::Listed(_)), good, "{origin}");
            headers.append(ORIGIN, origin.parse().unwrap());
            assert!(matches!(origins.of_request(&headers), From::Foreign), "{origin} twice");
        }
    }

    #[test]
    fn a_loopback_server_is_its_own_page_under_each_of_its_names() {
        let origins = Origins::of(&"http://127.0.0.1:8000/mcp".parse().unwrap());
        assert_eq!(
            origins.0,
            ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"].map(Box::from)
        );
    }
}
