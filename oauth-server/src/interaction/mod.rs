//! The host's half of `/authorize`: who is at the browser, and do they agree?
//!
//! Nothing is stored for a visitor who has not signed in: the request travels as a sealed [`Ticket`](ticket::Ticket) through the one browser
//! that it opens in. Each tab carries its own (AS-77).

mod client_view;
pub(crate) mod connect;
pub(crate) mod consent;
mod session;
pub(crate) mod show;
pub(crate) mod sign_in;
mod ticket;
mod ways;

use std::sync::Arc;

use oauth_core::{ErrorCode, Form, GrantId, OAuthError, StoreError, Timestamp};

use self::session::Visitor;
pub(crate) use self::ticket::Ticket;
use crate::authorize::{self, Agreement, Approval, Checked, NO_ROOM, Pending};
use crate::server::Context;
use crate::wire::{Reply, Request};

/// Takes a checked request to its answer, or to the next page. `None`: the client is another by now than the one that was checked.
pub(crate) async fn begin(
    context: &Arc<Context>,
    pending: Pending,
    query: &str,
    request: &Request,
    resumed: Option<&Ticket>,
    now: Timestamp,
) -> Option<Reply> {
    match go_on(context, pending, query, request, resumed, now).await {
        Ok(reply) => reply,
        Err(error) => Some(show::store_failed(context, &error)),
    }
}

async fn go_on(
    context: &Arc<Context>,
    pending: Pending,
    query: &str,
    request: &Request,
    resumed: Option<&Ticket>,
    now: Timestamp,
) -> Result<Option<Reply>, StoreError> {
    if let Some(subject) = &context.approve_all {
        let scopes = pending.request().map(|asked| asked.scopes.clone()).unwrap_or_default();
        let grant = GrantId::generate(&*context.entropy);
        let agreement = Agreement { subject, auth_time: now, scopes: &scopes, grant };
        return Ok(sent(context, &pending.approve(&agreement, now).await?, now));
    }
    let visitor = Visitor::of(context, &request.head, now).await?;
    let Some(asked) = pending.request() else {
        return Ok(Some(show::error(context, &OAuthError::unavailable())));
    };
    // Whoever signed in since they were asked has signed in freshly enough.
    let is_fresh = |auth_time: Timestamp| {
        resumed.is_some_and(|resumed| auth_time.as_secs() >= resumed.issued_at.as_secs())
            || !(asked.prompt.login
                || asked.prompt.select_account
                || asked.max_age.is_some_and(|age| now.since(auth_time) > age))
    };
    let signed_in = visitor.user.as_ref().filter(|user| is_fresh(user.session.auth_time));
    let Some(user) = signed_in else {
        if asked.prompt.none {
            let error = OAuthError::new(ErrorCode::LoginRequired, "the user is not signed in");
            return Ok(Some(authorize::send(context, &pending.refuse(&error))));
        }
        let ticket = Ticket::new(context, query, now);
        return sign_in::page(context, Some(&pending), ticket, &visitor, request, now).await.map(Some);
    };
    if pending.is_memorable() && !asked.prompt.consent {
        let fingerprint = pending.fingerprint();
        let consent = context.stores.consents.find(&user.account.subject, &pending.client().id).await?;
        if consent.is_some_and(|given| given.covers(&fingerprint, &asked.scopes, &asked.resources, now)) {
            let scopes = asked.scopes.clone();
            let agreement = Agreement {
                subject: &user.account.subject,
                auth_time: user.session.auth_time,
                scopes: &scopes,
                grant: GrantId::generate(&*context.entropy),
            };
            return Ok(sent(context, &pending.approve(&agreement, now).await?, now));
        }
    }
    if asked.prompt.none {
        let error = OAuthError::new(ErrorCode::ConsentRequired, "the user has not agreed to this client");
        return Ok(Some(authorize::send(context, &pending.refuse(&error))));
    }
    let interaction = resumed.map_or_else(|| GrantId::generate(&*context.entropy), |resumed| resumed.id);
    let asked = consent::Asking { query, request, visitor: &visitor, user, interaction };
    consent::page(context, &pending, &asked, None, now).await.map(Some)
}

/// A yes on its way to the client; `None`: it was said to another client than the one that counts.
fn sent(context: &Context, approval: &Approval, now: Timestamp) -> Option<Reply> {
    match approval {
        Approval::Given(answer) => Some(authorize::send(context, answer)),
        Approval::NoRoom => Some(authorize::refuse(context, &NO_ROOM, now)),
        Approval::Outdated => None,
    }
}

/// Tells a client what is wrong with its request.
///
/// A client that nobody vouches for could register a redirect to anywhere: before somebody has signed in, the browser is not sent there
/// (AS-50, OAuth 2.1 §7.13.2). To ask for silence changes nothing: only a request that is right can be answered without anybody there.
pub(crate) async fn tell(
    context: &Arc<Context>,
    pending: Pending,
    error: &OAuthError,
    request: &Request,
    now: Timestamp,
) -> Reply {
    if pending.client().origin.is_vouched_for() || context.approve_all.is_some() {
        return authorize::send(context, &pending.refuse(error));
    }
    match Visitor::of(context, &request.head, now).await {
        Ok(visitor) if visitor.user.is_some() => authorize::send(context, &pending.refuse(error)),
        Ok(_) => show::untrusted(context, error),
        Err(fault) => show::store_failed(context, &fault),
    }
}

/// Checks again what was good when a page was shown. If it is not so now, the client or a resource has changed; an outage says nothing
/// of the kind, and the page may be sent again (LIM-3).
async fn recheck(
    context: &Arc<Context>,
    query: &str,
    request: &Request,
    now: Timestamp,
) -> Result<Pending, Reply> {
    match authorize::check(context, query, &request.head, now).await {
        Checked::Ready(pending) => Ok(pending),
        Checked::Shown(shown)
            if matches!(shown.code, ErrorCode::TemporarilyUnavailable | ErrorCode::TooManyRequests) =>
        {
            Err(show::refused(context, &shown))
        }
        _ => Err(show::expired(context)),
    }
}

/// What somebody signs in for, checked again. `None`: to connect an account elsewhere, for which no client waits.
async fn errand(
    context: &Arc<Context>,
    ticket: &Ticket,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Pending>, Reply> {
    match &ticket.connect {
        None => recheck(context, &ticket.query, request, now).await.map(Some),
        Some(connection) if connect::is_open(context, connection, &ticket.query, now) => Ok(None),
        Some(_) => Err(show::expired(context)),
    }
}

/// `GET /authorize/continue`: back from signing in.
pub(crate) async fn resume(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    let query = request.head.uri.query().unwrap_or_default();
    let Ok(form) = Form::read(query.as_bytes(), &[], &[]) else {
        return show::expired(context);
    };
    let Some(ticket) =
        form.get("ticket").and_then(|sealed| Ticket::open_resumed(context, &request.head, sealed, now))
    else {
        return show::expired(context);
    };
    authorize::answer(context, &ticket.query, request, Some(&ticket), now).await
}
