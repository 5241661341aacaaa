//! Who are they? The sign-in page, what comes back from it, and what comes back from other servers.

use std::sync::Arc;

use http::StatusCode;
use http::header::SET_COOKIE;
use oauth_core::{
    Account, Event, EventKind, Form, IdentityProvider, SignInFault, SignInReply, SignInStart, SignInStep,
    SignedIn, StoreError, Subject, Timestamp,
};

use super::errand;
use super::session::{self, Visitor};
use super::show;
use super::ticket::Ticket;
use super::ways::{self, OWN_FIELD, TICKET, Way, has_own_field};
use crate::authorize::Pending;
use crate::server::Context;
use crate::wire::{Reply, Request, redirect_reply, source_of};

/// Asks who they are. `pending`: what for, but for the ticket of a page on which an account is connected.
pub(super) async fn page(
    context: &Arc<Context>,
    pending: Option<&Pending>,
    ticket: Ticket,
    visitor: &Visitor,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, StoreError> {
    let mut ways = Vec::new();
    for provider in &context.providers {
        let callback = callback_url(context, provider.id().as_str());
        let form = match provider.begin(start(context, pending, &callback, request, now)).await {
            Ok(SignInStep::Form(form)) if has_own_field(&form) => {
                refused(context, &OWN_FIELD, now);
                continue;
            }
            Ok(SignInStep::Form(form)) => Some(form),
            // Where it leads is asked again when somebody goes there.
            Ok(_) => None,
            Err(fault) => {
                refused(context, &fault, now);
                continue;
            }
        };
        ways.push(Way { provider: &**provider, action: action(context, provider.id().as_str()), form });
    }
    if ways.is_empty() {
        return Ok(show::error(context, &oauth_core::OAuthError::unavailable()));
    }
    Ok(ways::show(context, pending, ticket, &visitor.browser, &ways, Some(visitor), StatusCode::OK))
}

fn action(context: &Context, provider: &str) -> String {
    format!("{}/sign-in/{provider}", context.issuer.path())
}

fn callback_url(context: &Context, provider: &str) -> String {
    context.issuer.endpoint(&format!("/sign-in/{provider}/callback"))
}

fn refused(context: &Context, fault: &SignInFault, now: Timestamp) {
    let kind = if matches!(fault, SignInFault::Unavailable(_)) {
        EventKind::Unavailable
    } else {
        EventKind::SignInRefused
    };
    context.record(&Event { reason: Some(fault.reason()), ..Event::new(kind, now) });
    if let SignInFault::Unavailable(source) = fault {
        tracing::error!(error = &**source as &dyn std::error::Error, "a way to sign in is not available");
    }
}

/// `POST /sign-in/{provider}`: the form, or the button of a way that leads elsewhere.
pub(crate) async fn submit(
    context: &Arc<Context>,
    provider: &str,
    request: &Request,
    now: Timestamp,
) -> Reply {
    let Some(provider) = find(context, provider) else { return show::expired(context) };
    let Ok(form) = Form::read(&request.body, &[], &[]) else { return show::expired(context) };
    let browser = super::session::browser_of(context, &request.head);
    let ticket =
        form.get(TICKET).and_then(|sealed| Ticket::open_sign_in(context, &request.head, sealed, now));
    let (Some(browser), Some(ticket)) = (browser, ticket) else { return show::expired(context) };
    // The request itself may have become wrong meanwhile; then there is nothing to sign in for.
    let pending = match errand(context, &ticket, request, now).await {
        Ok(pending) => pending,
        Err(reply) => return reply,
    };
    let id = provider.id().as_str();
    let callback = callback_url(context, id);
    let pending = pending.as_ref();
    let turn = Turn { context, provider, request, pending, browser, now };
    let Some(kept) = ticket.kept_for(id) else {
        // A button: only now does it matter where it leads.
        return match provider.begin(start(context, pending, &callback, request, now)).await {
            Ok(step) => turn.take(step, &ticket).await,
            Err(fault) => failed(context, &fault, now),
        };
    };
    let step = match provider.resume(reply(context, &form, kept, &callback, request, now)).await {
        Err(fault) if !matches!(fault, SignInFault::Refused(_)) => return failed(context, &fault, now),
        step => step,
    };
    // A second click gets no second answer, and goes on where the first one went: also where the second one alone is wrong, because a word
    // that is good once was used up.
    match ticket.first_use(context, &format!("sign in by {id}"), now).await {
        Ok(true) => {}
        Ok(false) => return continue_with(context, &ticket, browser),
        Err(error) => return show::store_failed(context, &error),
    }
    match step {
        Ok(step) => turn.take(step, &ticket).await,
        Err(fault) => failed(context, &fault, now),
    }
}

fn start<'s>(
    context: &Context,
    pending: Option<&'s Pending>,
    callback: &'s str,
    request: &Request,
    now: Timestamp,
) -> SignInStart<'s> {
    let mut start = SignInStart::new(callback, now);
    let asked = pending.and_then(Pending::request);
    start.login_hint = asked.and_then(|asked| asked.login_hint.as_deref());
    start.fresh = asked.is_some_and(|asked| asked.prompt.login || asked.max_age.is_some());
    start.address = source_of(&request.head, &context.trusted_proxies);
    start
}

