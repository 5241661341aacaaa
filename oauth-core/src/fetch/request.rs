//! What is asked of a [`Fetch`](super::Fetch), and what it brings.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::secret::Secret;

/// One request to somebody else's server.
///
/// Its `Debug` output shows the method and the number of bytes only: URL, headers and body may carry credentials.
///
/// ```
/// use oauth_core::fetch::FetchRequest;
///
/// let document = FetchRequest::get("https://app.example/client.json").with_body_limit(5 * 1024);
/// assert_eq!(document.method, "GET");
///
/// let token = FetchRequest::post_form("https://login.example/token", [("grant_type", "authorization_code"), ("code", "a b")]);
/// assert_eq!(token.body, "grant_type=authorization_code&code=a+b");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// The method, `GET` or `POST`.
    pub method: Method,
    /// Where to: an absolute URL, as its namer wrote it. It need not have been checked.
    pub url: &'a str,
    /// The header fields to send, besides those that any HTTP client adds.
    pub headers: HeaderMap,
    /// The body to send.
    pub body: Bytes,
    /// The longest answer the caller wants, in bytes of its body. The fetcher's own limit holds too.
    pub max_body: Option<usize>,
}

impl<'a> FetchRequest<'a> {
    /// A `GET` that accepts JSON.
    #[must_use]
    pub fn get(url: &'a str) -> Self {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Self { method: Method::GET, url, headers, body: Bytes::new(), max_body: None }
    }

    /// A `POST` of a form ([RFC 6749 appendix B](https://www.rfc-editor.org/rfc/rfc6749#appendix-B)) that accepts JSON.
    #[must_use]
    pub fn post_form<'p>(url: &'a str, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut request = Self { method: Method::POST, body: form.into(), ..Self::get(url) };
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, form_type);
        request
    }

    /// Sends this header field, in place of any of the same name. Mark a value that is a secret with
    /// [`HeaderValue::set_sensitive`].
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Authenticates a client by `client_secret_basic`: name and secret are encoded as in a form before they are put together
    /// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ///
    /// ```
    /// use oauth_core::Secret;
    /// use oauth_core::fetch::FetchRequest;
    ///
    /// let request = FetchRequest::post_form("https://as.example/token", [("grant_type", "client_credentials")])
    ///     .with_client_secret_basic("my app", &Secret::new("a:b".to_owned()));
    /// let value = &request.headers["authorization"];
    /// // my+app:a%3Ab
    /// assert!(value == "Basic bXkrYXBwOmElM0Fi" && value.is_sensitive());
    /// ```
    #[must_use]
    pub fn with_client_secret_basic(self, client_id: &str, secret: &Secret) -> Self {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Secret::new(format!("{}:{}", encoded(client_id), encoded(secret.expose())));
        let value = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
        let mut value = HeaderValue::from_str(value.expose()).expect("base64 is visible ascii");
        value.set_sensitive(true);
        self.with_header(AUTHORIZATION, value)
    }

    /// Wants an answer of at most so many bytes.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.max_body = Some(bytes);
        self
    }
}

impl fmt::Debug for FetchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status: a redirect comes as it is, since nobody follows it.
///
/// Its `Debug` output shows the status and the number of bytes only: the body may hold tokens.
///
/// ```
/// use oauth_core::fetch::Fetched;
/// use http::StatusCode;
///
/// let fetched = Fetched::json(r#"{"client_name":"App"}"#);
/// assert_eq!(fetched.status, StatusCode::OK);
/// assert!(fetched.is_json());
/// assert_eq!(format!("{fetched:?}"), "Fetched { status: 200, body_bytes: 21, .. }");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body, as it came over the wire: nothing was decompressed.
    pub body: Bytes,
}

impl Fetched {
    /// An answer without header fields, for an own [`Fetch`](super::Fetch).
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// A 200 with a JSON document.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, body)
            .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// The same with this header field, in place of any of the same name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether the content type is `application/json` or `application/…+json`
    /// ([RFC 6839 §3.1](https://www.rfc-editor.org/rfc/rfc6839#section-3.1)), with whatever parameters. No content
    /// type, or more than one, is none of them.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let mut values = self.headers.get_all(CONTENT_TYPE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Ok(value) = value.to_str() else { return false };
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.strip_prefix("application/") {
            Some(subtype) => {
                subtype == "json" || subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
            }
            None => false,
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CIMD-5
    #[test]
    fn json_is_told_by_its_media_type() {
        let table = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/jwk-set+json", true),
            ("application/client-metadata+json;x=y", true),
            ("application/+json", false),
            ("application/jsonp", false),
            ("text/json", false),
            ("text/html", false),
            ("text/html; a=application/json", false),
            ("", false),
        ];
        for (value, json) in table {
            let answer =
                Fetched::new(StatusCode::OK, "{}").with_header(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(answer.is_json(), json, "{value:?}");
        }
        assert!(!Fetched::new(StatusCode::OK, "{}").is_json(), "none at all");
        let mut two = Fetched::json("{}");
        two.headers.append(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert!(!two.is_json(), "one for each reader");
    }

    // LIM-5
    #[test]
    fn debug_output_has_no_secret() {
        let request = FetchRequest::post_form("https://x.example/?code=hush", [("client_secret", "hush")])
            .with_header(http::header::AUTHORIZATION, HeaderValue::from_static("Basic hush"));
        assert!(!format!("{request:?}").contains("hush"));
        assert!(!format!("{:?}", Fetched::json(r#"{"access_token":"hush"}"#)).contains("hush"));
    }
}
