//! Browser sign-ins in SQLite.

use async_trait::async_trait;
use oauth_core::{Session, SessionStore, StoreError, Subject, Timestamp, TokenHash};
use rusqlite::params;

use crate::sqlite::SqliteStore;
use crate::sqlite::row::{millis, parsed, time};
use crate::sqlite::sweep::Sweep;

const SESSIONS: Sweep = Sweep { table: "sessions", key: "key", end: "expires_at" };

#[async_trait]
impl SessionStore for SqliteStore {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.write(move |connection| {
            let sql = "INSERT INTO sessions (key, subject, auth_time, expires_at) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![
                session.key.as_bytes(),
                session.subject.as_str(),
                millis(session.auth_time),
                millis(session.expires_at),
            ])?;
            Ok(())
        })
        .await
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        let key = *key;
        self.read(move |connection| {
            let sql = "SELECT subject, auth_time, expires_at FROM sessions WHERE key = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key.as_bytes()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let (subject, auth_time, expires_at) = (parsed(row, 0, "subject")?, time(row, 1)?, time(row, 2)?);
            Ok(Some(Session { key, subject, auth_time, expires_at }))
        })
        .await
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        let key = *key;
        self.write(move |connection| {
            Ok(connection.prepare_cached("DELETE FROM sessions WHERE key = ?1")?.execute([key.as_bytes()])?
                == 1)
        })
        .await
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        let subject = subject.clone();
        self.write(move |connection| {
            let sql = "DELETE FROM sessions WHERE subject = ?1";
            Ok(connection.prepare_cached(sql)?.execute([subject.as_str()])? as u64)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(SESSIONS, before).await
    }
}
