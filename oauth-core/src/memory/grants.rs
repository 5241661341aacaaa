//! The ledger in memory.

use std::sync::Mutex;

use async_trait::async_trait;

use crate::grant::{Credential, Grant};
use crate::id::GrantId;
use crate::memory::index::Index;
use crate::memory::shard::Shard;
use crate::memory::{MemoryStore, lock};
use crate::store::{
    Exchange, Exchanged, Found, GrantFilter, GrantStore, Listing, PageRequest, Revocation, StoreError,
};
use crate::time::Timestamp;
use crate::token::CredentialKey;

const SHARDS: usize = 64;

/// Grants in shards by the first bits of their identifier: one after the other, the shards are in the identifiers' order.
pub(super) struct Ledger {
    shards: [Mutex<Shard>; SHARDS],
    index: Index,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), index: Index::default() }
    }
}

fn shard_of(id: &GrantId) -> usize {
    usize::from(id.as_bytes()[0]) * SHARDS / 256
}

impl Ledger {
    fn shard(&self, id: &GrantId) -> &Mutex<Shard> {
        &self.shards[shard_of(id)]
    }

    /// The same, of those that ended before then.
    fn expired(&self, before: Timestamp, after: Option<GrantId>, limit: usize) -> Vec<GrantId> {
        let mut ids = self.ids(after, usize::MAX);
        ids.retain(|id| lock(self.shard(id)).grant(id).is_some_and(|grant| grant.expires_at < before));
        ids.truncate(limit);
        ids
    }

    /// At most `limit` identifiers, in order, from the one after `after` on.
    fn ids(&self, after: Option<GrantId>, limit: usize) -> Vec<GrantId> {
        let mut ids = Vec::new();
        for shard in &self.shards[after.as_ref().map_or(0, shard_of)..] {
            let mut here: Vec<_> = lock(shard)
                .grants
                .keys()
                .copied()
                .filter(|id| after.is_none_or(|after| *id > after))
                .collect();
            here.sort_unstable();
            ids.extend(here.into_iter().take(limit - ids.len()));
            if ids.len() == limit {
                break;
            }
        }
        ids
    }
}

#[async_trait]
impl GrantStore for MemoryStore {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        let ledger = &*self.grants;
        lock(ledger.shard(&grant.id)).open(grant, first, &ledger.index)
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        Ok(lock(self.grants.shard(&key.grant)).find(key))
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let ledger = &*self.grants;
        lock(ledger.shard(&exchange.spent.grant)).exchange(&exchange, &ledger.index)
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let index = &self.grants.index;
        let ids = match what {
            Revocation::Grant(id) => vec![*id],
            Revocation::Client(client) => index.of_client(client, None, usize::MAX),
            Revocation::Subject(subject) => index.of_subject(subject, None, usize::MAX),
            Revocation::SubjectAndClient(subject, client) => {
                let mut ids = index.of_subject(subject, None, usize::MAX);
                // Who a grant is for never changes: what is found without the lock stays true.
                ids.retain(|id| {
                    lock(self.grants.shard(id)).grant(id).is_some_and(|grant| grant.client_id == *client)
                });
                ids
            }
        };
        Ok(ids.iter().filter(|id| lock(self.grants.shard(id)).revoke(id, now)).count() as u64)
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        Ok(lock(self.grants.shard(id)).grant(id))
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        let after =
            page.after.map(|after| after.parse().map_err(|_| StoreError::corrupt("page"))).transpose()?;
        // One more than asked tells whether there is a next page.
        let limit = page.limit.max(1);
        let more = limit.saturating_add(1);
        let mut ids = match filter {
            GrantFilter::Expired(before) => self.grants.expired(before, after, more),
            GrantFilter::All => self.grants.ids(after, more),
            GrantFilter::Subject(subject) => self.grants.index.of_subject(subject, after, more),
            GrantFilter::Client(client) => self.grants.index.of_client(client, after, more),
        };
        let next = (ids.len() > limit).then(|| {
            ids.truncate(limit);
            ids[limit - 1].to_string()
        });
        let items = ids.iter().filter_map(|id| lock(self.grants.shard(id)).grant(id)).collect();
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        Ok(match filter {
            GrantFilter::All => self.grants.shards.iter().map(|shard| lock(shard).grants.len()).sum(),
            GrantFilter::Subject(subject) => self.grants.index.count_subject(subject),
            GrantFilter::Client(client) => self.grants.index.count_client(client),
            GrantFilter::Expired(before) => self.grants.expired(before, None, usize::MAX).len(),
        } as u64)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let index = &self.grants.index;
        // Shard by shard: nobody waits for the whole.
        let removed = self.grants.shards.iter().map(|shard| lock(shard).purge(before, index)).sum();
        index.tidy();
        Ok(removed)
    }
}
