//! Whether the headers that intermediaries route by say the same as the body (MCP 2026-07-28, Streamable HTTP).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

use crate::scope::peek::Message;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(crate) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A header that says something else than the body, or is there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch;

/// What the headers say is what the body says (RS-81). A header that is absent says nothing: whether it must be there depends on
/// the protocol version, and is for the MCP server to know.
pub(crate) fn check(headers: &HeaderMap, messages: &[Message<'_>]) -> Result<(), Mismatch> {
    let [method, name, version] = read(headers)?;
    if method.is_none() && name.is_none() && version.is_none() {
        return Ok(());
    }
    let name = name.map(decode).transpose()?;
    for message in messages {
        if let (Some(header), Some(said)) = (method, message.method())
            && header != said
        {
            return Err(Mismatch);
        }
        if let (Some(header), Some(said)) = (&name, message.header_name())
            && said.ok().as_deref() != Some(&**header)
        {
            return Err(Mismatch);
        }
        if let Some(header) = version
            && let Some(said) = message.protocol_version().map_err(|_| Mismatch)?
            && header != said
        {
            return Err(Mismatch);
        }
    }
    Ok(())
}

/// Whether whoever reads the body reads what is looked at here: its bytes, as UTF-8. JSON knows no `charset` (RFC 8259 §11), but there are
/// readers that obey one.
pub(crate) fn say_utf8(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (kind, another) = (kinds.next(), kinds.next());
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_plain && another.is_none() && kind.is_none_or(|kind| kind.to_str().is_ok_and(is_utf8))
}

fn is_utf8(kind: &str) -> bool {
    const CHARSET: &str = "charset";
    kind.split(';').skip(1).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        // `charset*` is one, too (RFC 2231).
        let is_charset = name.get(..CHARSET.len()).is_some_and(|start| start.eq_ignore_ascii_case(CHARSET));
        let is_good = ["utf-8", "utf8", "us-ascii"].iter().any(|good| value.eq_ignore_ascii_case(good));
        !is_charset || (name.len() == CHARSET.len() && is_good)
    })
}

/// Method, name and version. Of two values, readers differ in which they take.
fn read(headers: &HeaderMap) -> Result<[Option<&str>; 3], Mismatch> {
    let mut said = [None; 3];
    for (header, value) in headers {
        let Some(at) = [&METHOD, &NAME, &PROTOCOL_VERSION].iter().position(|name| *name == header) else {
            continue;
        };
        if said[at].replace(value.to_str().map_err(|_| Mismatch)?).is_some() {
            return Err(Mismatch);
        }
    }
    Ok(said)
}

/// A name that no header can carry stands in Base64: `=?base64?…?=`.
fn decode(value: &str) -> Result<Cow<'_, str>, Mismatch> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| Mismatch)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_utf8_unless_something_else_is_said() {
        // A-AUD-10
        for (kind, good) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/json;Charset=\"UTF-8\" ; x=y", true),
            ("application/json; charset=us-ascii", true),
            ("application/json; charset=utf-7", false),
            ("application/json; charset=utf-16le", false),
            ("application/json; charset=iso-8859-1", false),
            ("application/json; charset", false),
            ("application/json; charset=", false),
            ("application/json; charset*=utf-7''", false),
            ("application/json; charset=utf-8; CHARSET=utf-7", false),
            ("application/json; x=\"; charset=utf-8\"; charset=utf-7", false),
            ("application/json; charset=\"utf-8; charset=utf-7\"", false),
            ("application/json, application/json; charset=utf-7", false),
        ] {
            assert_eq!(is_utf8(kind), good, "{kind}");
            let mut headers = HeaderMap::new();
            assert!(say_utf8(&headers));
            headers.append(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(say_utf8(&headers), good, "{kind}");
            headers.append(CONTENT_TYPE, kind.parse().unwrap());
            assert!(!say_utf8(&headers), "two of them");
        }
        for (coding, good) in
            [("identity", true), ("Identity", true), ("gzip", false), ("br", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, coding.parse().unwrap())]);
            assert_eq!(say_utf8(&headers), good, "{coding}");
        }
    }
}
