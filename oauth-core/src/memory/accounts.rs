//! Users in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::id::Subject;
use crate::memory::{MemoryStore, lock};
use crate::store::{Account, AccountStore, Identity, StoreError};

#[derive(Default)]
pub(super) struct Accounts(Mutex<Table>);

#[derive(Default)]
struct Table {
    accounts: HashMap<Subject, Account>,
    identities: HashMap<Identity, Subject>,
    verifiers: HashMap<Identity, String>,
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        let mut table = lock(&self.accounts.0);
        if table.accounts.contains_key(&account.subject) || table.identities.contains_key(identity) {
            return Err(StoreError::Conflict);
        }
        table.accounts.insert(account.subject.clone(), account.clone());
        table.identities.insert(identity.clone(), account.subject.clone());
        Ok(())
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        Ok(lock(&self.accounts.0).accounts.get(subject).cloned())
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        let table = lock(&self.accounts.0);
        Ok(table.identities.get(identity).and_then(|subject| table.accounts.get(subject)).cloned())
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        let mut table = lock(&self.accounts.0);
        if !table.accounts.contains_key(subject) || table.identities.contains_key(identity) {
            return Err(StoreError::Conflict);
        }
        table.identities.insert(identity.clone(), subject.clone());
        Ok(())
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        let mut table = lock(&self.accounts.0);
        let Some(kept) = table.accounts.get_mut(&account.subject) else { return Ok(false) };
        kept.clone_from(account);
        Ok(true)
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        Ok(lock(&self.accounts.0).verifiers.get(identity).cloned())
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        lock(&self.accounts.0).verifiers.insert(identity.clone(), value.to_owned());
        Ok(())
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        let mut table = lock(&self.accounts.0);
        Ok(table.verifiers.entry(identity.clone()).or_insert_with(|| value.to_owned()).clone())
    }
}
