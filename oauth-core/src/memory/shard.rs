//! A shard of the ledger: what happens to a grant under one lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::grant::{Binding, CodeBinding, Credential, Grant, SubjectKind};
use crate::id::{ClientId, GrantId, Subject};
use crate::memory::index::{Index, Reach};
use crate::memory::{Sweep, is_roomy};
use crate::seal::SealedReply;
use crate::secret::TokenHash;
use crate::store::{Exchange, Exchanged, Found, Spent, StoreError};
use crate::time::Timestamp;
use crate::token::{CredentialKey, CredentialKind};

/// Some of the grants, each with all its credentials.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) grants: HashMap<GrantId, Box<Entry>>,
    /// Each grant by [`Entry::due`]: a purge looks at no others.
    due: BTreeSet<(Timestamp, GrantId)>,
    sweep: Sweep,
}

/// A grant as it is kept: what others have too is shared with them.
pub(super) struct Entry {
    subject: Subject,
    client_id: ClientId,
    reach: Arc<Reach>,
    issued_at: Timestamp,
    expires_at: Timestamp,
    auth_time: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// Not after the first moment past which something of it can be forgotten.
    due: Timestamp,
    slots: Vec<Slot>,
    subject_kind: SubjectKind,
}

/// A credential as it is kept.
struct Slot {
    hash: TokenHash,
    reach: Arc<Reach>,
    issued_at: Timestamp,
    expires_at: Timestamp,
    spent_at: Option<Timestamp>,
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

impl Shard {
    pub(super) fn open(
        &mut self,
        grant: &Grant,
        first: &[Credential],
        index: &Index,
    ) -> Result<(), StoreError> {
        if self.grants.contains_key(&grant.id) || !are_new(&[], grant.id, first) {
            return Err(StoreError::Conflict);
        }
        let (subject, client_id) = index.enter(&grant.subject, &grant.client_id, grant.id);
        let reach = index.reach(&grant.scopes, &grant.resources);
        let mut slots = Vec::with_capacity(first.len());
        slots.extend(first.iter().map(|credential| Slot::new(credential, &reach, index)));
        let mut entry = Entry {
            subject,
            client_id,
            reach,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
            auth_time: grant.auth_time,
            revoked_at: grant.revoked_at,
            due: Timestamp::MAX,
            slots,
            subject_kind: grant.subject_kind,
        };
        entry.due = entry.first_end();
        self.due.insert((entry.due, grant.id));
        self.grants.insert(grant.id, Box::new(entry));
        self.sweep(grant.issued_at, index);
        Ok(())
    }

    pub(super) fn find(&self, key: &CredentialKey) -> Option<Found> {
        let entry = self.grants.get(&key.grant)?;
        let slot = entry.slot(&key.hash)?;
        let spent = slot.spent_at.map(|at| Spent { at });
        Some(Found::new(entry.grant(key.grant), slot.credential(*key), spent))
    }

    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        index: &Index,
    ) -> Result<Exchanged, StoreError> {
        let CredentialKey { grant, hash } = *exchange.spent;
        let Some(entry) = self.grants.get_mut(&grant).filter(|entry| entry.revoked_at.is_none()) else {
            return Ok(Exchanged::Gone);
        };
        let Some(at) = entry.slots.iter().position(|slot| slot.hash == hash) else {
            return Ok(Exchanged::Gone);
        };
        if entry.slots[at].spent_at.is_some() {
            if let Some(reply) = entry.retried(at, exchange) {
                return Ok(Exchanged::Retried(reply));
            }
            entry.revoke(exchange.now);
            hasten(&mut self.due, entry, grant, exchange.now);
            return Ok(Exchanged::Replayed);
        }
        if !are_new(&entry.slots, grant, exchange.issued) {
            return Err(StoreError::Conflict);
        }
        entry.spend(at, exchange);
        let reach = &entry.reach;
        let issued = exchange.issued.iter().map(|credential| Slot::new(credential, reach, index));
        // Exactly, while they are few: most grants stay small. A busy one grows by doubling.
        if entry.slots.len() < 16 {
            entry.slots.reserve_exact(exchange.issued.len());
        }
        entry.slots.extend(issued);
        let reply = (!exchange.grace.is_zero()).then(|| exchange.now + exchange.grace);
        let ends = exchange.issued.iter().map(|credential| credential.expires_at).chain(reply).min();
        hasten(&mut self.due, entry, grant, ends.unwrap_or(Timestamp::MAX));
        self.sweep(exchange.now, index);
        Ok(Exchanged::Done)
    }

