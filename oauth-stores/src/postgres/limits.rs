//! Quotas in PostgreSQL, shared by all servers over the database.

use std::time::Duration;

use async_trait::async_trait;
use oauth_core::{LimitKey, Quota, RateLimiter, StoreError, Timestamp, Verdict};

use crate::postgres::PostgresStore;
use crate::postgres::row::{millis, time};

// `Quota::admit`, in one statement: $2 is now, $3 the share of one event, $4 the quota's time. Writes nothing to what is full.
const HIT: &str = "INSERT INTO oauth.limits AS l (key, whole_at) VALUES ($1, $2::bigint + $3::bigint)
    ON CONFLICT (key) DO UPDATE SET whole_at = LEAST(GREATEST(l.whole_at, $2::bigint), $2::bigint + $4::bigint) + $3::bigint
    WHERE LEAST(GREATEST(l.whole_at, $2::bigint), $2::bigint + $4::bigint) + $3::bigint <= $2::bigint + $4::bigint RETURNING 1";

#[async_trait]
impl RateLimiter for PostgresStore {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let (next, verdict) = quota.admit(None, now);
        if verdict != Verdict::Allowed || quota.per.is_zero() {
            return Ok(verdict);
        }
        let share = next.since(now);
        let statement = || {
            self.pool
                .statement(HIT)
                .bind(key.as_bytes().as_slice())
                .bind(millis(now))
                .bind(in_millis(share))
                .bind(in_millis(quota.per))
        };
        if self.pool.written(statement).await? == 1 {
            return Ok(Verdict::Allowed);
        }
        let whole_at = self.whole_at(key).await?;
        if whole_at.is_some_and(|whole_at| whole_at > now + quota.per) {
            // The clock stepped back: from now on time counts again.
            let sql = "UPDATE oauth.limits SET whole_at = $2 WHERE key = $1 AND whole_at > $2";
            let statement =
                || self.pool.statement(sql).bind(key.as_bytes().as_slice()).bind(millis(now + quota.per));
            self.pool.rows(statement).await?;
        }
        match quota.admit(whole_at, now).1 {
            // Reset meanwhile: what was decided stays so.
            Verdict::Allowed => Ok(Verdict::Limited { retry_after: share }),
            limited => Ok(limited),
        }
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        Ok(quota.admit(self.whole_at(key).await?, now).1)
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM oauth.limits WHERE key = $1";
        self.pool.rows(|| self.pool.statement(sql).bind(key.as_bytes().as_slice())).await.map(drop)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.limits WHERE key IN (
            SELECT key FROM oauth.limits WHERE whole_at < $1 ORDER BY whole_at LIMIT 500) AND whole_at < $1 RETURNING 1";
        self.purge_simple(sql, before).await
    }
}

impl PostgresStore {
    async fn whole_at(&self, key: &LimitKey) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT whole_at FROM oauth.limits WHERE key = $1";
        let row = self.pool.row(|| self.pool.statement(sql).bind(key.as_bytes().as_slice())).await?;
        row.map(|row| time(&row, 0)).transpose()
    }
}

fn in_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
