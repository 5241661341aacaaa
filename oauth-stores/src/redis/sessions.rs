//! Browser sign-ins in Redis.

use async_trait::async_trait;
use oauth_core::{Session, SessionStore, StoreError, Subject, Timestamp, TokenHash};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::index::{self, Entry};
use crate::redis::ledger::json;
use crate::redis::life::lifetime;
use crate::redis::names;

const AT_ONCE: usize = 64;

#[async_trait]
impl SessionStore for RedisStore {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        let (member, index) = (names::text(&session.key), self.names().sessions_of_subject(&session.subject));
        // Entered before it is there: whoever ends all of the subject's from now on finds it.
        let entry = Entry { member: &member, now: session.auth_time, ends: Some(session.expires_at) };
        let entered = index::enter(self.link(), &index, entry, false).await?;
        let key = self.names().session(&member);
        let mut write = cmd("SET");
        let life = lifetime(session.auth_time, session.expires_at);
        write.arg(&key).arg(json(session)?).arg("NX").arg("PX").arg(life);
        let written: Option<String> = self.link().set(&key, &write).await?;
        if written.is_some() {
            return Ok(());
        }
        if entered && self.session(&key).await?.is_none_or(|there| there.subject != session.subject) {
            index::strike(self.link(), &index, &[&member]).await?;
        }
        Err(StoreError::Conflict)
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        self.session(&self.names().session(&names::text(key))).await
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        let member = names::text(key);
        let key = self.names().session(&member);
        let Some(session) = self.session(&key).await? else { return Ok(false) };
        let ended: bool = self.link().set(&key, cmd("DEL").arg(&key)).await?;
        index::strike(self.link(), &self.names().sessions_of_subject(&session.subject), &[&member]).await?;
        Ok(ended)
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        let index = self.names().sessions_of_subject(subject);
        let (mut ended, mut after) = (0, None);
        loop {
            let entries = index::page(self.link(), &index, after.as_ref(), AT_ONCE).await?;
            for (_, member) in &entries {
                let key = self.names().session(member);
                let there = self.session(&key).await?.filter(|session| session.subject == *subject);
                if there.is_some() {
                    ended += self.link().set::<u64>(&key, cmd("DEL").arg(&key)).await?;
                    index::strike(self.link(), &index, &[member]).await?;
                }
            }
            if entries.len() < AT_ONCE {
                return Ok(ended);
            }
            after = entries.into_iter().next_back();
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let pattern = self.names().each("session");
        let mut removed = 0;
        let mut walk = self.walk(&pattern).await?;
        while let Some(keys) = walk.next().await? {
            for key in keys {
                let Some(session) = self.session(&key).await? else { continue };
                if session.expires_at < before {
                    removed += self.link().set_lightly::<u64>(&key, cmd("DEL").arg(&key)).await?;
                    let index = self.names().sessions_of_subject(&session.subject);
                    index::strike(self.link(), &index, &[&names::text(&session.key)]).await?;
                }
            }
        }
        Ok(removed)
    }
}

impl RedisStore {
    async fn session(&self, key: &str) -> Result<Option<Session>, StoreError> {
        let record: Option<String> = self.link().get(key, cmd("GET").arg(key).to_owned()).await?;
        record
            .map(|record| serde_json::from_str(&record).map_err(|_| StoreError::corrupt("session")))
            .transpose()
    }
}
