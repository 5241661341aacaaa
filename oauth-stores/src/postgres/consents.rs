//! What users agreed to, in PostgreSQL.

use async_trait::async_trait;
use oauth_core::{ClientId, Consent, ConsentStore, StoreError, Subject, Timestamp};
use sqlx::postgres::PgRow;

use crate::postgres::PostgresStore;
use crate::postgres::row::{hash, millis, parsed, time};

#[async_trait]
impl ConsentStore for PostgresStore {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.consents (subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subject, client_id) DO UPDATE SET
            client_fingerprint = $3, scopes = $4, resources = $5, given_at = $6, expires_at = $7";
        let agreed = consent.resources.to_string();
        let statement = || {
            self.pool
                .statement(sql)
                .bind(consent.subject.as_str())
                .bind(consent.client_id.as_str())
                .bind(consent.client_fingerprint.as_bytes().as_slice())
                .bind(consent.scopes.as_str())
                .bind(&agreed)
                .bind(millis(consent.given_at))
                .bind(millis(consent.expires_at))
        };
        self.pool.rows(statement).await.map(drop)
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        let sql = "SELECT subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at
            FROM oauth.consents WHERE subject = $1 AND client_id = $2";
        let row =
            self.pool.row(|| self.pool.statement(sql).bind(subject.as_str()).bind(client.as_str())).await?;
        row.as_ref().map(consent).transpose()
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        let sql = "SELECT subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at
            FROM oauth.consents WHERE subject = $1 ORDER BY client_id";
        let rows = self.pool.rows(|| self.pool.statement(sql).bind(subject.as_str())).await?;
        rows.iter().map(consent).collect()
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth.consents WHERE subject = $1 AND client_id = $2 RETURNING 1";
        let forgotten =
            self.pool.written(|| self.pool.statement(sql).bind(subject.as_str()).bind(client.as_str()));
        Ok(forgotten.await? == 1)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.consents c USING (
                SELECT subject, client_id FROM oauth.consents WHERE expires_at < $1 ORDER BY expires_at LIMIT 500) old
            WHERE c.subject = old.subject AND c.client_id = old.client_id AND c.expires_at < $1 RETURNING 1";
        self.purge_simple(sql, before).await
    }
}

fn consent(row: &PgRow) -> Result<Consent, StoreError> {
    Ok(Consent {
        subject: parsed(row, 0, "subject")?,
        client_id: parsed(row, 1, "client id")?,
        client_fingerprint: hash(row, 2)?,
        scopes: parsed(row, 3, "scopes")?,
        resources: parsed(row, 4, "resources")?,
        given_at: time(row, 5)?,
        expires_at: time(row, 6)?,
    })
}
