//! An account elsewhere: the page to which MCP's URL elicitation leads, and what comes back from the third party.
//!
//! 1. The link opens, at this third party, in time. It lets nobody in: who opens it signs in as everywhere (RS-91).
//! 2. Who is signed in is who asked (RS-84, A-UPS-15). Else it is refused, and stays good for them.
//! 3. They agree, on a page that opens in this browser for them alone. A second click goes on where the first one went; after a no, or once they are
//!    back, there is nothing to answer.
//! 4. Only then they go, with a `state` that opens in this browser for them alone, once (A-UPS-11), at this third party's callback (A-UPS-12).
//! 5. What they come back with is exchanged here and kept sealed. No MCP client sees any of it.

mod elicited;
mod page;

use std::sync::Arc;

use http::{Method, StatusCode};
use oauth_core::{
    ClientId, ConnectedAccounts, ConnectionFault, ConnectionReply, Event, EventKind, Form, Secret,
    StoreError, Subject, Timestamp, is_secure,
};
use url::Url;

pub(crate) use self::elicited::Elicited;
use self::elicited::Step;
use self::page::Asking;
use super::session::{User, Visitor};
use super::ticket::Ticket;
use super::{show, sign_in};
use crate::server::Context;
use crate::wire::{Reply, Request, redirect_reply};

const UNDECIDED: &str = "Nothing was decided. Choose one of the buttons at the end of the page.";
const OUTAGE: &str =
    "It cannot be reached now, so nothing was connected. Try again in a few seconds, by the same button.";

/// Where a third party sends browsers back to.
fn callback_url(context: &Context, connection: &str) -> String {
    context.issuer.endpoint(&format!("/connect/{connection}/callback"))
}

/// The `request` of a link's query, if it opens.
fn read_link(context: &Context, connection: &str, query: &str, now: Timestamp) -> Option<(Elicited, String)> {
    let form = Form::read(query.as_bytes(), &[], &[]).ok()?;
    let sealed = form.get("request")?;
    Some((Elicited::open_link(context, connection, sealed, now)?, format!("request={sealed}")))
}

/// Whether the page at this link can still be answered, as far as its time goes.
pub(super) fn is_open(context: &Context, connection: &str, query: &str, now: Timestamp) -> bool {
    context.accounts_at(connection).is_some() && read_link(context, connection, query, now).is_some()
}

/// `GET` and `POST /connect/{connection}`.
pub(crate) async fn handle(
    context: &Arc<Context>,
    connection: &str,
    request: &Request,
    now: Timestamp,
) -> Reply {
    let Some(accounts) = context.accounts_at(connection) else { return show::expired(context) };
    let reply = if request.head.method == Method::POST {
        answer(context, accounts, request, now).await
    } else {
        visit(context, accounts, request, now).await
    };
    reply.unwrap_or_else(|error| show::store_failed(context, &error))
}

async fn visit(
    context: &Arc<Context>,
    accounts: &ConnectedAccounts,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, StoreError> {
    let at = accounts.connection().id().as_str();
    let query = request.head.uri.query().unwrap_or_default();
    let Some((elicited, query)) = read_link(context, at, query, now) else {
        return Ok(show::expired(context));
    };
    let visitor = Visitor::of(context, &request.head, now).await?;
    let Some(user) = &visitor.user else {
        let ticket = Ticket { connect: Some(at.to_owned()), ..Ticket::new(context, &query, now) };
        return sign_in::page(context, None, ticket, &visitor, request, now).await;
    };
    if user.account.subject != elicited.subject {
        return Ok(stranger(context, accounts, &user.account.subject, now));
    }
    let asking = Asking { accounts, elicited: &elicited, request, visitor: &visitor, user };
    Ok(page::ask(context, &asking, StatusCode::OK, None, now).await)
}

/// Who goes on with what was sealed for them, at this step, in this browser.
fn arrived<'v>(
    context: &Context,
    connection: &str,
    step: Step,
    request: &Request,
    visitor: &'v Visitor,
    sealed: Option<&str>,
    now: Timestamp,
) -> Option<(&'v User, Elicited)> {
    let user = visitor.user.as_ref()?;
    let here = (&request.head, &user.account.subject);
    Some((user, Elicited::open_here(context, step, connection, here, sealed?, now)?))
}

