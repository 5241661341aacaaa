//! Refusals as responses: JSON that nobody caches (RS-32).

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, Entry, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use oauth_core::{ErrorCode, OAuthError};

/// A response of our own.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Stands in the extensions of a refusal, for the audit: a stable name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason(pub(crate) &'static str);

/// JSON text that must not be kept.
pub(crate) fn json(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What is told to one caller is nobody else's: nothing between may keep it, unless the server behind says as much itself (RS-89).
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    match headers.entry(CACHE_CONTROL) {
        Entry::Vacant(place) => drop(place.insert(HeaderValue::from_static("private, no-store"))),
        Entry::Occupied(mut said) => {
            let (mut is_private, mut is_shared, mut stays) = (false, false, false);
            let directives =
                said.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
            for directive in directives.map(str::trim) {
                let is = |name: &str| directive.eq_ignore_ascii_case(name);
                let begins = |name: &str| {
                    directive.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                };
                is_private |= is("private") || is("no-store");
                is_shared |= is("public") || begins("s-maxage");
                stays |= is("no-transform");
            }
            if !is_private || is_shared {
                // Whoever compresses a stream holds it up.
                let own = if stays { "private, no-store, no-transform" } else { "private, no-store" };
                said.insert(HeaderValue::from_static(own));
            }
        }
    }
}

/// An error of OAuth: a code and one line.
pub(crate) fn oauth(code: ErrorCode, description: &'static str) -> Answer {
    because(json(code.status(), OAuthError::new(code, description).to_json()), code.as_str())
}

fn because(mut answer: Answer, reason: &'static str) -> Answer {
    answer.extensions_mut().insert(Reason(reason));
    answer
}

/// Whoever could tell cannot be asked: nothing that makes a client throw its token away (RS-72).
pub(crate) fn unavailable(retry_after: Duration) -> Answer {
    let mut answer =
        oauth(ErrorCode::TemporarilyUnavailable, "the token cannot be verified now, try again soon");
    // Rounded up, and never zero: "at once" is what everybody else was told as well.
    let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0)).max(1);
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// A refusal in a word and a line of ours.
pub(crate) fn plain(status: StatusCode, error: &'static str, description: &'static str) -> Answer {
    because(json(status, format!(r#"{{"error":"{error}","error_description":"{description}"}}"#)), error)
}

/// An error of JSON-RPC that is nobody's fault but the server's, as text.
pub(crate) fn internal(text: String) -> Answer {
    because(json(StatusCode::INTERNAL_SERVER_ERROR, text), "internal_error")
}

/// An error of JSON-RPC, about no request in particular: what a body says is not believed where its headers contradict it.
pub(crate) fn json_rpc(status: StatusCode, code: i32, message: &'static str) -> Answer {
    let text = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#);
    let reason = match code {
        -32001 => "session_not_found",
        -32020 => "header_mismatch",
        _ => "invalid_request",
    };
    because(json(status, text), reason)
}
