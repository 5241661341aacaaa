//! Browser sign-ins in PostgreSQL.

use async_trait::async_trait;
use oauth_core::{Session, SessionStore, StoreError, Subject, Timestamp, TokenHash};

use crate::postgres::PostgresStore;
use crate::postgres::row::{millis, parsed, time};

#[async_trait]
impl SessionStore for PostgresStore {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.sessions (key, subject, auth_time, expires_at) VALUES ($1, $2, $3, $4)";
        let statement = || {
            self.pool
                .statement(sql)
                .bind(session.key.as_bytes().as_slice())
                .bind(session.subject.as_str())
                .bind(millis(session.auth_time))
                .bind(millis(session.expires_at))
        };
        self.pool.rows(statement).await.map(drop)
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT subject, auth_time, expires_at FROM oauth.sessions WHERE key = $1";
        let Some(row) = self.pool.row(|| self.pool.statement(sql).bind(key.as_bytes().as_slice())).await?
        else {
            return Ok(None);
        };
        let (subject, auth_time, expires_at) = (parsed(&row, 0, "subject")?, time(&row, 1)?, time(&row, 2)?);
        Ok(Some(Session { key: *key, subject, auth_time, expires_at }))
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth.sessions WHERE key = $1 RETURNING 1";
        Ok(self.pool.written(|| self.pool.statement(sql).bind(key.as_bytes().as_slice())).await? == 1)
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.sessions WHERE subject = $1 RETURNING 1";
        self.pool.written(|| self.pool.statement(sql).bind(subject.as_str())).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.sessions WHERE key IN (
            SELECT key FROM oauth.sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT 500) RETURNING 1";
        self.purge_simple(sql, before).await
    }
}
