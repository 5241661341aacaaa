//! Consents in Redis: a hash for each subject, with a field for each client.

use async_trait::async_trait;
use oauth_core::{ClientId, Consent, ConsentStore, StoreError, Subject, Timestamp};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::ledger::{Hash, json};
use crate::redis::life::lifetime;
use crate::redis::script::{FORGET_CONSENT, REMEMBER};

#[async_trait]
impl ConsentStore for RedisStore {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        let key = self.names().consents(&consent.subject);
        let call = REMEMBER
            .call([key.clone()])
            .text(consent.client_id.as_str())
            .text(json(consent)?)
            .number(lifetime(consent.given_at, consent.expires_at));
        let _: u64 = self.link().write(&key, &call).await?;
        Ok(())
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        let key = self.names().consents(subject);
        let command = cmd("HGET").arg(&key).arg(client.as_str()).to_owned();
        let record: Option<String> = self.link().get(&key, command).await?;
        record.as_deref().map(read).transpose()
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        let key = self.names().consents(subject);
        let records: Vec<String> = self.link().get(&key, cmd("HVALS").arg(&key).to_owned()).await?;
        records.iter().map(|record| read(record)).collect()
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        let key = self.names().consents(subject);
        self.link().set(&key, cmd("HDEL").arg(&key).arg(client.as_str())).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let pattern = self.names().all_consents();
        let mut removed = 0;
        let mut walk = self.walk(&pattern).await?;
        while let Some(keys) = walk.next().await? {
            for key in keys {
                let all: Hash = self.link().get(&key, cmd("HGETALL").arg(&key).to_owned()).await?;
                for (client, record) in &all {
                    if read(record)?.expires_at < before {
                        let call =
                            FORGET_CONSENT.call([key.clone()]).text(client.as_str()).text(record.as_str());
                        removed += self.link().write_lightly::<u64>(&key, &call).await?;
                    }
                }
            }
        }
        Ok(removed)
    }
}

fn read(record: &str) -> Result<Consent, StoreError> {
    serde_json::from_str(record).map_err(|_| StoreError::corrupt("consent"))
}
