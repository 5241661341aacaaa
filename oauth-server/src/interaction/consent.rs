//! Do they agree? The consent page, and what comes back from it.
//!
//! What comes back counts if
//! 1. the ticket opens in this browser, for who is signed in, and not earlier than they were when it was shown, in time (AS-64, AS-83);
//! 2. the request passes its checks again, and the client is still what the user saw (A-CONS-10), to other servers over the store, too: else
//!    the page is shown anew, and says why;
//! 3. the page was not answered before: the grant that it opens has the ticket's name.

use std::sync::Arc;

use http::StatusCode;
use oauth_core::{Consent, Event, EventKind, Form, GrantId, ScopeSet, StoreError, Timestamp};

use super::client_view::ClientTexts;
use super::recheck;
use super::session::{User, Visitor};
use super::show;
use super::ticket::{ShownConsent, Ticket};
use crate::authorize::{self, Agreement, Approval, Checked, NO_ROOM, Pending};
use crate::pages::{AccountView, ConsentPage, Page, ResourceView, ScopeView};
use crate::server::Context;
use crate::wire::{Reply, Request, source_of};

/// Why a page is shown that looks like the one before.
const CHANGED: &str = "The app has changed what it says of itself since this page was shown, so nothing was permitted. This is how it is now.";
const MOVED: &str = "The app would use another server now than this page showed, so nothing was permitted. This is how it is now.";
const UNDECIDED: &str = "Nothing was decided. Choose one of the buttons at the end of the page.";

/// Who is asked, and what about.
pub(super) struct Asking<'a> {
    /// The authorization request.
    pub(super) query: &'a str,
    /// What brought the user here.
    pub(super) request: &'a Request,
    pub(super) visitor: &'a Visitor,
    pub(super) user: &'a User,
    /// What the user began: it ends with one yes, however often its page is shown (AS-83).
    pub(super) interaction: GrantId,
}

/// Asks. `notice`: why once more.
pub(super) async fn page(
    context: &Arc<Context>,
    pending: &Pending,
    asking: &Asking<'_>,
    notice: Option<&str>,
    now: Timestamp,
) -> Result<Reply, StoreError> {
    let Asking { query, request, visitor, user, interaction } = *asking;
    let Some(asked) = pending.request() else { return Ok(show::expired(context)) };
    let fingerprint = pending.fingerprint();
    let before = context.stores.consents.find(&user.account.subject, &pending.client().id).await?;
    let before = before.filter(|consent| consent.client_fingerprint == fingerprint);

    let mut ticket = Ticket { id: interaction, ..Ticket::new(context, query, now) };
    ticket.shown = Some(ShownConsent {
        subject: user.account.subject.clone(),
        scopes: asked.scopes.clone(),
        resources: asked.resources.clone(),
        client: fingerprint,
        auth_time: user.session.auth_time,
    });
    let sealed = ticket.seal_consent(context, &visitor.browser, &user.account.subject);

    let source = source_of(&request.head, &context.trusted_proxies);
    let logo = context.clients.logo(context, pending.client(), source, now).await;
    let client = ClientTexts::of(pending).with_logo(logo);
    let resources: Vec<ResourceView<'_>> = context
        .resources
        .iter()
        .filter(|(resource, _)| asked.resources.contains(resource))
        .map(|(resource, name)| ResourceView { name: name.as_deref(), id: resource.as_str() })
        .collect();
    let scopes: Vec<ScopeView<'_>> = context
        .scopes
        .iter()
        .filter(|scope| asked.scopes.contains(&scope.name))
        .map(|scope| ScopeView {
            name: &scope.name,
            words: Some(scope.words.as_str()).filter(|words| !words.is_empty()),
            optional: !scope.required,
            checked: true,
            already_granted: before.as_ref().is_some_and(|consent| consent.scopes.contains(&scope.name)),
        })
        .collect();
    let action = format!("{}/authorize/consent", context.issuer.path());
    let switch = format!("{}/sign-out", context.issuer.path());
    let page = ConsentPage {
        client: client.view(),
        account: Some(AccountView {
            name: user.account.name.as_deref().unwrap_or(user.account.subject.as_str()),
            switch: Some(&switch),
        }),
        resources: &resources,
        scopes: &scopes,
        upstream: None,
        action: &action,
        ticket: &sealed,
        notice,
    };
    let mut reply = show::page(context, StatusCode::OK, &Page::Consent(page));
    visitor.remember(context, &mut reply);
    Ok(reply)
}

/// `POST /authorize/consent`.
pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    match answer(context, request, now).await {
        Ok(reply) => reply,
        // The grant that this page opens is there: it was answered before.
        Err(StoreError::Conflict) => show::answered(context),
        Err(error) => show::store_failed(context, &error),
    }
}

