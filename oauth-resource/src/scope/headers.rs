//! Whether the headers that intermediaries route by say the same as the body (MCP 2026-07-28, Streamable HTTP).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