fn reply<'r>(
    context: &Context,
    fields: &'r Form<'r>,
    kept: &'r [u8],
    callback: &'r str,
    request: &Request,
    now: Timestamp,
) -> SignInReply<'r> {
    let mut reply = SignInReply::new(fields, kept, callback, now);
    reply.address = source_of(&request.head, &context.trusted_proxies);
    reply
}

/// One step of somebody who signs in by one way.
struct Turn<'t> {
    context: &'t Arc<Context>,
    provider: &'t dyn IdentityProvider,
    request: &'t Request,
    pending: Option<&'t Pending>,
    browser: &'t str,
    now: Timestamp,
}

impl Turn<'_> {
    /// Does what the provider wants next.
    async fn take(&self, step: SignInStep, ticket: &Ticket) -> Reply {
        let Self { context, provider, now, browser, .. } = *self;
        let id = provider.id().as_str();
        match step {
            SignInStep::Done(who) => finish(context, self.request, ticket, browser, &who, now).await,
            SignInStep::Form(form) if has_own_field(&form) => failed(context, &OWN_FIELD, now),
            SignInStep::Form(form) => {
                let status = match form.error {
                    Some(_) => StatusCode::FORBIDDEN,
                    None => StatusCode::OK,
                };
                if form.error.is_some() {
                    context.record(&Event {
                        reason: Some("wrong_answer"),
                        ..Event::new(EventKind::SignInRefused, now)
                    });
                }
                let way = Way { provider, action: action(context, id), form: Some(form) };
                // As old as the page before: who fails again and again has no more time for it.
                let again = Ticket { issued_at: ticket.issued_at, ..ticket.next(context, now) };
                ways::show(context, self.pending, again, browser, &[way], None, status)
            }
            SignInStep::Redirect { location, keep } => {
                let mut state = ticket.next(context, now);
                state.kept.push((id.to_owned(), keep));
                let sealed = state.seal_upstream(context, browser, id);
                let separator = if location.contains('?') { '&' } else { '?' };
                redirect_reply(&format!("{location}{separator}state={sealed}"))
                    .unwrap_or_else(|| failed(context, &SignInFault::Invalid("location"), now))
            }
            _ => failed(context, &SignInFault::Invalid("step"), now),
        }
    }
}

/// `GET /sign-in/{provider}/callback`: back from another server.
///
/// 1. `state` opens in this browser, for this provider, in time (UP-2, UP-4, UP-12);
/// 2. it is used for the first time (A-UPS-11);
/// 3. the provider knows what to make of the rest.
pub(crate) async fn callback(
    context: &Arc<Context>,
    provider: &str,
    request: &Request,
    now: Timestamp,
) -> Reply {
    let Some(provider) = find(context, provider) else { return show::expired(context) };
    let id = provider.id().as_str();
    let query = request.head.uri.query().unwrap_or_default();
    let Ok(form) = Form::read(query.as_bytes(), &[], &[]) else { return show::expired(context) };
    let browser = super::session::browser_of(context, &request.head);
    let ticket =
        form.get("state").and_then(|sealed| Ticket::open_upstream(context, &request.head, id, sealed, now));
    let (Some(browser), Some(ticket)) = (browser, ticket) else { return show::expired(context) };
    // The request itself may have become wrong meanwhile; then there is nothing to sign in for.
    let pending = match errand(context, &ticket, request, now).await {
        Ok(pending) => pending,
        Err(reply) => return reply,
    };
    match ticket.first_use(context, "upstream state", now).await {
        Ok(true) => {}
        Ok(false) => return show::expired(context),
        Err(error) => return show::store_failed(context, &error),
    }
    let callback = callback_url(context, id);
    let kept = ticket.kept_for(id).unwrap_or_default();
    match provider.resume(reply(context, &form, kept, &callback, request, now)).await {
        Ok(step) => {
            let pending = pending.as_ref();
            Turn { context, provider, request, pending, browser, now }.take(step, &ticket).await
        }
        Err(fault) => failed(context, &fault, now),
    }
}