    /// Whether the grant was live and is not any more.
    pub(super) fn revoke(&mut self, id: &GrantId, now: Timestamp) -> bool {
        let Some(entry) = self.grants.get_mut(id).filter(|entry| entry.revoked_at.is_none()) else {
            return false;
        };
        entry.revoke(now);
        hasten(&mut self.due, entry, *id, now);
        now < entry.expires_at
    }

    pub(super) fn grant(&self, id: &GrantId) -> Option<Grant> {
        self.grants.get(id).map(|entry| entry.grant(*id))
    }

    pub(super) fn purge(&mut self, before: Timestamp, index: &Index) -> u64 {
        let mut removed = 0;
        while let Some((due, id)) = self.due.pop_first() {
            if due >= before {
                self.due.insert((due, id));
                break;
            }
            let Some(entry) = self.grants.get_mut(&id) else { continue };
            let had = entry.slots.len();
            let over = entry.expires_at < before || entry.revoked_at.is_some_and(|at| at < before);
            entry.slots.retain(|slot| !over && slot.expires_at >= before);
            entry.forget_replies(before);
            removed += had - entry.slots.len();
            if entry.slots.is_empty() {
                removed += 1;
                index.strike(entry.subject.clone(), entry.client_id.clone(), id);
                self.grants.remove(&id);
                continue;
            }
            if entry.slots.len() < had {
                entry.slots.shrink_to_fit();
            }
            // What is left ends later than `before`.
            entry.due = entry.first_end();
            self.due.insert((entry.due, id));
        }
        if is_roomy(self.grants.len(), self.grants.capacity()) {
            self.grants.shrink_to_fit();
        }
        removed as u64
    }

    fn sweep(&mut self, now: Timestamp, index: &Index) {
        if let Some(before) = self.sweep.due(now) {
            self.purge(before, index);
            index.tidy();
            self.sweep.done(self.grants.len());
        }
    }
}

/// Makes sure that a purge looks at a grant once `ends` is past.
fn hasten(due: &mut BTreeSet<(Timestamp, GrantId)>, entry: &mut Entry, id: GrantId, ends: Timestamp) {
    if ends < entry.due {
        due.remove(&(entry.due, id));
        entry.due = ends;
        due.insert((ends, id));
    }
}

/// Whether all of `credentials` belong to the grant, and none has a hash that is taken, by another of them either.
fn are_new(slots: &[Slot], grant: GrantId, credentials: &[Credential]) -> bool {
    credentials.iter().enumerate().all(|(at, Credential { key, .. })| {
        key.grant == grant
            && slots.iter().all(|slot| slot.hash != key.hash)
            && credentials[..at].iter().all(|other| other.key.hash != key.hash)
    })
}

impl Entry {
    /// The first moment past which something of it can be forgotten; of a grant without credentials, any.
    fn first_end(&self) -> Timestamp {
        let slots = self.slots.iter().map(|slot| slot.expires_at);
        let replies = self.slots.iter().filter_map(|slot| slot.retry.as_ref().map(|retry| retry.until));
        let Some(first) = slots.chain(replies).min() else { return Timestamp::from_millis(0) };
        first.min(self.expires_at).min(self.revoked_at.unwrap_or(Timestamp::MAX))
    }

    fn slot(&self, hash: &TokenHash) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.hash == *hash)
    }

    fn grant(&self, id: GrantId) -> Grant {
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

    fn spend(&mut self, at: usize, exchange: &Exchange<'_>) {
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
    fn retried(&self, at: usize, exchange: &Exchange<'_>) -> Option<SealedReply> {
        let spent = &self.slots[at];
        let (spent_at, retry) = (spent.spent_at?, spent.retry.as_ref()?);
        if !exchange.is_retry_of(spent_at, &retry.reply) {
            return None;
        }
        // A successor that is gone may have been spent: in doubt, no retry.
        let unspent = |hash: &TokenHash| self.slot(hash).is_some_and(|slot| slot.spent_at.is_none());
        retry.successor.as_ref().is_none_or(unspent).then(|| retry.reply.clone())
    }

    fn revoke(&mut self, now: Timestamp) {
        self.revoked_at = Some(now);
        for slot in &mut self.slots {
            slot.retry = None;
        }
    }

    fn forget_replies(&mut self, before: Timestamp) {
        for slot in &mut self.slots {
            slot.retry.take_if(|retry| retry.until < before);
        }
    }
}

impl Slot {
    fn new(credential: &Credential, granted: &Arc<Reach>, index: &Index) -> Self {
        let same = credential.scopes == granted.scopes && credential.resources == granted.resources;
        let plain = credential.binding == Binding::Bearer && credential.code.is_none();
        Self {
            hash: credential.key.hash,
            reach: if same {
                granted.clone()
            } else {
                index.reach(&credential.scopes, &credential.resources)
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

    fn credential(&self, key: CredentialKey) -> Credential {
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