async fn answer(
    context: &Arc<Context>,
    accounts: &ConnectedAccounts,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, StoreError> {
    let connection = accounts.connection();
    let at = connection.id().as_str();
    let Ok(form) = Form::read(&request.body, &[], &[]) else { return Ok(show::expired(context)) };
    let visitor = Visitor::of(context, &request.head, now).await?;
    let sealed = form.get("ticket");
    let Some((user, elicited)) = arrived(context, at, Step::Page, request, &visitor, sealed, now) else {
        return Ok(show::expired(context));
    };
    let asking = Asking { accounts, elicited: &elicited, request, visitor: &visitor, user };
    let denies = match form.get("decision") {
        Some("allow") => false,
        Some("deny") => true,
        _ => return Ok(page::ask(context, &asking, StatusCode::OK, Some(UNDECIDED), now).await),
    };
    // Where it leads is asked first: what cannot be asked uses nothing up.
    let departure = if denies {
        Err(ConnectionFault::Refused("denied"))
    } else {
        connection.begin(&callback_url(context, at), now).await.and_then(|departure| {
            let leads_elsewhere = leads_elsewhere(context, &departure.location);
            if leads_elsewhere { Ok(departure) } else { Err(ConnectionFault::Invalid("location")) }
        })
    };
    if let Err(fault @ ConnectionFault::Unavailable(_)) = &departure {
        return Ok(failed(context, &asking, fault, now).await);
    }
    let counts = match departure {
        Ok(_) => elicited.may_depart(context, now).await?,
        Err(_) => elicited.close(context, now).await?,
    };
    if !counts {
        return Ok(page::used(context, connection.label()));
    }
    let departure = match departure {
        Ok(departure) => departure,
        Err(fault) => return Ok(failed(context, &asking, &fault, now).await),
    };
    let kept = departure.keep.expose().to_owned();
    let state =
        Elicited { kept, issued_at: now, ..elicited }.seal_here(context, Step::State, at, &visitor.browser);
    let separator = if departure.location.contains('?') { '&' } else { '?' };
    let reply = redirect_reply(&format!("{}{separator}state={state}", departure.location));
    Ok(reply.unwrap_or_else(|| show::expired(context)))
}

/// `GET /connect/{connection}/callback`.
pub(crate) async fn callback(
    context: &Arc<Context>,
    connection: &str,
    request: &Request,
    now: Timestamp,
) -> Reply {
    let Some(accounts) = context.accounts_at(connection) else { return show::expired(context) };
    let reply = come_back(context, accounts, request, now).await;
    reply.unwrap_or_else(|error| show::store_failed(context, &error))
}

async fn come_back(
    context: &Arc<Context>,
    accounts: &ConnectedAccounts,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, StoreError> {
    let connection = accounts.connection();
    let at = connection.id().as_str();
    let query = request.head.uri.query().unwrap_or_default();
    let Ok(fields) = Form::read(query.as_bytes(), &[], &["error_description"]) else {
        return Ok(show::expired(context));
    };
    let visitor = Visitor::of(context, &request.head, now).await?;
    let sealed = fields.get("state");
    let Some((user, elicited)) = arrived(context, at, Step::State, request, &visitor, sealed, now) else {
        return Ok(show::expired(context));
    };
    let subject = &user.account.subject;
    if !elicited.first_return(context, now).await? {
        return Ok(show::expired(context));
    }
    elicited.close(context, now).await?;
    let (kept, callback) = (Secret::new(elicited.kept.clone()), callback_url(context, at));
    let finished = match connection.finish(ConnectionReply::new(&fields, &kept, &callback, now)).await {
        Ok(tokens) => accounts.keep(subject, &tokens).await.map_err(ConnectionFault::unavailable),
        Err(fault) => Err(fault),
    };
    if let Err(fault) = finished {
        // What is begun anew has time of its own, and an answer of its own.
        let attempt = elicited.attempt + 1;
        let elicited = Elicited { attempt, issued_at: now, kept: String::new(), ..elicited };
        let asking = Asking { accounts, elicited: &elicited, request, visitor: &visitor, user };
        return Ok(failed(context, &asking, &fault, now).await);
    }
    record(context, EventKind::AccountConnected, accounts, subject, Some(&elicited.client_id), None, now);
    Ok(page::connected(context, connection.label()))
}

/// Somebody else than who asked. Nothing is said of whom the link was made for.
fn stranger(context: &Context, accounts: &ConnectedAccounts, subject: &Subject, now: Timestamp) -> Reply {
    record(context, EventKind::ConnectionRefused, accounts, subject, None, Some("other_subject"), now);
    page::not_yours(context)
}

/// What the third party did not do. In an outage the same can be tried again.
async fn failed(
    context: &Arc<Context>,
    asking: &Asking<'_>,
    fault: &ConnectionFault,
    now: Timestamp,
) -> Reply {
    let (accounts, elicited) = (asking.accounts, asking.elicited);
    let is_outage = matches!(fault, ConnectionFault::Unavailable(_));
    let kind = if is_outage { EventKind::Unavailable } else { EventKind::ConnectionRefused };
    let client_id = Some(&elicited.client_id);
    record(context, kind, accounts, &elicited.subject, client_id, Some(fault.reason()), now);
    match fault {
        ConnectionFault::Unavailable(source) => {
            tracing::error!(
                at = %accounts.connection().id(),
                error = &**source as &dyn std::error::Error,
                "an account elsewhere cannot be connected"
            );
            page::ask(context, asking, StatusCode::SERVICE_UNAVAILABLE, Some(OUTAGE), now).await
        }
        ConnectionFault::Refused(_) => page::not_connected(context, accounts.connection().label()),
        _ => show::expired(context),
    }
}

fn record(
    context: &Context,
    kind: EventKind,
    accounts: &ConnectedAccounts,
    subject: &Subject,
    client_id: Option<&ClientId>,
    reason: Option<&'static str>,
    now: Timestamp,
) {
    let operation = Some(accounts.connection().id().as_str());
    context.record(&Event { subject: Some(subject), client_id, operation, reason, ..Event::new(kind, now) });
}

/// To another server, over https or on this machine: never into this server's own authorization (RS-91).
fn leads_elsewhere(context: &Context, location: &str) -> bool {
    Url::parse(location).is_ok_and(|url| is_secure(&url) && !context.is_own(&url))
}
