//! What was used, in SQLite.

use async_trait::async_trait;
use oauth_core::{ReplayGuard, StoreError, Timestamp, TokenHash};
use rusqlite::params;

use crate::sqlite::SqliteStore;
use crate::sqlite::row::millis;
use crate::sqlite::sweep::Sweep;

const USED: Sweep = Sweep { table: "replay", key: "key", end: "until" };

#[async_trait]
impl ReplayGuard for SqliteStore {
    async fn first_use(
        &self,
        key: &TokenHash,
        until: Timestamp,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = *key;
        self.write(move |connection| {
            // An entry whose time has passed counts all the same: the clock may step back.
            let sql = "INSERT INTO replay (key, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            Ok(connection.prepare_cached(sql)?.execute(params![key.as_bytes(), millis(until)])? == 1)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(USED, before).await
    }
}
