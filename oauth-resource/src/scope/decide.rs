//! Whether a request may pass: what it asks for, what that needs, and what the caller has.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use oauth_core::{Clock, ErrorCode, ScopeSet};

use crate::answer::{self, Answer};
use crate::audit::Trail;
use crate::authorized::Authorized;
use crate::bearer::ProvenFor;
use crate::challenge::{Challenge, Fault};
use crate::scope::authentication::Authentication;
use crate::scope::headers::{PROTOCOL_VERSION, Said};
use crate::scope::json;
use crate::scope::operation::Operation;
use crate::scope::peek::{Messages, peek};
use crate::scope::policy::{Asked, Need, ScopePolicy};
use crate::scope::reading::Unreadable;

/// What can be set.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) policy: Arc<dyn ScopePolicy>,
    pub(crate) challenge: Challenge,
    pub(crate) max_body: usize,
    pub(crate) includes_granted: bool,
    /// What basic use needs, named to strangers beside what their operation needs.
    pub(crate) basic: ScopeSet,
    /// Looked at only where a sign-in must not be old.
    pub(crate) clock: Arc<dyn Clock>,
}

/// How many bytes are read of the body of a caller without a good token, to name in the challenge what the operation needs.
pub(crate) const MAX_STRANGERS_BODY: usize = 64 * 1024;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    Known(&'a Authorized),
    /// Without a good token, for this reason.
    Stranger(Fault),
}

impl<'a> Caller<'a> {
    /// Who sent a request: whom the bearer layer has put there, or a stranger for this reason.
    pub(crate) fn of(parts: &'a Parts, stranger: Option<Fault>) -> Self {
        match (stranger, parts.extensions.get()) {
            (None, Some(authorized)) => Self::Known(authorized),
            (fault, _) => Self::Stranger(fault.unwrap_or(Fault::Missing)),
        }
    }

    const fn known(self) -> Option<&'a Authorized> {
        match self {
            Self::Known(authorized) => Some(authorized),
            Self::Stranger(_) => None,
        }
    }
}

/// What the operations of a request need together.
enum Needs {
    Nothing,
    // Boxed: hardly any operation asks for a sign-in, and this is moved about.
    Scopes(ScopeSet, Option<Box<Authentication>>),
}

impl Needs {
    const fn scopes(scopes: ScopeSet) -> Self {
        Self::Scopes(scopes, None)
    }

    fn and(self, more: Self) -> Self {
        match (self, more) {
            (Self::Scopes(all, demand), Self::Scopes(scopes, more)) => {
                let demand = match (demand, more) {
                    (Some(demand), Some(more)) => Some(Box::new(demand.and(&more))),
                    (demand, more) => demand.or(more),
                };
                Self::Scopes(all.union(&scopes), demand)
            }
            (needs @ Self::Scopes(..), Self::Nothing) | (Self::Nothing, needs) => needs,
        }
    }
}

impl Settings {
    pub(crate) fn limit(&self, caller: Caller<'_>) -> usize {
        match caller {
            Caller::Known(_) => self.max_body,
            Caller::Stranger(_) => MAX_STRANGERS_BODY.min(self.max_body),
        }
    }

    /// The answer to a body that cannot be read.
    #[cold]
    pub(crate) fn unreadable(&self, why: Unreadable, caller: Caller<'_>) -> Answer {
        let (status, text) = match (why, caller) {
            // The connection broke, or its framing: nothing was asked for. What exactly is for the server's log.
            (Unreadable::Broken, _) => (StatusCode::BAD_REQUEST, "the request body cannot be read"),
            (_, Caller::Stranger(fault)) => return self.challenge_stranger(fault, self.policy.minimum()),
            (Unreadable::TooLong, _) => (StatusCode::PAYLOAD_TOO_LARGE, "the request body is too long"),
            (Unreadable::TooSlow, _) => (StatusCode::REQUEST_TIMEOUT, "the request body did not arrive"),
        };
        answer::plain(status, "invalid_request", text)
    }

    /// One sign-in shall do for basic use, whatever the first request is (RS-19).
    fn challenge_stranger(&self, fault: Fault, needed: &ScopeSet) -> Answer {
        self.challenge.answer(fault, &needed.union(&self.basic))
    }

    /// A request without a body.
    pub(crate) fn decide_bare(&self, parts: &Parts, caller: Caller<'_>) -> Result<(), Box<Answer>> {
        if let Some(trail) = parts.extensions.get::<Trail>() {
            trail.note(caller.known(), |each| each(parts.method.as_str(), None));
        }
        self.judge_proof(parts, &[])?;
        let operation = Operation::Http { method: &parts.method };
        self.judge(self.needs_of(&operation, caller), &parts.headers, caller)
    }

