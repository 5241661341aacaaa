//! The ledger in memory.

use std::sync::Mutex;

use async_trait::async_trait;

use crate::grant::{Credential, Grant};
use crate::id::GrantId;
use crate::memory::shard::Shard;
use crate::memory::{MemoryStore, lock};
use crate::store::{
    Exchange, Exchanged, Found, GrantFilter, GrantStore, Listing, PageRequest, Revocation, StoreError,
};
use crate::time::Timestamp;
use crate::token::CredentialKey;

const SHARDS: usize = 64;

/// Grants in shards by the first bits of their identifier: one after the other, the shards are in the identifiers' order. No verb holds two of
/// their locks at once.
pub(super) struct Ledger {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Ledger {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

fn shard_of(id: &GrantId) -> usize {
    usize::from(id.as_bytes()[0]) * SHARDS / 256
}

impl Ledger {
    fn shard(&self, id: &GrantId) -> &Mutex<Shard> {
        &self.shards[shard_of(id)]
    }
}

#[async_trait]
impl GrantStore for MemoryStore {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        lock(self.grants.shard(&grant.id)).open(grant, first)
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        Ok(lock(self.grants.shard(&key.grant)).find(key))
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        lock(self.grants.shard(&exchange.spent.grant)).exchange(&exchange)
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let (filter, client) = match what {
            Revocation::Grant(id) => return Ok(u64::from(lock(self.grants.shard(id)).revoke(id, now))),
            Revocation::Client(client) => (GrantFilter::Client(client), None),
            Revocation::Subject(subject) => (GrantFilter::Subject(subject), None),
            Revocation::SubjectAndClient(subject, client) => (GrantFilter::Subject(subject), Some(client)),
        };
        // Shard by shard: a grant that is opened meanwhile may be revoked or not.
        let revoked = self.grants.shards.iter().map(|shard| lock(shard).revoke_all(filter, client, now));
        Ok(revoked.sum::<usize>() as u64)
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
        let mut items = Vec::new();
        for shard in &self.grants.shards[after.as_ref().map_or(0, shard_of)..] {
            items.extend(lock(shard).list(filter, after, more - items.len()));
            if items.len() == more {
                break;
            }
        }
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items[limit - 1].id.to_string()
        });
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        Ok(self.grants.shards.iter().map(|shard| lock(shard).count(filter)).sum::<usize>() as u64)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        // Shard by shard: nobody waits for the whole.
        Ok(self.grants.shards.iter().map(|shard| lock(shard).purge(before)).sum())
    }
}
