//! Reading a request: its head, and a bounded body in bounded time.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use oauth_core::{ErrorCode, Form, FormFault, OAuthError};

/// How many bytes a request's body may have (TOK-16).
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What may repeat in a form that a client posts (TOK-3): beside `resource` the `audience` of RFC 8693 §2.1, which nothing here reads.
const REPEATABLE_AT_TOKEN: &[&str] = &["resource", "audience"];

/// How long a body may take to arrive (TOK-16).
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A header's text without the white space around it: blanks and tabs alone (RFC 9110 §5.6.3). What else Unicode takes for white space is
/// part of the text.
pub(crate) fn without_blanks(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// A request, read whole.
pub(crate) struct Request {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

/// Why a request was not read.
pub(crate) enum Unread {
    /// The body is too large: 413.
    TooLarge,
    /// The body did not arrive in time: 408.
    Late,
    /// The body broke off, or its framing is none: 400.
    Broken,
}

impl Request {
    pub(crate) async fn read<B>(request: http::Request<B>) -> Result<Self, Unread>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        // What says that it is too large is not read at all.
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(Unread::TooLarge);
        }
        if body.is_end_stream() {
            return Ok(Self { head, body: Bytes::new() });
        }
        let collect = Limited::new(body, MAX_BODY).collect();
        // Outside of a tokio runtime there is no timer; the host's own time-outs rule there.
        let collected = if tokio::runtime::Handle::try_current().is_ok() {
            match tokio::time::timeout(BODY_TIMEOUT, collect).await {
                Ok(collected) => collected,
                Err(_) => return Err(Unread::Late),
            }
        } else {
            collect.await
        };
        match collected {
            Ok(body) => Ok(Self { head, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
            Err(_) => Err(Unread::Broken),
        }
    }

    /// The value of a header that stands once; `None` if it is absent, stands twice or is not ASCII.
    pub(crate) fn header(&self, name: &http::HeaderName) -> Option<&str> {
        let mut values = self.head.headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    }

    /// The form in the body (TOK-1 to TOK-4). The query is not read.
    pub(crate) fn form(&self) -> Result<Form<'_>, OAuthError> {
        let invalid = |line| OAuthError::new(ErrorCode::InvalidRequest, line);
        let content_type = self.header(&http::header::CONTENT_TYPE).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("the content type must be application/x-www-form-urlencoded"));
        }
        // What stands in a scope is judged with the scope (A-SCOPE-2).
        Form::read(&self.body, REPEATABLE_AT_TOKEN, &["scope"]).map_err(|fault| match fault {
            FormFault::Repeated { .. } => invalid("a parameter stands twice"),
            FormFault::TooMany => invalid("too many parameters"),
            _ => invalid("a parameter is not well-formed"),
        })
    }
}
