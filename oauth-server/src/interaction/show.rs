//! Pages as answers: each with the headers that keep it to itself (AS-70 to AS-74).

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use oauth_core::{ErrorCode, OAuthError, StoreError};

use crate::authorize::Shown;
use crate::landing;
use crate::pages::{ErrorPage, LinkView, NoticePage, Page};
use crate::server::Context;
use crate::wire::{Reply, whole_seconds};

/// What to do where nothing better is known.
const CONNECT_AGAIN: &str = "Go back to the app and connect again. If that does not help, remove the server from the app and add it anew.";

/// When to try again what the server cannot do now.
pub(super) const SOON: Duration = Duration::from_secs(2);

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
    let soon = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(SOON);
    let after = shown.retry_after.or(soon);
    let help = after.map_or_else(|| CONNECT_AGAIN.to_owned(), try_again);
    let error = ErrorPage {
        status: status.as_u16(),
        code: shown.code.as_str(),
        title: "This request cannot be answered",
        message: shown.message,
        causes: &[],
        help: Some(&help),
        link: None,
        detail: None,
        reference: Some(shown.reason),
    };
    let mut reply = page(context, status, &Page::Error(error));
    if let Some(after) = after {
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
    let after = error.retry_after;
    let (title, message) = match error.code {
        ErrorCode::TooManyRequests => {
            ("Too many attempts", "There were more of them than this server takes.")
        }
        ErrorCode::TemporarilyUnavailable => {
            ("The server cannot answer now", "It does not reach something that it needs. Nothing was lost.")
        }
        _ => ("This request cannot be answered", "Something in it is missing or wrong."),
    };
    let help = after.map_or_else(|| CONNECT_AGAIN.to_owned(), try_again);
    let shown = ErrorPage {
        status: status.as_u16(),
        code: error.code.as_str(),
        title,
        message,
        causes: &[],
        help: Some(&help),
        link: None,
        // Of what passes there is no more to say than the page says.
        detail: after.is_none().then_some(error.description),
        reference: None,
    };
    let mut reply = page(context, status, &Page::Error(shown));
    if let Some(after) = after {
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
        message: match error.code {
            ErrorCode::InvalidScope => "The app asks to do something that cannot be permitted here.",
            ErrorCode::InvalidTarget => "The app asks for a server that nobody can be let into from here.",
            ErrorCode::UnsupportedResponseType => {
                "The app wants to be answered in a way that is not supported here."
            }
            ErrorCode::RequestNotSupported | ErrorCode::RequestUriNotSupported => {
                "The app asks in a way that is not supported here."
            }
            _ => "The app left something out of its request, or got something in it wrong.",
        },
        causes: &[],
        help: Some("Nothing was permitted. Go back to the app, or close this page."),
        link: None,
        detail: Some(error.description),
        reference: None,
    };
    page(context, StatusCode::BAD_REQUEST, &Page::Error(shown))
}

/// A page that nobody can answer any more, or not from here. Why is not told apart.
pub(crate) fn expired(context: &Context) -> Reply {
    let error = ErrorPage {
        status: StatusCode::FORBIDDEN.as_u16(),
        code: ErrorCode::InvalidRequest.as_str(),
        title: "This page has expired",
        message: "It cannot be used any more. The likely causes:",
        causes: &[
            "It was open for too long.",
            "It was used before, here or in another tab.",
            "It was opened in another browser.",
            "Cookies of this site are blocked.",
        ],
        help: Some("Nothing was permitted just now. Go back to the app and connect again."),
        link: None,
        detail: None,
        reference: Some("expired"),
    };
    page(context, StatusCode::FORBIDDEN, &Page::Error(error))
}

/// A consent page that comes back a second time. What the first answer was is not known here, nor whether the app has heard of it.
pub(super) fn answered(context: &Context) -> Reply {
    let error = ErrorPage {
        status: StatusCode::FORBIDDEN.as_u16(),
        code: ErrorCode::InvalidRequest.as_str(),
        title: "This page was answered already",
        message: "The first answer counts. This one changed nothing.",
        causes: &[],
        help: Some("If the app does not say that it is connected, go back to it and connect again."),
        link: None,
        detail: None,
        reference: Some("answered"),
    };
    page(context, StatusCode::FORBIDDEN, &Page::Error(error))
}

/// A path at which there is nothing to see, for somebody who opened it in a browser. `is_missing`: nothing at all, else something for
/// programs. `with_landing`: the page at the server's address is there.
pub(crate) fn nothing_to_see(context: &Context, is_missing: bool, with_landing: bool) -> Reply {
    let home = landing::path(context);
    let link = with_landing.then_some(LinkView { label: "What this server is for", path: &home });
    let (status, title, message) = if is_missing {
        (StatusCode::NOT_FOUND, "There is nothing here", "The address is mistyped, or out of date.")
    } else {
        let message = "This address is for apps and for forms that are sent. Opening it does nothing.";
        (StatusCode::METHOD_NOT_ALLOWED, "There is nothing to see here", message)
    };
    let error = ErrorPage {
        status: status.as_u16(),
        code: ErrorCode::InvalidRequest.as_str(),
        title,
        message,
        causes: &[],
        help: None,
        link,
        detail: None,
        reference: None,
    };
    let mut reply = page(context, status, &Page::Error(error));
    // The same address says something else to programs.
    reply.headers_mut().insert(http::header::VARY, http::HeaderValue::from_static("Accept"));
    reply
}

/// When to try again, as a person would say it; never too early.
fn try_again(after: Duration) -> String {
    let minutes = after.as_secs().div_ceil(60);
    match (after.as_secs(), minutes) {
        (..=9, _) => "Try again in a few seconds.".to_owned(),
        (_, ..=1) => "Try again in about a minute.".to_owned(),
        (_, ..=90) => format!("Try again in about {minutes} minutes."),
        _ => format!("Try again in about {} hours.", minutes.div_ceil(60)),
    }
}

/// Something to know, and nothing to do here.
pub(super) fn notice(context: &Context, status: StatusCode, title: &str, message: &str) -> Reply {
    let help = Some("Nothing was permitted. Go back to the app and connect again.");
    page(context, status, &Page::Notice(NoticePage { title, message, help, link: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_words_and_never_too_short() {
        for (seconds, words) in [
            (0, "a few seconds"),
            (9, "a few seconds"),
            (10, "about a minute"),
            (60, "about a minute"),
            (61, "about 2 minutes"),
            (120, "about 2 minutes"),
            (1800, "about 30 minutes"),
            (5400, "about 90 minutes"),
            (5401, "about 2 hours"),
            (86_400, "about 24 hours"),
        ] {
            assert_eq!(try_again(Duration::from_secs(seconds)), format!("Try again in {words}."));
        }
    }
}