async fn answer(context: &Arc<Context>, request: &Request, now: Timestamp) -> Result<Reply, StoreError> {
    // A box for each scope, however many there are.
    let most = Form::MAX_PARAMETERS + context.scopes.len();
    let Ok(form) = Form::read_at_most(most, &request.body, &["scope"], &[]) else {
        return Ok(show::expired(context));
    };
    let visitor = Visitor::of(context, &request.head, now).await?;
    let Some(user) = &visitor.user else { return Ok(show::expired(context)) };
    let ticket = form
        .get("ticket")
        .and_then(|sealed| Ticket::open_consent(context, &request.head, &user.account.subject, sealed, now));
    let Some((ticket, shown)) =
        ticket.and_then(|mut ticket| ticket.shown.take().map(|shown| (ticket, shown)))
    else {
        return Ok(show::expired(context));
    };
    if shown.subject != user.account.subject || user.session.auth_time < shown.auth_time {
        return Ok(show::expired(context));
    }
    let pending = match recheck(context, &ticket.query, request, now).await {
        Ok(pending) => pending,
        Err(reply) => return Ok(reply),
    };
    let asking = Asking { query: &ticket.query, request, visitor: &visitor, user, interaction: ticket.id };
    // A no is a no to whatever the client is now.
    let denies = form.get("decision") == Some("deny");
    if !denies && pending.fingerprint() != shown.client {
        return page(context, &pending, &asking, Some(CHANGED), now).await;
    }
    let asked_for = pending.request().map(|asked| &asked.resources);
    if !denies && asked_for != Some(&shown.resources) {
        // Answered where another resource is the default: the user has not seen this one.
        return page(context, &pending, &asking, Some(MOVED), now).await;
    }
    let scopes = match form.get("decision") {
        Some("allow") => chosen(context, &form, &shown.scopes),
        Some("deny") => ScopeSet::empty(),
        // Neither button: nothing was said (AS-79).
        _ => return page(context, &pending, &asking, Some(UNDECIDED), now).await,
    };
    let subject = &user.account.subject;
    let agreement =
        Agreement { subject, auth_time: user.session.auth_time, scopes: &scopes, grant: ticket.id };
    // Permission for nothing of what was shown is a refusal, too.
    let is_denied = denies || (scopes.is_empty() && !shown.scopes.is_empty());
    let client_id = pending.client().id.clone();
    let event = Event {
        subject: Some(subject),
        client_id: Some(&client_id),
        ..Event::new(EventKind::ConsentDenied, now)
    };
    if is_denied {
        // What they agreed to before does not outlive a no.
        context.stores.consents.forget(subject, &client_id).await?;
        let answer = pending.deny(&agreement, now).await?;
        context.record(&event);
        return Ok(authorize::send(context, &answer));
    }
    let Some(resources) = pending.request().map(|asked| asked.resources.clone()) else {
        return Ok(show::expired(context));
    };
    let is_memorable = pending.is_memorable();
    let answer = match pending.approve(&agreement, now).await? {
        Approval::Given(answer) => answer,
        Approval::Outdated => return ask_again(context, &asking, now).await,
        Approval::NoRoom => return Ok(authorize::refuse(context, &NO_ROOM, now)),
    };
    context.record(&Event { kind: EventKind::ConsentGiven, scopes: Some(&scopes), ..event });
    let consent = Consent {
        subject: subject.clone(),
        client_id: client_id.clone(),
        client_fingerprint: shown.client,
        scopes: scopes.clone(),
        resources,
        given_at: now,
        expires_at: now + context.policy.consent,
    };
    if is_memorable && let Err(error) = remember(context, consent, &shown.scopes).await {
        // They are asked again the next time.
        tracing::warn!(error = &error as &dyn std::error::Error, "a consent was not remembered");
    }
    Ok(authorize::send(context, &answer))
}

/// Another server knows a newer document of the client than the one that the page showed. The ticket is used up with the grant that was taken
/// back: the page is a new one.
async fn ask_again(context: &Arc<Context>, asking: &Asking<'_>, now: Timestamp) -> Result<Reply, StoreError> {
    match authorize::check(context, asking.query, &asking.request.head, now).await {
        Checked::Ready(pending) => {
            let asking = Asking { interaction: GrantId::generate(&*context.entropy), ..*asking };
            page(context, &pending, &asking, Some(CHANGED), now).await
        }
        Checked::Shown(shown) => Ok(authorize::refuse(context, &shown, now)),
        Checked::Told { .. } => Ok(show::expired(context)),
    }
}

/// What was ticked, of what was shown; and what could not be unticked (A-CONS-9).
fn chosen(context: &Context, form: &Form<'_>, shown: &ScopeSet) -> ScopeSet {
    let ticked: ScopeSet = form.all("scope").collect();
    let required: ScopeSet =
        context.scopes.iter().filter(|scope| scope.required).map(|scope| scope.name.as_str()).collect();
    shown.intersection(&ticked.union(&required))
}

/// Adds to what the user agreed to before, if the client and its address are still the same. What was shown now and left unticked is taken back.
async fn remember(context: &Context, mut consent: Consent, shown: &ScopeSet) -> Result<(), StoreError> {
    if context.policy.consent.is_zero() {
        return Ok(());
    }
    let before = context.stores.consents.find(&consent.subject, &consent.client_id).await?;
    if let Some(before) = before.filter(|before| {
        before.client_fingerprint == consent.client_fingerprint
            && before.resources == consent.resources
            && consent.given_at < before.expires_at
    }) {
        consent.scopes = consent.scopes.union(&before.scopes.difference(shown));
    }
    context.stores.consents.remember(&consent).await
}
