//! What a client asked of the proxy, from the headers of one proxy and no other.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};

/// How a proxy says what it was asked for. Only the headers of the one that is chosen are read: those of the others, a proxy may pass on
/// as its client wrote them (RS-80). The manual has the [configuration of each](crate::manual::proxies).
///
/// ```
/// use oauth_resource::{ForwardAuth, ProxyStyle};
///
/// // Traefik and Caddy
/// let builder = ForwardAuth::builder(ProxyStyle::ForwardedUri);
/// // That there is nothing to guard is said at `build`.
/// assert!(builder.trusted_proxy("10.0.0.0/8").build().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyStyle {
    /// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`: Traefik's `forwardAuth`, Caddy's `forward_auth`.
    ForwardedUri,
    /// `X-Original-Method` and `X-Original-URI`, `X-Forwarded-Proto` and `-Host`: nginx's `auth_request`.
    OriginalUri,
    /// `X-Original-Method` and the whole URL in `X-Original-URL`: the ingress controller of nginx.
    OriginalUrl,
    /// The request itself, behind the service's own path, and `X-Forwarded-Proto`: Envoy's `ext_authz` over HTTP.
    Path,
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) method: Method,
    /// Scheme, host and port as a [`ResourceUri`](oauth_core::ResourceUri) writes them.
    pub(super) origin: String,
    /// Path and query.
    pub(super) target: Uri,
}

impl ProxyStyle {
    /// `Err` is the reason, for the log.
    pub(super) fn read(self, own_path: &str, head: &Parts) -> Result<Original, &'static str> {
        let headers = &head.headers;
        let (method, scheme, authority, target) = match self {
            Self::ForwardedUri => (
                sole(headers, "x-forwarded-method")?,
                sole(headers, "x-forwarded-proto")?,
                sole(headers, "x-forwarded-host")?,
                sole(headers, "x-forwarded-uri")?,
            ),
            Self::OriginalUri => (
                sole(headers, "x-original-method")?,
                sole(headers, "x-forwarded-proto")?,
                sole(headers, "x-forwarded-host")?,
                sole(headers, "x-original-uri")?,
            ),
            Self::OriginalUrl => {
                let url = sole(headers, "x-original-url")?;
                let (scheme, rest) = url.split_once("://").ok_or("original_url")?;
                let (authority, target) = rest.split_at(rest.find('/').ok_or("original_url")?);
                (sole(headers, "x-original-method")?, scheme, authority, target)
            }
            Self::Path => {
                let authority = match head.uri.authority() {
                    Some(authority) => authority.as_str(),
                    None => sole(headers, HOST.as_str())?,
                };
                let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let target = target.strip_prefix(own_path).filter(|rest| rest.starts_with('/'));
                (head.method.as_str(), sole(headers, "x-forwarded-proto")?, authority, target.ok_or("path")?)
            }
        };
        // Methods differ in case, but not to every server behind.
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err("original_method");
        }
        Ok(Original {
            method: method.parse().map_err(|_| "original_method")?,
            origin: origin(scheme, authority)?,
            target: target_of(target)?,
        })
    }

    /// Whether the service answers at paths below its own as well.
    pub(super) const fn goes_below(self) -> bool {
        matches!(self, Self::Path)
    }

    /// Whether the proxy makes 500 of every answer that is not 2xx, 401 or 403.
    pub(super) const fn knows_two_refusals(self) -> bool {
        matches!(self, Self::OriginalUri | Self::OriginalUrl)
    }
}

/// The only value of a header. A second one, or a list, was begun by somebody else.
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| "original_header_unreadable"),
        (None, _) => Err("original_header_missing"),
        (Some(_), Some(_)) => Err("original_header_repeated"),
    }
}

