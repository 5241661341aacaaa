//! Keys in PostgreSQL, in clear: who may read the table is what protects them.

use async_trait::async_trait;
use oauth_core::{KeyPurpose, KeyStore, StoreError, StoredKey, Timestamp};
use sqlx::postgres::PgRow;

use crate::postgres::PostgresStore;
use crate::postgres::pool::Statement;
use crate::postgres::row::{get, millis, optional_time, time};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        // Of two of the same time, what was added later stands first.
        let sql = "SELECT id, algorithm, material, created_at, retired_at FROM oauth.keys WHERE purpose = $1
            ORDER BY created_at DESC, number DESC";
        let rows = self.pool.rows(|| self.pool.statement(sql).bind(purpose.as_str())).await?;
        rows.iter().map(|row| key(row, purpose)).collect()
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        // Of several at once one is `first`: that is unique. The others wait for it, and see it afterwards.
        let sql = "INSERT INTO oauth.keys (purpose, id, algorithm, material, created_at, retired_at, first)
            SELECT $1, $2, $3, $4, $5, $6, TRUE WHERE NOT EXISTS (SELECT 1 FROM oauth.keys WHERE purpose = $1)
            ON CONFLICT DO NOTHING";
        self.pool.rows(|| self.written_key(sql, candidate)).await?;
        let keys = self.keys(candidate.purpose).await?;
        keys.into_iter().next().ok_or_else(|| StoreError::unavailable("the first key was removed at once"))
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.keys (purpose, id, algorithm, material, created_at, retired_at, first)
            VALUES ($1, $2, $3, $4, $5, $6, FALSE)";
        self.pool.rows(|| self.written_key(sql, key)).await.map(drop)
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE oauth.keys SET retired_at = $3 WHERE purpose = $1 AND id = $2 RETURNING 1";
        let retired =
            self.pool.written(|| self.pool.statement(sql).bind(purpose.as_str()).bind(id).bind(millis(at)));
        Ok(retired.await? == 1)
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth.keys WHERE purpose = $1 AND id = $2 RETURNING 1";
        Ok(self.pool.written(|| self.pool.statement(sql).bind(purpose.as_str()).bind(id)).await? == 1)
    }
}

impl PostgresStore {
    fn written_key<'q>(&self, sql: &'static str, key: &'q StoredKey) -> Statement<'q> {
        self.pool
            .statement(sql)
            .bind(key.purpose.as_str())
            .bind(&key.id)
            .bind(&key.algorithm)
            .bind(key.material.as_slice())
            .bind(millis(key.created_at))
            .bind(key.retired_at.map(millis))
    }
}

fn key(row: &PgRow, purpose: KeyPurpose) -> Result<StoredKey, StoreError> {
    let mut key = StoredKey::new(get(row, 0)?, purpose, get(row, 1)?, get(row, 2)?, time(row, 3)?);
    key.retired_at = optional_time(row, 4)?;
    Ok(key)
}