    /// A request with a body, of which its headers say this.
    pub(crate) fn decide(
        &self,
        parts: &Parts,
        said: Said,
        caller: Caller<'_>,
        body: &[u8],
    ) -> Result<(), Box<Answer>> {
        // What others may read differently might be anything.
        let messages = if said.is_utf8() { peek(body) } else { Err(json::Fault::NotJson) };
        if let Some(trail) = parts.extensions.get::<Trail>() {
            trail.note(caller.known(), |each| {
                for message in messages.iter().flat_map(Messages::as_slice) {
                    message.operations(|operation| each(operation.method(), operation.name()));
                }
            });
        }
        self.judge_proof(parts, body)?;
        let needs = match &messages {
            Ok(messages) => self.needs(messages, caller),
            // A stranger is told what basic use needs, not what everything does.
            Err(_) if caller.known().is_none() => Needs::scopes(self.policy.minimum().clone()),
            Err(_) => self.needs_of(&Operation::Unclassified, caller),
        };
        if let Caller::Stranger(fault) = caller
            && (matches!(needs, Needs::Scopes(..)) || fault != Fault::Missing)
        {
            return self.judge(needs, &parts.headers, caller);
        }
        match &messages {
            Ok(messages) => said.agrees(&parts.headers, messages.as_slice()).map_err(|_| {
                let why = "headers and body differ";
                Box::new(answer::json_rpc(StatusCode::BAD_REQUEST, HEADER_MISMATCH, why))
            })?,
            Err(json::Fault::Repeated) => {
                let why = "a member of the message is there twice";
                return Err(Box::new(answer::json_rpc(StatusCode::BAD_REQUEST, INVALID_REQUEST, why)));
            }
            Err(_) if has_form_token(&parts.headers, body) => {
                let why = "send one access token, in the authorization header";
                return Err(Box::new(self.challenge.malformed(why)));
            }
            Err(_) => {}
        }
        self.judge(needs, &parts.headers, caller)
    }

    /// A proof that says which body it is for is for no other (DPOP-20).
    fn judge_proof(&self, parts: &Parts, body: &[u8]) -> Result<(), Box<Answer>> {
        match parts.extensions.get::<ProvenFor>() {
            Some(ProvenFor(proven)) if !proven.is_of(body) => {
                tracing::debug!(reason = "proof_content", "proof refused");
                Err(Box::new(self.challenge.refuse_proof(ErrorCode::InvalidDpopProof, self.policy.minimum())))
            }
            _ => Ok(()),
        }
    }

    fn needs(&self, messages: &Messages<'_>, caller: Caller<'_>) -> Needs {
        let mut needs: Option<Needs> = None;
        let mut add = |more: Needs| {
            needs = Some(match needs.take() {
                None => more,
                Some(needs) => needs.and(more),
            });
        };
        for message in messages.as_slice() {
            message.operations(|operation| add(self.needs_of(&operation, caller)));
        }
        // An empty batch.
        needs.unwrap_or_else(|| self.needs_of(&Operation::Unclassified, caller))
    }

    fn needs_of(&self, operation: &Operation<'_>, caller: Caller<'_>) -> Needs {
        // A stranger who sends what cannot be read is told what basic use needs.
        if *operation == Operation::Unclassified && caller.known().is_none() {
            return Needs::scopes(self.policy.minimum().clone());
        }
        let asked = Asked { operation, caller: caller.known() };
        match self.policy.need(asked) {
            Need::Nothing => Needs::Nothing,
            Need::Scopes(scopes) => Needs::Scopes(scopes, self.policy.authentication(asked).map(Box::new)),
        }
    }

    fn judge(&self, needs: Needs, headers: &HeaderMap, caller: Caller<'_>) -> Result<(), Box<Answer>> {
        match (caller, needs) {
            // Whoever sends a bad token is not anonymous (A-AUD-14).
            (Caller::Stranger(Fault::Missing) | Caller::Known(_), Needs::Nothing) => Ok(()),
            (Caller::Stranger(fault), Needs::Nothing) => {
                Err(Box::new(self.challenge_stranger(fault, self.policy.minimum())))
            }
            (Caller::Stranger(fault), Needs::Scopes(scopes, _)) => {
                Err(Box::new(self.challenge_stranger(fault, &scopes)))
            }
            (Caller::Known(caller), Needs::Scopes(needed, demand)) => {
                if let Some(demand) = demand
                    && !demand.is_met_by(caller.claims(), self.clock.now())
                {
                    if demand.is_out_of_reach() {
                        tracing::debug!(
                            reason = "forbidden",
                            "refused: what it asks for wants sign-ins that exclude each other"
                        );
                        let why = "no one sign-in is enough for all of this: ask for each by itself";
                        return Err(Box::new(answer::plain(StatusCode::FORBIDDEN, "forbidden", why)));
                    }
                    tracing::debug!(reason = "insufficient_user_authentication", "refused");
                    return Err(Box::new(
                        self.challenge.authenticate(&demand, &caller.scopes().union(&needed)),
                    ));
                }
                if self.policy.hierarchy().covers_all(caller.scopes(), &needed) {
                    return Ok(());
                }
                tracing::debug!(reason = "insufficient_scope", needed = %needed, "refused");
                let told = if self.includes_granted && is_legacy(headers) {
                    caller.scopes().union(&needed)
                } else {
                    needed
                };
                Err(Box::new(self.challenge.answer(Fault::Scope, &told)))
            }
        }
    }
}

/// JSON-RPC 2.0 §5.1.
const INVALID_REQUEST: i32 = -32600;
/// MCP 2026-07-28.
const HEADER_MISMATCH: i32 = -32020;

/// Whether the client is of a protocol that asks anew for what the challenge names and nothing else.
fn is_legacy(headers: &HeaderMap) -> bool {
    // Versions are dates: they compare as texts.
    headers.get(&PROTOCOL_VERSION).is_none_or(|version| version.as_bytes() <= b"2025-11-25".as_slice())
}

/// RFC 6750 §2.2: a token in a form. Never read; beside one in the header it is a second method (RS-26, RS-35).
fn has_form_token(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().get(..FORM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(FORM.as_bytes()))
    });
    is_form && url::form_urlencoded::parse(body).any(|(name, _)| name == "access_token")
}

const FORM: &str = "application/x-www-form-urlencoded";
