//! What travels through the browser between two pages: sealed, for one purpose, for one browser, for ten minutes.

use http::request::Parts;
use oauth_core::{GrantId, ResourceSet, ScopeSet, StoreError, Subject, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

use super::session::browser_of;
use crate::server::Context;

/// A page's memory. What the browser sends beside it is not believed: a ticket that was changed does not open (AS-83).
#[derive(Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The authorization request, as it was checked. It is checked again.
    pub(super) query: String,
    /// When the page was shown.
    pub(super) issued_at: Timestamp,
    /// Names the page. A consent page's grant has this name: it can be opened once.
    pub(super) id: GrantId,
    /// The ways of signing in whose form the page shows, or the one that led elsewhere, each with what it wants to know again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) kept: Vec<(String, Vec<u8>)>,
    /// What the consent page showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shown: Option<ShownConsent>,
    /// The third party, where `query` is not that of `/authorize` but of the page on which an account there is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connect: Option<String>,
}

/// What a user saw when they agreed.
#[derive(Serialize, Deserialize)]
pub(super) struct ShownConsent {
    pub(super) subject: Subject,
    pub(super) scopes: ScopeSet,
    pub(super) resources: ResourceSet,
    pub(super) client: TokenHash,
    /// When they had signed in. A later sign-in of theirs will do, an earlier one is not as fresh as the page asked for.
    pub(super) auth_time: Timestamp,
}

/// For what a ticket is: one never opens as another.
const SIGN_IN: &str = "ticket: sign in";
const UPSTREAM: &str = "ticket: upstream state";
const RESUMED: &str = "ticket: continue";
const CONSENT: &str = "ticket: consent";

impl Ticket {
    pub(super) fn new(context: &Context, query: &str, now: Timestamp) -> Self {
        Self {
            query: query.to_owned(),
            issued_at: now,
            id: GrantId::generate(&*context.entropy),
            kept: Vec::new(),
            shown: None,
            connect: None,
        }
    }

    /// A further page on the way to what this one was for.
    pub(super) fn next(&self, context: &Context, now: Timestamp) -> Self {
        Self { connect: self.connect.clone(), ..Self::new(context, &self.query, now) }
    }

    /// What a way of signing in wants to know again, if it was begun.
    pub(super) fn kept_for(&self, provider: &str) -> Option<&[u8]> {
        self.kept.iter().find(|(id, _)| id == provider).map(|(_, kept)| kept.as_slice())
    }

    /// Whether nobody has done with it what it is for (AS-64, A-UPS-11). `purpose` tells uses of one ticket apart.
    pub(super) async fn first_use(
        &self,
        context: &Context,
        purpose: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = TokenHash::of(&format!("{purpose} {}", self.id));
        context.stores.replay.first_use(&key, now + context.policy.interaction, now).await
    }

    pub(super) fn seal_sign_in(&self, context: &Context, browser: &str) -> String {
        self.seal(context, SIGN_IN, &[browser])
    }

    pub(super) fn open_sign_in(
        context: &Context,
        head: &Parts,
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        Self::open(context, SIGN_IN, &[browser_of(context, head)?], sealed, now)
    }

    /// The `state` of an upstream request: it opens at the callback of that one provider.
    pub(super) fn seal_upstream(&self, context: &Context, browser: &str, provider: &str) -> String {
        self.seal(context, UPSTREAM, &[browser, provider])
    }

    pub(super) fn open_upstream(
        context: &Context,
        head: &Parts,
        provider: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        Self::open(context, UPSTREAM, &[browser_of(context, head)?, provider], sealed, now)
    }

    pub(super) fn seal_resumed(&self, context: &Context, browser: &str) -> String {
        self.seal(context, RESUMED, &[browser])
    }

    pub(super) fn open_resumed(
        context: &Context,
        head: &Parts,
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        Self::open(context, RESUMED, &[browser_of(context, head)?], sealed, now)
    }

    /// A consent page's ticket is its CSRF token, too: bound to the browser and to who signed in there (AS-64). Not to their session: signing
    /// in in another tab begins a new one, and does not end this page (AS-77). Signing out does: the browser gets another name.
    pub(super) fn seal_consent(&self, context: &Context, browser: &str, subject: &Subject) -> String {
        self.seal(context, CONSENT, &[browser, subject.as_str()])
    }

    pub(super) fn open_consent(
        context: &Context,
        head: &Parts,
        subject: &Subject,
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        Self::open(context, CONSENT, &[browser_of(context, head)?, subject.as_str()], sealed, now)
    }

    fn seal(&self, context: &Context, label: &str, bound_to: &[&str]) -> String {
        let plain = serde_json::to_vec(self).expect("texts and numbers have a json form");
        context.sealer.seal(label, bound_to.join("\0").as_bytes(), &plain, &*context.entropy)
    }

    fn open(context: &Context, label: &str, bound_to: &[&str], sealed: &str, now: Timestamp) -> Option<Self> {
        let plain = context.sealer.open(label, bound_to.join("\0").as_bytes(), sealed)?;
        let ticket: Self = serde_json::from_slice(&plain).ok()?;
        (now.since(ticket.issued_at) < context.policy.interaction).then_some(ticket)
    }
}
