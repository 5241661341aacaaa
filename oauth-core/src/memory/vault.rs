//! Sealed upstream tokens in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::memory::{MemoryStore, lock};
use crate::store::{StoreError, Vault, VaultKey};

#[derive(Default)]
pub(super) struct Sealed(Mutex<HashMap<VaultKey, Vec<u8>>>);

#[async_trait]
impl Vault for MemoryStore {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        lock(&self.vault.0).insert(key.clone(), sealed.to_vec());
        Ok(())
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(lock(&self.vault.0).get(key).cloned())
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        let mut all = lock(&self.vault.0);
        let Some(kept) = all.get_mut(key).filter(|kept| *kept == read) else { return Ok(false) };
        *kept = sealed.to_vec();
        Ok(true)
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        Ok(lock(&self.vault.0).remove(key).is_some())
    }
}
