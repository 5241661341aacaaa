//! The authorization endpoint (RFC 6749 §3.1): check the request, then let the browser's user answer it.

mod pending;
mod request;

use std::sync::Arc;

use http::Method;
use oauth_core::{ErrorCode, Event, EventKind, OAuthError, Timestamp};

pub(crate) use pending::{Agreement, Answer, Approval, Pending};
pub(crate) use request::{Checked, NO_ROOM, Shown, check};

use crate::interaction::{self, Ticket, show};
use crate::server::Context;
use crate::wire::{Reply, Request, redirect_reply};

/// How often a request is looked at again because its client has changed while it was being granted.
const ATTEMPTS: usize = 3;

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

/// Answers the authorization request in `query`; `resumed`: the user was asked to sign in by that page, and comes back.
pub(crate) async fn answer(
    context: &Arc<Context>,
    query: &str,
    request: &Request,
    resumed: Option<&Ticket>,
    now: Timestamp,
) -> Reply {
    for _ in 0..ATTEMPTS {
        match check(context, query, &request.head, now).await {
            Checked::Shown(shown) => return refuse(context, &shown, now),
            Checked::Told { pending, error } => {
                let reason = Some(error.code.as_str());
                context.record(&Event {
                    client_id: Some(&pending.client().id),
                    reason,
                    ..Event::new(EventKind::AuthorizationRefused, now)
                });
                return interaction::tell(context, pending, &error, request, now).await;
            }
            Checked::Ready(pending) => {
                if let Some(reply) = interaction::begin(context, pending, query, request, resumed, now).await
                {
                    return reply;
                }
            }
        }
    }
    show::error(context, &OAuthError::unavailable())
}

/// A request that is shown to be wrong, and heard of.
pub(crate) fn refuse(context: &Context, shown: &Shown, now: Timestamp) -> Reply {
    context.record(&Event { reason: Some(shown.reason), ..Event::new(EventKind::AuthorizationRefused, now) });
    show::refused(context, shown)
}

/// Sends an answer to the client.
pub(crate) fn send(context: &Context, answer: &Answer) -> Reply {
    redirect_reply(answer.location()).unwrap_or_else(|| show::error(context, &OAuthError::unavailable()))
}
