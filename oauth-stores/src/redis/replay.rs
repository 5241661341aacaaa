//! What may happen once, in Redis.

use async_trait::async_trait;
use oauth_core::{ReplayGuard, StoreError, Timestamp, TokenHash};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::ledger::read_time;
use crate::redis::life::lifetime;
use crate::redis::script::RELEASE;

#[async_trait]
impl ReplayGuard for RedisStore {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let key = self.names().replay(key);
        let mut write = cmd("SET");
        write.arg(&key).arg(until.as_millis()).arg("NX").arg("PX").arg(lifetime(now, until));
        let first: Option<String> = self.link().set(&key, &write).await?;
        Ok(first.is_some())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_past("replay", before).await
    }
}

impl RedisStore {
    /// Removes the keys of a kind whose value is a time before `before`.
    pub(super) async fn purge_past(&self, kind: &str, before: Timestamp) -> Result<u64, StoreError> {
        let pattern = self.names().each(kind);
        let mut removed = 0;
        let mut walk = self.walk(&pattern).await?;
        while let Some(keys) = walk.next().await? {
            for key in keys {
                let past: Option<String> = self.link().get(&key, cmd("GET").arg(&key).to_owned()).await?;
                let Some(past) = past else { continue };
                if read_time(&past)? < before {
                    let call = RELEASE.call([key.clone()]).text(past);
                    removed += self.link().write_lightly::<u64>(&key, &call).await?;
                }
            }
        }
        Ok(removed)
    }
}
