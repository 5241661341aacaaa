//! Consents in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::id::{ClientId, Subject};
use crate::memory::{MemoryStore, Sweep, lock};
use crate::store::{Consent, ConsentStore, StoreError};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Consents(Mutex<Table>);

// For each subject by client: of its pairs, none is searched for but through the subject.
#[derive(Default)]
struct Table {
    by_subject: BTreeMap<Subject, BTreeMap<ClientId, Consent>>,
    records: usize,
    sweep: Sweep,
}

impl Table {
    fn purge(&mut self, before: Timestamp) -> u64 {
        let had = self.records;
        self.by_subject.retain(|_, consents| {
            let had = consents.len();
            consents.retain(|_, consent| consent.expires_at >= before);
            self.records -= had - consents.len();
            !consents.is_empty()
        });
        (had - self.records) as u64
    }
}

#[async_trait]
impl ConsentStore for MemoryStore {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        let mut table = lock(&self.consents.0);
        let consents = table.by_subject.entry(consent.subject.clone()).or_default();
        if consents.insert(consent.client_id.clone(), consent.clone()).is_none() {
            table.records += 1;
        }
        if let Some(before) = table.sweep.due(consent.given_at) {
            table.purge(before);
            let left = table.records;
            table.sweep.done(left);
        }
        Ok(())
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        Ok(lock(&self.consents.0).by_subject.get(subject).and_then(|consents| consents.get(client)).cloned())
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        let table = lock(&self.consents.0);
        Ok(table
            .by_subject
            .get(subject)
            .map(|consents| consents.values().cloned().collect())
            .unwrap_or_default())
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        let mut table = lock(&self.consents.0);
        let Some(consents) = table.by_subject.get_mut(subject) else { return Ok(false) };
        let forgot = consents.remove(client).is_some();
        if consents.is_empty() {
            table.by_subject.remove(subject);
        }
        table.records -= usize::from(forgot);
        Ok(forgot)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(lock(&self.consents.0).purge(before))
    }
}
