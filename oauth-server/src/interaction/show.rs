//! Pages as answers: each with the headers that keep it to itself (AS-70 to AS-74).

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use oauth_core::{ErrorCode, OAuthError, StoreError};

use crate::authorize::Shown;
use crate::pages::{ErrorPage, NoticePage, Page};
use crate::server::Context;
use crate::wire::{Reply, whole_seconds};

/// When to try again what the server cannot do now.
const SOON: Duration = Duration::from_secs(2);

/// A page with a status.
pub(crate) fn page(context: &Context, status: StatusCode, page: &Page<'_>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(context.pages.render(page))));
    *reply.status_mut() = status;
    with_headers(context, reply)
}

fn with_headers(context: &Context, mut reply: Reply) -> Reply {
    for (name, value) in context.pages.policy().headers() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// An answer to somebody who only looks (LIM-7).
pub(crate) fn nothing(context: &Context) -> Reply {
    with_headers(context, Response::new(Full::default()))
}

/// An answer to a browser that looks ahead: it asks again when somebody goes there.
pub(crate) fn not_now(context: &Context) -> Reply {
    let mut reply = nothing(context);
    *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    reply
}

/// A request that cannot be told to its client.
pub(crate) fn refused(context: &Context, shown: &Shown) -> Reply {
    let status = match shown.code {
        ErrorCode::TemporarilyUnavailable | ErrorCode::TooManyRequests => shown.code.status(),
        // 401 would ask the browser for credentials: the page is the answer (AS-30).
        _ => StatusCode::BAD_REQUEST,
    };
    let error = ErrorPage {
        status: status.as_u16(),
        code: shown.code.as_str(),
        title: "This request cannot be answered",
        message: shown.message,
        help: Some(match shown.code {
            ErrorCode::TooManyRequests => "Wait a little, then try again.",
            _ => {
                "Go back to the app and connect again. If that does not help, remove the server from the app and add it anew."
            }
        }),
        reference: Some(shown.reason),
    };
    let mut reply = page(context, status, &Page::Error(error));
    let soon = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(SOON);
    if let Some(after) = shown.retry_after.or(soon) {
        reply.headers_mut().insert(http::header::RETRY_AFTER, whole_seconds(after));
    }
    reply
}

/// An error on an endpoint that people see.
pub(crate) fn error(context: &Context, error: &OAuthError) -> Reply {
    let status = match error.code {
        ErrorCode::InvalidClient => StatusCode::BAD_REQUEST,
        code => code.status(),
    };
    let (title, help) = match error.code {
        ErrorCode::TooManyRequests => ("Too many attempts", Some("Wait a little, then try again.")),
        ErrorCode::TemporarilyUnavailable => {
            ("The server cannot answer now", Some("Try again in a moment. Nothing was lost."))
        }
        _ => ("This request cannot be answered", None),
    };
    let shown = ErrorPage {
        status: status.as_u16(),
        code: error.code.as_str(),
        title,
        message: error.description,
        help,
        reference: None,
    };
    let mut reply = page(context, status, &Page::Error(shown));
    if let Some(after) = error.retry_after {
        reply.headers_mut().insert(http::header::RETRY_AFTER, whole_seconds(after));
    }
    reply
}

/// The store failed: nothing was granted, nothing is lost.
pub(crate) fn store_failed(context: &Context, fault: &StoreError) -> Reply {
    tracing::error!(error = fault as &dyn std::error::Error, "the store failed on the way to an answer");
    error(context, &OAuthError::unavailable())
}

/// What a client asked for is wrong, and nobody vouches for the client: the browser stays here.
pub(super) fn untrusted(context: &Context, error: &OAuthError) -> Reply {
    let shown = ErrorPage {
        status: 400,
        code: error.code.as_str(),
        title: "The app sent a faulty request",
        message: error.description,
        help: Some("Nothing was permitted. Go back to the app, or close this page."),
        reference: None,
    };
    page(context, StatusCode::BAD_REQUEST, &Page::Error(shown))
}

/// A page that nobody can answer any more, or not from here: it is too old, from another browser, or answered.
pub(crate) fn expired(context: &Context) -> Reply {
    notice(
        context,
        StatusCode::FORBIDDEN,
        "This page has expired",
        "It was open for too long, belongs to another browser, or was answered before.",
    )
}

/// Something to know, and nothing to do here.
pub(super) fn notice(context: &Context, status: StatusCode, title: &str, message: &str) -> Reply {
    let help = Some("Nothing was permitted. Go back to the app and connect again.");
    page(context, status, &Page::Notice(NoticePage { title, message, help, link: None }))
}
