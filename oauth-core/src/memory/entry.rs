//! A grant as it is kept in memory, with its credentials.

use std::sync::Arc;

use crate::grant::{Binding, CodeBinding, Credential, Grant, SubjectKind};
use crate::id::{ClientId, GrantId, Subject};
use crate::memory::reach::{Reach, Reaches};
use crate::seal::SealedReply;
use crate::secret::TokenHash;
use crate::store::Exchange;
use crate::time::Timestamp;
use crate::token::{CredentialKey, CredentialKind};

/// A grant as it is kept. Both parts are named where it is found, so that memory is asked for both at once.
pub(super) struct Entry {
    pub(super) head: Box<Head>,
    pub(super) slots: Vec<Slot>,
}

/// What there is of a grant but its credentials: what others have too is shared with them.
pub(super) struct Head {
    pub(super) subject: Subject,
    pub(super) client_id: ClientId,
    pub(super) reach: Arc<Reach>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) auth_time: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
    /// Not after the first moment past which something of it can be forgotten.
    pub(super) due: Timestamp,
    pub(super) subject_kind: SubjectKind,
}

/// A credential as it is kept.
pub(super) struct Slot {
    hash: TokenHash,
    reach: Arc<Reach>,
    issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) spent_at: Option<Timestamp>,
    bound: Option<Box<Bound>>,
    retry: Option<Box<Retry>>,
    kind: CredentialKind,
}

/// What few credentials have: most are bearer tokens, and short is the life of a code.
struct Bound {
    binding: Binding,
    code: Option<Box<CodeBinding>>,
}

/// What a retry needs.
struct Retry {
    reply: SealedReply,
    successor: Option<TokenHash>,
    until: Timestamp,
}

/// Whether all of `credentials` belong to the grant, and none has a hash that is taken, by another of them either.
pub(super) fn are_new(slots: &[Slot], grant: GrantId, credentials: &[Credential]) -> bool {
    credentials.iter().enumerate().all(|(at, Credential { key, .. })| {
        key.grant == grant
            && slots.iter().all(|slot| slot.hash != key.hash)
            && credentials[..at].iter().all(|other| other.key.hash != key.hash)
    })
}

impl Head {
    pub(super) fn grant(&self, id: GrantId) -> Grant {
        Grant {
            id,
            subject: self.subject.clone(),
            subject_kind: self.subject_kind,
            client_id: self.client_id.clone(),
            scopes: self.reach.scopes.clone(),
            resources: self.reach.resources.clone(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            auth_time: self.auth_time,
            revoked_at: self.revoked_at,
        }
    }
}

impl Entry {
    /// The first moment past which something of it can be forgotten; of a grant without credentials, any.
    pub(super) fn first_end(&self) -> Timestamp {
        let slots = self.slots.iter().map(|slot| slot.expires_at);
        let replies = self.slots.iter().filter_map(|slot| slot.retry.as_ref().map(|retry| retry.until));
        let Some(first) = slots.chain(replies).min() else { return Timestamp::from_millis(0) };
        first.min(self.head.expires_at).min(self.head.revoked_at.unwrap_or(Timestamp::MAX))
    }

    /// Whether nothing of it is left.
    pub(super) fn is_over(&self, before: Timestamp) -> bool {
        self.head.expires_at < before
            || self.head.revoked_at.is_some_and(|at| at < before)
            || self.slots.iter().all(|slot| slot.expires_at < before)
    }

    /// Where a credential is. The newest is asked for most.
    pub(super) fn position(&self, hash: &TokenHash) -> Option<usize> {
        self.slots.iter().rposition(|slot| slot.hash == *hash)
    }

    pub(super) fn spend(&mut self, at: usize, exchange: &Exchange<'_>) {
        self.forget_replies(exchange.now);
        let slot = &mut self.slots[at];
        slot.spent_at = Some(exchange.now);
        // Without grace there is no retry, and nothing to keep for one.
        slot.retry = (!exchange.grace.is_zero()).then(|| {
            Box::new(Retry {
                reply: exchange.reply.clone(),
                successor: exchange.successor().map(|key| key.hash),
                until: exchange.now + exchange.grace,
            })
        });
    }

    /// The earlier reply, if presenting the spent credential at `at` again is a retry.
    pub(super) fn retried(&self, at: usize, exchange: &Exchange<'_>) -> Option<SealedReply> {
        let spent = &self.slots[at];
        let (spent_at, retry) = (spent.spent_at?, spent.retry.as_ref()?);
        if !exchange.is_retry_of(spent_at, &retry.reply) {
            return None;
        }
        // A successor that is gone may have been spent: in doubt, no retry.
        let unspent =
            |hash: &TokenHash| self.position(hash).is_some_and(|at| self.slots[at].spent_at.is_none());
        retry.successor.as_ref().is_none_or(unspent).then(|| retry.reply.clone())
    }

    pub(super) fn revoke(&mut self, now: Timestamp) {
        self.head.revoked_at = Some(now);
        for slot in &mut self.slots {
            slot.retry = None;
        }
    }

    pub(super) fn forget_replies(&mut self, before: Timestamp) {
        for slot in &mut self.slots {
            slot.retry.take_if(|retry| retry.until < before);
        }
    }
}

impl Slot {
    pub(super) fn new(credential: &Credential, granted: &Arc<Reach>, reaches: &mut Reaches) -> Self {
        let same = credential.scopes == granted.scopes && credential.resources == granted.resources;
        let plain = credential.binding == Binding::Bearer && credential.code.is_none();
        Self {
            hash: credential.key.hash,
            reach: if same {
                granted.clone()
            } else {
                reaches.enter(&credential.scopes, &credential.resources)
            },
            issued_at: credential.issued_at,
            expires_at: credential.expires_at,
            spent_at: None,
            bound: (!plain)
                .then(|| Box::new(Bound { binding: credential.binding, code: credential.code.clone() })),
            retry: None,
            kind: credential.kind,
        }
    }

    pub(super) fn credential(&self, key: CredentialKey) -> Credential {
        Credential {
            key,
            kind: self.kind,
            binding: self.bound.as_ref().map_or(Binding::Bearer, |bound| bound.binding),
            scopes: self.reach.scopes.clone(),
            resources: self.reach.resources.clone(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            code: self.bound.as_ref().and_then(|bound| bound.code.clone()),
        }
    }
}
