//! What was used, in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::memory::{MemoryStore, Sweep, is_roomy, lock};
use crate::secret::TokenHash;
use crate::store::{ReplayGuard, StoreError};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Seen(Mutex<Table>);

#[derive(Default)]
struct Table {
    until: HashMap<TokenHash, Timestamp>,
    sweep: Sweep,
}

impl Table {
    fn purge(&mut self, before: Timestamp) -> u64 {
        let had = self.until.len();
        self.until.retain(|_, until| *until >= before);
        if is_roomy(self.until.len(), self.until.capacity()) {
            self.until.shrink_to_fit();
        }
        (had - self.until.len()) as u64
    }
}

#[async_trait]
impl ReplayGuard for MemoryStore {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let mut table = lock(&self.replay.0);
        // An entry whose time has passed counts all the same: the clock may step back.
        let Entry::Vacant(vacant) = table.until.entry(*key) else { return Ok(false) };
        vacant.insert(until);
        if let Some(before) = table.sweep.due(now) {
            table.purge(before);
            let left = table.until.len();
            table.sweep.done(left);
        }
        Ok(true)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(lock(&self.replay.0).purge(before))
    }
}
