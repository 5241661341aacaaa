//! Answers: JSON, redirects, errors. None of them may be stored by anybody on the way.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use oauth_core::{ErrorCode, OAuthError};

/// An answer, whole.
pub(crate) type Reply = Response<Full<Bytes>>;

/// JSON that nobody may store (TOK-5).
pub(crate) fn json_reply(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(json.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}

/// An error in the form of RFC 6749 §5.2. `challenge`: the caller used the `Authorization` header, so a 401 names its scheme (TOK-6).
pub(crate) fn error_reply(error: &OAuthError, challenge: bool) -> Reply {
    let mut reply = json_reply(error.code.status(), error.to_json());
    if error.code == ErrorCode::InvalidClient && challenge {
        reply
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\""));
    }
    if let Some(after) = error.retry_after {
        reply.headers_mut().insert(RETRY_AFTER, whole_seconds(after));
    }
    reply
}

/// The value of `Retry-After`: never too early, and never at once.
pub(crate) fn whole_seconds(after: Duration) -> HeaderValue {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

/// 303: the browser goes on with GET, whatever brought it here (AS-49). `None` if `location` cannot stand in a header.
pub(crate) fn redirect_reply(location: &str) -> Option<Reply> {
    let location = HeaderValue::from_str(location).ok()?;
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SEE_OTHER;
    let headers = reply.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(reply)
}
