//! What users agreed to, in SQLite.

use async_trait::async_trait;
use oauth_core::{ClientId, Consent, ConsentStore, StoreError, Subject, Timestamp, TokenHash};
use rusqlite::{Row, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::{millis, parsed, time};
use crate::sqlite::sweep::Sweep;

const CONSENTS: Sweep = Sweep { table: "consents", key: "rowid", end: "expires_at" };

#[async_trait]
impl ConsentStore for SqliteStore {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        let consent = consent.clone();
        self.write(move |connection| {
            let sql = "INSERT INTO consents (subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (subject, client_id) DO UPDATE SET
                client_fingerprint = ?3, scopes = ?4, resources = ?5, given_at = ?6, expires_at = ?7";
            connection.prepare_cached(sql)?.execute(params![
                consent.subject.as_str(),
                consent.client_id.as_str(),
                consent.client_fingerprint.as_bytes(),
                consent.scopes.as_str(),
                consent.resources.to_string(),
                millis(consent.given_at),
                millis(consent.expires_at),
            ])?;
            Ok(())
        })
        .await
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        let (subject, client) = (subject.clone(), client.clone());
        self.read(move |connection| {
            let sql = "SELECT subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at
                FROM consents WHERE subject = ?1 AND client_id = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([subject.as_str(), client.as_str()])?;
            rows.next()?.map(consent).transpose()
        })
        .await
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        let subject = subject.clone();
        self.read(move |connection| {
            let sql = "SELECT subject, client_id, client_fingerprint, scopes, resources, given_at, expires_at
                FROM consents WHERE subject = ?1 ORDER BY client_id";
            connection.prepare_cached(sql)?.query_and_then([subject.as_str()], consent)?.collect()
        })
        .await
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        let (subject, client) = (subject.clone(), client.clone());
        self.write(move |connection| {
            let sql = "DELETE FROM consents WHERE subject = ?1 AND client_id = ?2";
            Ok(connection.prepare_cached(sql)?.execute([subject.as_str(), client.as_str()])? == 1)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(CONSENTS, before).await
    }
}

fn consent(row: &Row<'_>) -> Result<Consent, Fault> {
    Ok(Consent {
        subject: parsed(row, 0, "subject")?,
        client_id: parsed(row, 1, "client id")?,
        client_fingerprint: TokenHash::from_bytes(row.get(2)?),
        scopes: parsed(row, 3, "scopes")?,
        resources: parsed(row, 4, "resources")?,
        given_at: time(row, 5)?,
        expires_at: time(row, 6)?,
    })
}
