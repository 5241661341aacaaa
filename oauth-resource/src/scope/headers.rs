//! Whether the headers that intermediaries route by say the same as the body (MCP 2026-07-28, Streamable HTTP).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::scope::peek::Message;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(crate) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A header that says something else than the body, or is there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch;

/// What a request's headers say of its body. Read in one way through them: to look for each costs more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    has_type: bool,
    /// That its bytes are not what is looked at.
    otherwise: bool,
    routing: Routing,
}

/// What is there for intermediaries to route by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Routing {
    #[default]
    Nothing,
    /// The protocol version alone, as in every request of an older protocol.
    Version,
    /// A method or a name.
    Operation,
    /// Something twice, of which readers differ in what they take, or that is no text.
    Unclear,
}

impl Said {
    /// What all of them say.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            said.note(name, value);
        }
        said
    }

    /// What one more says.
    #[inline]
    pub(crate) fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if *name == CONTENT_TYPE {
            self.otherwise |= std::mem::replace(&mut self.has_type, true) || !is_utf8(value);
        } else if *name == CONTENT_ENCODING {
            self.otherwise |= !value.as_bytes().eq_ignore_ascii_case(b"identity");
        } else if *name == PROTOCOL_VERSION {
            self.route(Routing::Version, value);
        } else if *name == METHOD || *name == NAME {
            self.route(Routing::Operation, value);
        }
    }

    fn route(&mut self, by: Routing, value: &HeaderValue) {
        self.routing = match self.routing {
            _ if value.to_str().is_err() => Routing::Unclear,
            Routing::Nothing => by,
            Routing::Version if by == Routing::Version => Routing::Unclear,
            Routing::Version | Routing::Operation => Routing::Operation,
            Routing::Unclear => Routing::Unclear,
        };
    }

    /// Whether whoever reads the body reads what is looked at here: its bytes, as UTF-8. JSON knows no `charset` (RFC 8259 §11), but there
    /// are readers that obey one.
    pub(crate) const fn is_utf8(self) -> bool {
        !self.otherwise
    }

    /// What the headers say is what the body says (RS-81). A header that is absent says nothing: whether it must be there depends on
    /// the protocol version, and is for the MCP server to know.
    pub(crate) fn agrees(self, headers: &HeaderMap, messages: &[Message<'_>]) -> Result<(), Mismatch> {
        match self.routing {
            Routing::Nothing => Ok(()),
            Routing::Version if messages.iter().all(Message::says_no_version) => Ok(()),
            Routing::Version | Routing::Operation => check(headers, messages),
            Routing::Unclear => Err(Mismatch),
        }
    }
}

#[inline(never)]
fn check(headers: &HeaderMap, messages: &[Message<'_>]) -> Result<(), Mismatch> {
    let [method, name, version] = read(headers)?;
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

fn is_utf8(kind: &HeaderValue) -> bool {
    // What nearly all send.
    kind.as_bytes() == b"application/json" || kind.to_str().is_ok_and(says_utf8)
}

#[inline(never)]
fn says_utf8(kind: &str) -> bool {
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
            let mut headers = HeaderMap::new();
            assert!(Said::of(&headers).is_utf8());
            headers.append(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(Said::of(&headers).is_utf8(), good, "{kind}");
            headers.append(CONTENT_TYPE, kind.parse().unwrap());
            assert!(!Said::of(&headers).is_utf8(), "two of them");
        }
        for (coding, good) in
            [("identity", true), ("Identity", true), ("gzip", false), ("br", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, coding.parse().unwrap())]);
            assert_eq!(Said::of(&headers).is_utf8(), good, "{coding}");
        }
    }
}
