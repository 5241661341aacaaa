//! Quotas in SQLite.
//!
//! They are shared by all servers over the file and outlive the process. They are not worth an `fsync`: a power failure
//! forgives the last events.

use async_trait::async_trait;
use oauth_core::{LimitKey, Quota, RateLimiter, StoreError, Timestamp, Verdict};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::{millis, time};
use crate::sqlite::sweep::Sweep;

const QUOTAS: Sweep = Sweep { table: "limits", key: "key", end: "whole_at" };

#[async_trait]
impl RateLimiter for SqliteStore {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let key = *key;
        // Who is over the limit already, so that nothing would change, is turned away by a read: a flood does not reach the
        // writer. Until a reset is seen here a moment passes, and in that moment the answer is the stricter one.
        if self.inner.readers.is_some() {
            let before = self.read(move |connection| whole_at(connection, &key)).await?;
            let (whole_at, verdict) = quota.admit(before, now);
            if verdict != Verdict::Allowed && before == Some(whole_at) {
                return Ok(verdict);
            }
        }
        self.write_lightly(move |connection| {
            let (whole_at, verdict) = quota.admit(whole_at(connection, &key)?, now);
            let sql =
                "INSERT INTO limits (key, whole_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET whole_at = ?2";
            connection.prepare_cached(sql)?.execute(params![key.as_bytes(), millis(whole_at)])?;
            Ok(verdict)
        })
        .await
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let key = *key;
        self.read(move |connection| Ok(quota.admit(whole_at(connection, &key)?, now).1)).await
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        let key = *key;
        self.write_lightly(move |connection| {
            connection.prepare_cached("DELETE FROM limits WHERE key = ?1")?.execute([key.as_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(QUOTAS, before).await
    }
}

fn whole_at(connection: &Connection, key: &LimitKey) -> Result<Option<Timestamp>, Fault> {
    let mut statement = connection.prepare_cached("SELECT whole_at FROM limits WHERE key = ?1")?;
    statement.query_row([key.as_bytes()], |row| Ok(time(row, 0))).optional()?.transpose()
}
