//! Keys in memory: they end with the process, and what they made ends with them.

use std::cmp::Reverse;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::memory::{MemoryStore, lock};
use crate::store::{KeyPurpose, KeyStore, StoreError, StoredKey};
use crate::time::Timestamp;

/// Newest first. There are a handful.
#[derive(Default)]
pub(super) struct Keys(Mutex<Vec<StoredKey>>);

fn position(keys: &[StoredKey], purpose: KeyPurpose, id: &str) -> Option<usize> {
    keys.iter().position(|key| key.purpose == purpose && key.id == id)
}

fn insert(keys: &mut Vec<StoredKey>, key: &StoredKey) {
    keys.insert(0, key.clone());
    // Stable: of two of the same time, what was added later stands first.
    keys.sort_by_key(|key| Reverse(key.created_at));
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        Ok(lock(&self.keys.0).iter().filter(|key| key.purpose == purpose).cloned().collect())
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        let mut keys = lock(&self.keys.0);
        if let Some(newest) = keys.iter().find(|key| key.purpose == candidate.purpose) {
            return Ok(newest.clone());
        }
        insert(&mut keys, candidate);
        Ok(candidate.clone())
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        let mut keys = lock(&self.keys.0);
        if position(&keys, key.purpose, &key.id).is_some() {
            return Err(StoreError::Conflict);
        }
        insert(&mut keys, key);
        Ok(())
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut keys = lock(&self.keys.0);
        let Some(found) = position(&keys, purpose, id) else { return Ok(false) };
        keys[found].retired_at = Some(at);
        Ok(true)
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        let mut keys = lock(&self.keys.0);
        let Some(found) = position(&keys, purpose, id) else { return Ok(false) };
        keys.remove(found);
        Ok(true)
    }
}
