//! A shard of the ledger: what happens to a grant under one lock.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::grant::{Credential, Grant};
use crate::id::{ClientId, GrantId};
use crate::memory::due::{Queue, Ticket};
use crate::memory::entry::{Entry, Head, Slot, are_new};
use crate::memory::index::Index;
use crate::memory::reach::Reaches;
use crate::memory::{Sweep, is_roomy};
use crate::store::{Exchange, Exchanged, Found, GrantFilter, Spent, StoreError};
use crate::time::Timestamp;
use crate::token::CredentialKey;

/// Some of the grants, each with all its credentials, and all that leads to them: nothing of a grant is elsewhere.
#[derive(Default)]
pub(super) struct Shard {
    /// Hashed lightly: what is in it got its identifier from this server's own chance, and a stranger chooses only what is looked up.
    grants: HashMap<GrantId, Entry, RandomState>,
    index: Index,
    reaches: Reaches,
    /// Each grant under its [`Head::due`], and under moments that were that before: a purge looks at no others.
    due: Queue,
    sweep: Sweep,
}

/// At how many grants a purge looks before it changes any.
const LOOKS: usize = 64;

impl Shard {
    pub(super) fn open(&mut self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        if self.grants.contains_key(&grant.id) || !are_new(&[], grant.id, first) {
            return Err(StoreError::Conflict);
        }
        let (subject, client_id) = self.index.enter(&grant.subject, &grant.client_id, grant.id);
        let reach = self.reaches.enter(&grant.scopes, &grant.resources);
        let mut slots = Vec::with_capacity(first.len());
        slots.extend(first.iter().map(|credential| Slot::new(credential, &reach, &mut self.reaches)));
        let head = Head {
            subject,
            client_id,
            reach,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
            auth_time: grant.auth_time,
            revoked_at: grant.revoked_at,
            due: Timestamp::MAX,
            subject_kind: grant.subject_kind,
        };
        let mut entry = Entry { head: Box::new(head), slots };
        entry.head.due = entry.first_end();
        self.due.enter(Ticket { at: entry.head.due, id: grant.id });
        self.grants.insert(grant.id, entry);
        self.sweep(grant.issued_at);
        Ok(())
    }

    pub(super) fn find(&self, key: &CredentialKey) -> Option<Found> {
        let entry = self.grants.get(&key.grant)?;
        let slot = &entry.slots[entry.position(&key.hash)?];
        let spent = slot.spent_at.map(|at| Spent { at });
        Some(Found::new(entry.head.grant(key.grant), slot.credential(*key), spent))
    }

    pub(super) fn exchange(&mut self, exchange: &Exchange<'_>) -> Result<Exchanged, StoreError> {
        let CredentialKey { grant, hash } = *exchange.spent;
        let live = |entry: &&mut Entry| entry.head.revoked_at.is_none();
        let Some(entry) = self.grants.get_mut(&grant).filter(live) else {
            return Ok(Exchanged::Gone);
        };
        let Some(at) = entry.position(&hash) else {
            return Ok(Exchanged::Gone);
        };
        if entry.slots[at].spent_at.is_some() {
            if let Some(reply) = entry.retried(at, exchange) {
                return Ok(Exchanged::Retried(reply));
            }
            entry.revoke(exchange.now);
            hasten(&mut self.due, &mut entry.head, grant, exchange.now);
            return Ok(Exchanged::Replayed);
        }
        if !are_new(&entry.slots, grant, exchange.issued) {
            return Err(StoreError::Conflict);
        }
        entry.spend(at, exchange);
        // Exactly, while they are few: most grants stay small. A busy one grows by doubling.
        if entry.slots.len() < 16 {
            entry.slots.reserve_exact(exchange.issued.len());
        }
        for credential in exchange.issued {
            entry.slots.push(Slot::new(credential, &entry.head.reach, &mut self.reaches));
        }
        let reply = (!exchange.grace.is_zero()).then(|| exchange.now + exchange.grace);
        let ends = exchange.issued.iter().map(|credential| credential.expires_at).chain(reply).min();
        hasten(&mut self.due, &mut entry.head, grant, ends.unwrap_or(Timestamp::MAX));
        self.sweep(exchange.now);
        Ok(Exchanged::Done)
    }

    /// Whether the grant was live and is not any more.
    pub(super) fn revoke(&mut self, id: &GrantId, now: Timestamp) -> bool {
        let live = |entry: &&mut Entry| entry.head.revoked_at.is_none();
        let Some(entry) = self.grants.get_mut(id).filter(live) else {
            return false;
        };
        entry.revoke(now);
        hasten(&mut self.due, &mut entry.head, *id, now);
        now < entry.head.expires_at
    }

    /// How many of these grants, or of those of them to one client, were live and are not any more.
    pub(super) fn revoke_all(
        &mut self,
        filter: GrantFilter<'_>,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> usize {
        let mut ids = self.ids(filter, None, usize::MAX);
        ids.retain(|id| client.is_none_or(|client| self.grants[id].head.client_id == *client));
        ids.iter().filter(|id| self.revoke(id, now)).count()
    }

    pub(super) fn grant(&self, id: &GrantId) -> Option<Grant> {
        self.grants.get(id).map(|entry| entry.head.grant(*id))
    }

    /// At most `limit` grants, in order, from the one after `after` on.
    pub(super) fn list(&self, filter: GrantFilter<'_>, after: Option<GrantId>, limit: usize) -> Vec<Grant> {
        self.ids(filter, after, limit).iter().filter_map(|id| self.grant(id)).collect()
    }

