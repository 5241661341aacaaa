//! Sealed upstream tokens in PostgreSQL.

use async_trait::async_trait;
use oauth_core::{StoreError, Vault, VaultKey};

use crate::postgres::PostgresStore;
use crate::postgres::row::get;

#[async_trait]
impl Vault for PostgresStore {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.vault (subject, provider, sealed) VALUES ($1, $2, $3)
            ON CONFLICT (subject, provider) DO UPDATE SET sealed = $3";
        let statement =
            || self.pool.statement(sql).bind(key.subject.as_str()).bind(key.provider.as_str()).bind(sealed);
        self.pool.rows(statement).await.map(drop)
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM oauth.vault WHERE subject = $1 AND provider = $2";
        let statement = || self.pool.statement(sql).bind(key.subject.as_str()).bind(key.provider.as_str());
        self.pool.row(statement).await?.map(|row| get(&row, 0)).transpose()
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        let sql = "UPDATE oauth.vault SET sealed = $4 WHERE subject = $1 AND provider = $2 AND sealed = $3 RETURNING 1";
        let statement = || {
            let statement = self.pool.statement(sql).bind(key.subject.as_str()).bind(key.provider.as_str());
            statement.bind(read).bind(sealed)
        };
        Ok(self.pool.written(statement).await? == 1)
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth.vault WHERE subject = $1 AND provider = $2 RETURNING 1";
        let statement = || self.pool.statement(sql).bind(key.subject.as_str()).bind(key.provider.as_str());
        Ok(self.pool.written(statement).await? == 1)
    }
}