fn find<'c>(context: &'c Context, id: &str) -> Option<&'c dyn IdentityProvider> {
    context.providers.iter().find(|provider| provider.id().as_str() == id).map(|provider| &**provider)
}

fn failed(context: &Context, fault: &SignInFault, now: Timestamp) -> Reply {
    refused(context, fault, now);
    match fault {
        SignInFault::Limited { retry_after } => {
            show::error(context, &oauth_core::OAuthError::limited(*retry_after))
        }
        SignInFault::Unavailable(_) => show::error(context, &oauth_core::OAuthError::unavailable()),
        SignInFault::Refused(_) => show::notice(
            context,
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "The sign-in was cancelled, or this account may not use this server.",
        ),
        _ => show::expired(context),
    }
}

/// Somebody is known: begins their session and goes on with the request.
async fn finish(
    context: &Arc<Context>,
    request: &Request,
    ticket: &Ticket,
    browser: &str,
    who: &SignedIn,
    now: Timestamp,
) -> Reply {
    let account = match account_of(context, who, now).await {
        Ok(account) => account,
        Err(error) => return show::store_failed(context, &error),
    };
    if account.disabled {
        return failed(context, &SignInFault::Refused("disabled"), now);
    }
    let cookie = match session::begin(context, &request.head, &account.subject, who.auth_time, now).await {
        Ok(cookie) => cookie,
        Err(error) => return show::store_failed(context, &error),
    };
    context.record(&Event { subject: Some(&account.subject), ..Event::new(EventKind::SignedIn, now) });
    let mut reply = continue_with(context, ticket, browser);
    reply.headers_mut().append(SET_COOKIE, cookie);
    reply
}

/// On to the request that the page was shown for, signed in or not.
fn continue_with(context: &Context, ticket: &Ticket, browser: &str) -> Reply {
    let path = context.issuer.path();
    let location = match &ticket.connect {
        Some(connection) => format!("{path}/connect/{connection}?{}", ticket.query),
        None => format!("{path}/authorize/continue?ticket={}", ticket.seal_resumed(context, browser)),
    };
    redirect_reply(&location).unwrap_or_else(|| show::expired(context))
}

/// The account of an identity, opened at its first sign-in.
async fn account_of(context: &Context, who: &SignedIn, now: Timestamp) -> Result<Account, StoreError> {
    let accounts = &context.stores.accounts;
    if let Some(account) = accounts.find_by_identity(&who.identity).await? {
        return Ok(account);
    }
    let subject = Subject::generate(&*context.entropy);
    let account = Account { subject, name: who.name.clone(), created_at: now, disabled: false };
    match accounts.open(&account, &who.identity).await {
        Ok(()) => Ok(account),
        // Somebody with the same identity signed in for the first time at this very moment.
        Err(StoreError::Conflict) => accounts
            .find_by_identity(&who.identity)
            .await?
            .ok_or_else(|| StoreError::corrupt("an identity without account")),
        Err(error) => Err(error),
    }
}

/// `POST /sign-out`: from a consent page, to go on as somebody else. The page's ticket is the proof that the user pressed the button
/// (AS-84).
pub(crate) async fn sign_out(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    let Ok(form) = Form::read(&request.body, &["scope"], &[]) else { return show::expired(context) };
    let visitor = match Visitor::of(context, &request.head, now).await {
        Ok(visitor) => visitor,
        Err(error) => return show::store_failed(context, &error),
    };
    let ticket = visitor.user.as_ref().zip(form.get(TICKET)).and_then(|(user, sealed)| {
        Ticket::open_consent(context, &request.head, &user.account.subject, sealed, now)
    });
    let Some(ticket) = ticket else { return show::expired(context) };
    if let Err(error) = session::end(context, &request.head).await {
        return show::store_failed(context, &error);
    }
    let (browser, cookie) = session::renamed(context);
    let mut reply = continue_with(context, &Ticket { shown: None, ..ticket }, &browser);
    reply.headers_mut().append(SET_COOKIE, session::forgotten(context));
    reply.headers_mut().append(SET_COOKIE, cookie);
    reply
}
