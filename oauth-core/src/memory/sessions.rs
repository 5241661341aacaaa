//! Browser sign-ins in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;

use crate::id::Subject;
use crate::memory::{MemoryStore, Sweep, is_roomy, lock};
use crate::secret::TokenHash;
use crate::store::{Session, SessionStore, StoreError};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_key: HashMap<TokenHash, Box<Session>>,
    by_subject: BTreeSet<(Subject, TokenHash)>,
    sweep: Sweep,
}

impl Table {
    fn purge(&mut self, before: Timestamp) -> u64 {
        let had = self.by_key.len();
        let by_subject = &mut self.by_subject;
        self.by_key.retain(|key, session| {
            let keep = session.expires_at >= before;
            if !keep {
                by_subject.remove(&(session.subject.clone(), *key));
            }
            keep
        });
        if is_roomy(self.by_key.len(), self.by_key.capacity()) {
            self.by_key.shrink_to_fit();
        }
        (had - self.by_key.len()) as u64
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        let mut table = lock(&self.sessions.0);
        if table.by_key.contains_key(&session.key) {
            return Err(StoreError::Conflict);
        }
        table.by_key.insert(session.key, Box::new(session.clone()));
        table.by_subject.insert((session.subject.clone(), session.key));
        // Nobody signs in before they proved who they are: it is at least as late as that.
        if let Some(before) = table.sweep.due(session.auth_time) {
            table.purge(before);
            let left = table.by_key.len();
            table.sweep.done(left);
        }
        Ok(())
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        Ok(lock(&self.sessions.0).by_key.get(key).map(|session| (**session).clone()))
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        let mut table = lock(&self.sessions.0);
        let Some(session) = table.by_key.remove(key) else { return Ok(false) };
        table.by_subject.remove(&(session.subject, *key));
        Ok(true)
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        let mut table = lock(&self.sessions.0);
        let start = (subject.clone(), TokenHash::from_bytes([0; 32]));
        let own: Vec<_> =
            table.by_subject.range(start..).take_while(|(own, _)| own == subject).cloned().collect();
        for pair in &own {
            table.by_key.remove(&pair.1);
            table.by_subject.remove(pair);
        }
        Ok(own.len() as u64)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(lock(&self.sessions.0).purge(before))
    }
}
