//! Quotas in Redis. They are worth no waiting for replicas: a failover forgives the last events.

use std::time::Duration;

use async_trait::async_trait;
use oauth_core::{LimitKey, Quota, RateLimiter, StoreError, Timestamp, Verdict};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::ledger::read_time;
use crate::redis::life::{lifetime, millis};
use crate::redis::script::HIT;

#[async_trait]
impl RateLimiter for RedisStore {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        if quota.per.is_zero() {
            return Ok(Verdict::Allowed);
        }
        let key = self.names().limit(key);
        // As `Quota::admit` has it.
        let step = (quota.per / quota.burst.max(1)).max(Duration::from_millis(1));
        let call = HIT
            .call([key.clone()])
            .number(now.as_millis())
            .number(millis(quota.per))
            .number(millis(step))
            .number(lifetime(now, now + quota.per));
        let after: u64 = self.link().write_lightly(&key, &call).await?;
        let over = Duration::from_millis(after).saturating_sub(quota.per);
        Ok(if over.is_zero() { Verdict::Allowed } else { Verdict::Limited { retry_after: over } })
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let key = self.names().limit(key);
        let whole_at: Option<String> = self.link().get(&key, cmd("GET").arg(&key).to_owned()).await?;
        Ok(quota.admit(whole_at.as_deref().map(read_time).transpose()?, now).1)
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        let key = self.names().limit(key);
        let _: u64 = self.link().set_lightly(&key, cmd("DEL").arg(&key)).await?;
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_past("limit", before).await
    }
}
