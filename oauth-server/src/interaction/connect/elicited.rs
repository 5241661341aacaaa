//! What was elicited: whose account is to be connected, and for which client. Sealed on all of its way.

use http::request::Parts;
use oauth_core::{ClientId, GrantId, StoreError, Subject, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

use crate::interaction::session::browser_of;
use crate::server::Context;

/// One request for an account. It is in the link that an MCP client shows its user, in the page to which that leads, and in the `state` with
/// which they go to the third party; each is sealed under a label of its own, and opens as no other.
#[derive(Serialize, Deserialize)]
pub(crate) struct Elicited {
    /// Names it: what is done with it is done once.
    pub(super) id: GrantId,
    /// Who asked, by the token of the MCP request. Nobody else may answer.
    pub(super) subject: Subject,
    pub(super) client_id: ClientId,
    /// When the link was made; the `state`: when they went.
    pub(super) issued_at: Timestamp,
    /// How often the third party could not be asked. What was begun anew is another thing.
    #[serde(default)]
    pub(super) attempt: u32,
    /// What the third party's adapter wants to know again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) kept: String,
}

/// How often somebody may click.
const DEPARTURES: u32 = 4;
const LINK: &str = "connect: link";

/// Where somebody is on the way.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// On the page, which is to be answered.
    Page,
    /// At the third party, with a `state`.
    State,
}

impl Step {
    const fn label(self) -> &'static str {
        match self {
            Self::Page => "connect: page",
            Self::State => "connect: state",
        }
    }
}

impl Elicited {
    pub(crate) fn new(context: &Context, subject: Subject, client_id: ClientId, now: Timestamp) -> Self {
        let id = GrantId::generate(&*context.entropy);
        Self { id, subject, client_id, issued_at: now, attempt: 0, kept: String::new() }
    }

    pub(crate) fn id(&self) -> GrantId {
        self.id
    }

    /// For a link: it opens at the third party that it was made for, in any browser. Who sits there is asked after that.
    pub(crate) fn seal_link(&self, context: &Context, connection: &str) -> String {
        self.seal(context, LINK, &[connection])
    }

    pub(super) fn open_link(
        context: &Context,
        connection: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        Self::open(context, LINK, &[connection], sealed, now)
    }

    /// For a step of theirs: it opens at this step, in one browser, for who is signed in there. On a page it is the CSRF token.
    pub(super) fn seal_here(&self, context: &Context, step: Step, connection: &str, browser: &str) -> String {
        self.seal(context, step.label(), &[connection, browser, self.subject.as_str()])
    }

    /// For nobody but the subject that it names.
    pub(super) fn open_here(
        context: &Context,
        step: Step,
        connection: &str,
        (head, subject): (&Parts, &Subject),
        sealed: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let browser = browser_of(context, head)?;
        Self::open(context, step.label(), &[connection, browser, subject.as_str()], sealed, now)
    }

    /// Whether nobody has come back with it. The one mark that makes a link connect once.
    pub(super) async fn first_return(&self, context: &Context, now: Timestamp) -> Result<bool, StoreError> {
        self.first_use(context, "return", now).await
    }

    /// Whether they may go: a second click goes on where the first one went, unless they have said no or have come back meanwhile. The store
    /// can mark, and cannot look; so each of a few departures has a mark, and what ends them takes all that are left.
    pub(super) async fn may_depart(&self, context: &Context, now: Timestamp) -> Result<bool, StoreError> {
        for n in 0..DEPARTURES {
            if self.first_use(context, &format!("departure {n}"), now).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Nobody goes any more. Whether nobody went before.
    pub(super) async fn close(&self, context: &Context, now: Timestamp) -> Result<bool, StoreError> {
        let is_unanswered = self.first_use(context, "departure 0", now).await?;
        for n in 1..DEPARTURES {
            self.first_use(context, &format!("departure {n}"), now).await?;
        }
        Ok(is_unanswered)
    }

    /// It is remembered for as long as it opens: the state of a departure may be made at the end of a page's time.
    async fn first_use(&self, context: &Context, what: &str, now: Timestamp) -> Result<bool, StoreError> {
        let key = TokenHash::of(&format!("connect: {what} {} {}", self.id, self.attempt));
        let until = now + context.policy.interaction + context.policy.interaction;
        context.stores.replay.first_use(&key, until, now).await
    }

    fn seal(&self, context: &Context, label: &str, bound_to: &[&str]) -> String {
        let plain = serde_json::to_vec(self).expect("texts and numbers have a json form");
        context.sealer.seal(label, bound_to.join("\0").as_bytes(), &plain, &*context.entropy)
    }

    fn open(context: &Context, label: &str, bound_to: &[&str], sealed: &str, now: Timestamp) -> Option<Self> {
        let plain = context.sealer.open(label, bound_to.join("\0").as_bytes(), sealed)?;
        let elicited: Self = serde_json::from_slice(&plain).ok()?;
        now.is_within(elicited.issued_at, context.policy.interaction).then_some(elicited)
    }
}
