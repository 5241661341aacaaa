//! Quotas in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::memory::{MemoryStore, Sweep, is_roomy, lock};
use crate::store::{LimitKey, Quota, RateLimiter, StoreError, Verdict};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Limits(Mutex<Table>);

/// For each key, when its quota is whole again.
#[derive(Default)]
struct Table {
    whole_at: HashMap<LimitKey, Timestamp>,
    sweep: Sweep,
}

impl Table {
    fn purge(&mut self, before: Timestamp) -> u64 {
        let had = self.whole_at.len();
        self.whole_at.retain(|_, whole_at| *whole_at >= before);
        if is_roomy(self.whole_at.len(), self.whole_at.capacity()) {
            self.whole_at.shrink_to_fit();
        }
        (had - self.whole_at.len()) as u64
    }
}

#[async_trait]
impl RateLimiter for MemoryStore {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let mut table = lock(&self.limits.0);
        let (whole_at, verdict) = quota.admit(table.whole_at.get(key).copied(), now);
        table.whole_at.insert(*key, whole_at);
        // A quota that is whole again is as good as forgotten: strangers fill this table, so nothing is kept for longer.
        if table.sweep.due(now).is_some() {
            table.purge(now);
            let left = table.whole_at.len();
            table.sweep.done(left);
        }
        Ok(verdict)
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        Ok(quota.admit(lock(&self.limits.0).whole_at.get(key).copied(), now).1)
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        lock(&self.limits.0).whole_at.remove(key);
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(lock(&self.limits.0).purge(before))
    }
}
