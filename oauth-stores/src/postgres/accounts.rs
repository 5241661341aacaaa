//! Users and their identities in PostgreSQL.

use async_trait::async_trait;
use oauth_core::{Account, AccountStore, Identity, StoreError, Subject};
use sqlx::postgres::PgRow;

use crate::postgres::PostgresStore;
use crate::postgres::row::{get, millis, parsed, time};

#[async_trait]
impl AccountStore for PostgresStore {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        let sql = "WITH opened AS (
                INSERT INTO oauth.accounts (subject, name, created_at, disabled) VALUES ($1, $2, $3, $4) RETURNING subject
            )
            INSERT INTO oauth.identities (provider, id, subject) SELECT $5, $6, subject FROM opened";
        let statement = || {
            self.pool
                .statement(sql)
                .bind(account.subject.as_str())
                .bind(account.name.as_deref())
                .bind(millis(account.created_at))
                .bind(account.disabled)
                .bind(identity.provider.as_str())
                .bind(&identity.id)
        };
        self.pool.rows(statement).await.map(drop)
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT subject, name, created_at, disabled FROM oauth.accounts WHERE subject = $1";
        let row = self.pool.row(|| self.pool.statement(sql).bind(subject.as_str())).await?;
        row.as_ref().map(account).transpose()
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT a.subject, a.name, a.created_at, a.disabled
            FROM oauth.identities i JOIN oauth.accounts a ON a.subject = i.subject WHERE i.provider = $1 AND i.id = $2";
        let row = self.pool.row(|| self.named(sql, identity)).await?;
        row.as_ref().map(account).transpose()
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.identities (provider, id, subject)
            SELECT $1, $2, subject FROM oauth.accounts WHERE subject = $3 RETURNING 1";
        let linked = self.pool.written(|| self.named(sql, identity).bind(subject.as_str()));
        // None: there is no such account.
        if linked.await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        let sql = "UPDATE oauth.accounts SET name = $2, created_at = $3, disabled = $4 WHERE subject = $1 RETURNING 1";
        let updated = self.pool.written(|| {
            self.pool
                .statement(sql)
                .bind(account.subject.as_str())
                .bind(account.name.as_deref())
                .bind(millis(account.created_at))
                .bind(account.disabled)
        });
        Ok(updated.await? == 1)
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM oauth.verifiers WHERE provider = $1 AND id = $2";
        self.pool.row(|| self.named(sql, identity)).await?.map(|row| get(&row, 0)).transpose()
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth.verifiers (provider, id, value) VALUES ($1, $2, $3)
            ON CONFLICT (provider, id) DO UPDATE SET value = $3";
        self.pool.rows(|| self.named(sql, identity).bind(value)).await.map(drop)
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        let sql =
            "INSERT INTO oauth.verifiers (provider, id, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        self.pool.rows(|| self.named(sql, identity).bind(value)).await?;
        // Who came second waited for the first, and sees it now.
        self.verifier(identity).await?.ok_or_else(|| StoreError::corrupt("verifier"))
    }
}

impl PostgresStore {
    fn named<'q>(&self, sql: &'static str, identity: &'q Identity) -> crate::postgres::pool::Statement<'q> {
        self.pool.statement(sql).bind(identity.provider.as_str()).bind(&identity.id)
    }
}

fn account(row: &PgRow) -> Result<Account, StoreError> {
    Ok(Account {
        subject: parsed(row, 0, "subject")?,
        name: get(row, 1)?,
        created_at: time(row, 2)?,
        disabled: get(row, 3)?,
    })
}
