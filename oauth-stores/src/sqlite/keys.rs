//! Keys in SQLite, in clear: the file's mode is what protects them.

use async_trait::async_trait;
use oauth_core::{KeyPurpose, KeyStore, StoreError, StoredKey, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::{millis, optional_time, time};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.read(move |connection| keys(connection, purpose)).await
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        let candidate = candidate.clone();
        self.write(move |connection| {
            if let Some(newest) = keys(connection, candidate.purpose)?.into_iter().next() {
                return Ok(newest);
            }
            insert(connection, &candidate)?;
            Ok(candidate)
        })
        .await
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |connection| insert(connection, &key)).await
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| {
            let sql = "UPDATE keys SET retired_at = ?3 WHERE purpose = ?1 AND id = ?2";
            Ok(connection.prepare_cached(sql)?.execute(params![purpose.as_str(), id, millis(at)])? == 1)
        })
        .await
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| {
            let sql = "DELETE FROM keys WHERE purpose = ?1 AND id = ?2";
            Ok(connection.prepare_cached(sql)?.execute(params![purpose.as_str(), id])? == 1)
        })
        .await
    }
}

fn insert(connection: &Connection, key: &StoredKey) -> Result<(), Fault> {
    let sql = "INSERT INTO keys (purpose, id, algorithm, material, created_at, retired_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        key.purpose.as_str(),
        key.id,
        key.algorithm,
        key.material.as_slice(),
        millis(key.created_at),
        key.retired_at.map(millis),
    ])?;
    Ok(())
}

/// Newest first; of two of the same time, what was added later stands first.
fn keys(connection: &Connection, purpose: KeyPurpose) -> Result<Vec<StoredKey>, Fault> {
    let sql = "SELECT id, algorithm, material, created_at, retired_at FROM keys WHERE purpose = ?1
        ORDER BY created_at DESC, rowid DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let key = |row: &Row<'_>| -> Result<StoredKey, Fault> {
        let (id, algorithm): (String, String) = (row.get(0)?, row.get(1)?);
        let mut key = StoredKey::new(&id, purpose, &algorithm, row.get(2)?, time(row, 3)?);
        key.retired_at = optional_time(row, 4)?;
        Ok(key)
    };
    statement.query_and_then([purpose.as_str()], key)?.collect()
}
