//! What may happen once, in PostgreSQL.

use async_trait::async_trait;
use oauth_core::{ReplayGuard, StoreError, Timestamp, TokenHash};

use crate::postgres::PostgresStore;
use crate::postgres::row::millis;

#[async_trait]
impl ReplayGuard for PostgresStore {
    async fn first_use(
        &self,
        key: &TokenHash,
        until: Timestamp,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        // An entry whose time has passed counts all the same: the clock may step back.
        let sql = "INSERT INTO oauth.replay (key, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1";
        let first = self
            .pool
            .written(|| self.pool.statement(sql).bind(key.as_bytes().as_slice()).bind(millis(until)));
        Ok(first.await? == 1)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.replay WHERE key IN (
            SELECT key FROM oauth.replay WHERE until < $1 ORDER BY until LIMIT 500) RETURNING 1";
        self.purge_simple(sql, before).await
    }
}
