//! The authorization endpoint (RFC 6749 §3.1): check the request, then let the browser's user answer it.

mod pending;
mod request;

use std::sync::Arc;

use http::Method;
use oauth_core::{ErrorCode, Event, EventKind, OAuthError, Timestamp};

pub(crate) use pending::{Agreement, Answer, Pending};
pub(crate) use request::{Checked, Shown, check};

use crate::interaction::{self, show};
use crate::server::Context;
use crate::wire::{Reply, Request, redirect_reply};

pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    if request.head.method == Method::POST {
        if let Err(error) = request.form()
            && error.description.starts_with("the content type")
        {
            return show::error(context, &error);
        }
        // By GET the browser brings its cookies, which a form of another site does not. An encoded form is visible ASCII.
        let query = std::str::from_utf8(&request.body)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
        let Some(query) = query else {
            return show::error(
                context,
                &OAuthError::new(ErrorCode::InvalidRequest, "the form is not well-formed"),
            );
        };
        let location = format!("{}/authorize?{query}", context.issuer.path());
        return redirect_reply(&location).unwrap_or_else(|| show::expired(context));
    }
    answer(context, request.head.uri.query().unwrap_or_default(), request, None, now).await
}

/// Answers the authorization request in `query`; `since`: the user was asked to sign in at that time, and comes back.
pub(crate) async fn answer(
    context: &Arc<Context>,
    query: &str,
    request: &Request,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Reply {
    match check(context, query, &request.head, now).await {
        Checked::Shown(shown) => {
            context.record(&Event {
                reason: Some(shown.reason),
                ..Event::new(EventKind::AuthorizationRefused, now)
            });
            show::refused(context, &shown)
        }
        Checked::Told { pending, error } => {
            let reason = Some(error.code.as_str());
            context.record(&Event {
                client_id: Some(&pending.client().id),
                reason,
                ..Event::new(EventKind::AuthorizationRefused, now)
            });
            interaction::tell(context, pending, &error, request, now).await
        }
        Checked::Ready(pending) => interaction::begin(context, pending, query, request, since, now).await,
    }
}

/// Sends an answer to the client.
pub(crate) fn send(context: &Context, answer: &Answer) -> Reply {
    redirect_reply(answer.location()).unwrap_or_else(|| show::error(context, &OAuthError::unavailable()))
}