fn origin(scheme: &str, authority: &str) -> Result<String, &'static str> {
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return Err("original_scheme"),
    };
    let is_host = !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if !is_host {
        return Err("original_host");
    }
    let host = authority.strip_suffix(default_port).unwrap_or(authority);
    Ok(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

fn target_of(target: &str) -> Result<Uri, &'static str> {
    // An absolute URL, or the authority that `CONNECT` names, is no path.
    if !target.starts_with('/') || target.contains('#') {
        return Err("original_path");
    }
    let target = PathAndQuery::try_from(target).map_err(|_| "original_path")?;
    Ok(Uri::from(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(style: ProxyStyle, uri: &str, headers: &[(&str, &str)]) -> Result<String, &'static str> {
        let mut request = http::Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        style.read("/verify", &head).map(|read| format!("{} {}{}", read.method, read.origin, read.target))
    }

    #[test]
    fn each_proxy_is_read_by_its_own_headers() {
        let forwarded = [
            ("x-forwarded-method", "DELETE"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "Notes.example:443"),
            ("x-forwarded-uri", "/mcp?a=b"),
            // RS-80: of no proxy of this style.
            ("x-original-uri", "/open"),
            ("x-original-url", "https://other.example/open"),
            ("x-original-method", "GET"),
        ];
        assert_eq!(
            read(ProxyStyle::ForwardedUri, "/verify", &forwarded).as_deref(),
            Ok("DELETE https://notes.example/mcp?a=b")
        );
        let original = [
            ("x-original-method", "GET"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "localhost:8000"),
            ("x-original-uri", "/mcp"),
            ("x-forwarded-uri", "/open"),
            ("x-forwarded-method", "POST"),
        ];
        assert_eq!(
            read(ProxyStyle::OriginalUri, "/verify", &original).as_deref(),
            Ok("GET http://localhost:8000/mcp")
        );
        let url = [("x-original-method", "GET"), ("x-original-url", "https://notes.example/mcp/x")];
        assert_eq!(
            read(ProxyStyle::OriginalUrl, "/verify", &url).as_deref(),
            Ok("GET https://notes.example/mcp/x")
        );
        let envoy = [("host", "notes.example"), ("x-forwarded-proto", "https"), ("x-forwarded-uri", "/open")];
        assert_eq!(
            read(ProxyStyle::Path, "/verify/mcp?x", &envoy).as_deref(),
            Ok("POST https://notes.example/mcp?x")
        );
    }

    #[test]
    fn what_is_missing_repeated_or_odd_is_refused() {
        // A-PROXY-2, UP-16
        let good = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "notes.example"),
            ("x-forwarded-uri", "/mcp"),
        ];
        for without in 0..good.len() {
            let mut some = good.to_vec();
            some.remove(without);
            assert!(read(ProxyStyle::ForwardedUri, "/verify", &some).is_err(), "{:?}", good[without]);
            let mut twice = good.to_vec();
            twice.push(good[without]);
            assert!(read(ProxyStyle::ForwardedUri, "/verify", &twice).is_err(), "{:?}", good[without]);
        }
        for (at, odd) in [
            (0, "GET, POST"),
            (0, ""),
            (1, "https, http"),
            (1, "HTTPS"),
            (1, "ws"),
            (2, "notes.example, evil.example"),
            (2, "user@notes.example"),
            (2, ""),
            (2, "notes.example/mcp"),
            (3, "https://notes.example/mcp"),
            (3, "mcp"),
            (3, ""),
            (3, "/mcp#x"),
            (3, "/mcp, /open"),
        ] {
            let mut bent = good.to_vec();
            bent[at].1 = odd;
            let read = read(ProxyStyle::ForwardedUri, "/verify", &bent);
            // A comma is good in a path; that it is on no list is for the rules to say.
            assert!(read.is_err() || odd == "/mcp, /open", "{odd}");
        }
        let envoy = [("host", "notes.example"), ("x-forwarded-proto", "https")];
        for uri in ["/verify", "/verifymcp", "/mcp"] {
            assert!(read(ProxyStyle::Path, uri, &envoy).is_err(), "{uri}");
        }
    }
}
