//! `/jwks.json`: the public keys of what this server signs (RFC 7517).
//!
//! It signs nothing: its tokens are opaque. The set is empty, and says so; it is served because clients refuse metadata
//! without `jwks_uri` (AS-8). A key in it that signs nothing would be a promise that nobody keeps.

use http::header::{CACHE_CONTROL, ETAG, PRAGMA};
use http::{HeaderValue, StatusCode};

use crate::wire::{Reply, json_reply};

const NO_KEYS: &str = r#"{"keys":[]}"#;

pub(crate) fn handle() -> Reply {
    let mut reply = json_reply(StatusCode::OK, NO_KEYS);
    let headers = reply.headers_mut();
    // KEY-3
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(ETAG, HeaderValue::from_static("\"no-keys\""));
    headers.remove(PRAGMA);
    reply
}