    pub(super) fn count(&self, filter: GrantFilter<'_>) -> usize {
        match filter {
            GrantFilter::All => self.grants.len(),
            _ => self.ids(filter, None, usize::MAX).len(),
        }
    }

    fn ids(&self, filter: GrantFilter<'_>, after: Option<GrantId>, limit: usize) -> Vec<GrantId> {
        let is = |id: &GrantId, meant: &dyn Fn(&Head) -> bool| {
            self.grants.get(id).is_some_and(|entry| meant(&entry.head))
        };
        match filter {
            GrantFilter::Subject(subject) => {
                let ids = self.index.of_subject(subject, after);
                ids.filter(|id| is(id, &|head| head.subject == *subject)).take(limit).collect()
            }
            GrantFilter::Client(client) => {
                let ids = self.index.of_client(client, after);
                ids.filter(|id| is(id, &|head| head.client_id == *client)).take(limit).collect()
            }
            GrantFilter::All | GrantFilter::Expired(_) => {
                let meant = |head: &Head| match filter {
                    GrantFilter::Expired(before) => head.expires_at < before,
                    _ => true,
                };
                let mut ids: Vec<_> = self.grants.keys().copied().collect();
                ids.retain(|id| after.is_none_or(|after| *id > after) && is(id, &meant));
                ids.sort_unstable();
                ids.truncate(limit);
                ids
            }
        }
    }

    pub(super) fn purge(&mut self, before: Timestamp) -> u64 {
        let mut removed = 0;
        let due = self.due.take(before);
        for tickets in due.chunks(LOOKS) {
            // Nothing orders these looks, so memory answers several at a time; what is changed then is near.
            let over: Vec<_> = tickets
                .iter()
                .map(|ticket| self.grants.get(&ticket.id).is_some_and(|entry| entry.is_over(before)))
                .collect();
            for (ticket, over) in tickets.iter().zip(over) {
                removed += if over { self.forget(&ticket.id) } else { self.trim(*ticket, before) };
            }
        }
        if is_roomy(self.grants.len(), self.grants.capacity()) {
            self.grants.shrink_to_fit();
        }
        self.index.tidy(self.grants.len(), |id| self.grants.contains_key(id));
        self.reaches.tidy();
        // Moments that no grant has any more are thrown away as often as they outnumber those that one has.
        if self.due.len() > 2 * self.grants.len() {
            self.due = Queue::default();
            for (id, entry) in &self.grants {
                self.due.enter(Ticket { at: entry.head.due, id: *id });
            }
        }
        removed as u64
    }

    /// Forgets a grant with all its credentials. How many records that were.
    fn forget(&mut self, id: &GrantId) -> usize {
        self.grants.remove(id).map_or(0, |entry| 1 + entry.slots.len())
    }

    /// Forgets what ended of a grant of which something is left. How many credentials that were.
    fn trim(&mut self, ticket: Ticket, before: Timestamp) -> usize {
        let is_due = |entry: &&mut Entry| entry.head.due == ticket.at;
        let Some(entry) = self.grants.get_mut(&ticket.id).filter(is_due) else { return 0 };
        let had = entry.slots.len();
        entry.slots.retain(|slot| slot.expires_at >= before);
        entry.forget_replies(before);
        let removed = had - entry.slots.len();
        if removed > 0 {
            entry.slots.shrink_to_fit();
        }
        // What is left ends later than `before`.
        entry.head.due = entry.first_end();
        self.due.enter(Ticket { at: entry.head.due, id: ticket.id });
        removed
    }

    fn sweep(&mut self, now: Timestamp) {
        if let Some(before) = self.sweep.due(now) {
            self.purge(before);
            self.sweep.done(self.grants.len());
        }
    }
}

/// Makes sure that a purge looks at a grant once `ends` is past. What was to be looked at later finds that it is not due.
fn hasten(due: &mut Queue, head: &mut Head, id: GrantId, ends: Timestamp) {
    if ends < head.due {
        head.due = ends;
        due.enter(Ticket { at: ends, id });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Binding, CredentialKind, OsEntropy, ResourceUri, SubjectKind, TokenHash};
    use std::time::Duration;

    // LIM-2
    #[test]
    fn what_led_to_grants_that_are_gone_is_forgotten_though_their_time_is_far() {
        let mut shard = Shard::default();
        let mut now = Timestamp::from_secs(1_800_000_000);
        for _ in 0..10_000 {
            now = now + Duration::from_secs(1);
            let grant = Grant {
                id: GrantId::generate(&OsEntropy),
                subject: "alice".parse().unwrap(),
                subject_kind: SubjectKind::User,
                client_id: "app".parse().unwrap(),
                scopes: ["notes:read"].into_iter().collect(),
                resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
                issued_at: now,
                expires_at: now + Duration::from_secs(90 * 86_400),
                auth_time: None,
                revoked_at: None,
            };
            let token = Credential {
                key: CredentialKey { grant: grant.id, hash: TokenHash::of("r") },
                kind: CredentialKind::RefreshToken,
                binding: Binding::Bearer,
                scopes: grant.scopes.clone(),
                resources: grant.resources.clone(),
                issued_at: now,
                expires_at: grant.expires_at,
                code: None,
            };
            shard.open(&grant, &[token]).unwrap();
            shard.revoke(&grant.id, now);
            shard.purge(now);
        }
        assert!(shard.grants.len() <= 1, "{} grants", shard.grants.len());
        assert!(shard.due.len() <= 4, "{} moments", shard.due.len());
        let led_to = shard.index.of_subject(&"alice".parse().unwrap(), None).count();
        assert!(led_to <= 4, "{led_to} ways");
    }
}
