//! Sealed upstream tokens in SQLite.

use async_trait::async_trait;
use oauth_core::{StoreError, Vault, VaultKey};
use rusqlite::{OptionalExtension as _, params};

use crate::sqlite::SqliteStore;

#[async_trait]
impl Vault for SqliteStore {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        let (key, sealed) = (key.clone(), sealed.to_vec());
        self.write(move |connection| {
            let sql = "INSERT INTO vault (subject, provider, sealed) VALUES (?1, ?2, ?3)
                ON CONFLICT (subject, provider) DO UPDATE SET sealed = ?3";
            connection.prepare_cached(sql)?.execute(params![
                key.subject.as_str(),
                key.provider.as_str(),
                sealed
            ])?;
            Ok(())
        })
        .await
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.clone();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT sealed FROM vault WHERE subject = ?1 AND provider = ?2")?;
            Ok(statement
                .query_row([key.subject.as_str(), key.provider.as_str()], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        let (key, read, sealed) = (key.clone(), read.to_vec(), sealed.to_vec());
        self.write(move |connection| {
            let sql = "UPDATE vault SET sealed = ?4 WHERE subject = ?1 AND provider = ?2 AND sealed = ?3";
            let place = (key.subject.as_str(), key.provider.as_str());
            Ok(connection.prepare_cached(sql)?.execute(params![place.0, place.1, read, sealed])? == 1)
        })
        .await
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(move |connection| {
            let sql = "DELETE FROM vault WHERE subject = ?1 AND provider = ?2";
            Ok(connection.prepare_cached(sql)?.execute([key.subject.as_str(), key.provider.as_str()])? == 1)
        })
        .await
    }
}
