//! Users and their identities in SQLite.

use async_trait::async_trait;
use oauth_core::{Account, AccountStore, Identity, StoreError, Subject};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::{millis, parsed, time};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        let (account, identity) = (account.clone(), identity.clone());
        self.write(move |connection| {
            let sql = "INSERT INTO accounts (subject, name, created_at, disabled) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![
                account.subject.as_str(),
                account.name,
                millis(account.created_at),
                account.disabled,
            ])?;
            link(connection, &account.subject, &identity)
        })
        .await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        let subject = subject.clone();
        self.read(move |connection| {
            let sql = "SELECT subject, name, created_at, disabled FROM accounts WHERE subject = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([subject.as_str()])?;
            rows.next()?.map(account).transpose()
        })
        .await
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        let identity = identity.clone();
        self.read(move |connection| {
            let sql = "SELECT a.subject, a.name, a.created_at, a.disabled
                FROM identities i JOIN accounts a ON a.subject = i.subject WHERE i.provider = ?1 AND i.id = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([identity.provider.as_str(), &identity.id])?;
            rows.next()?.map(account).transpose()
        })
        .await
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        let (subject, identity) = (subject.clone(), identity.clone());
        // An account that does not exist is a foreign key's Conflict.
        self.write(move |connection| link(connection, &subject, &identity)).await
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        let account = account.clone();
        self.write(move |connection| {
            let sql = "UPDATE accounts SET name = ?2, created_at = ?3, disabled = ?4 WHERE subject = ?1";
            let changed = connection.prepare_cached(sql)?.execute(params![
                account.subject.as_str(),
                account.name,
                millis(account.created_at),
                account.disabled,
            ])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        let identity = identity.clone();
        self.read(move |connection| verifier(connection, &identity)).await
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        let (identity, value) = (identity.clone(), value.to_owned());
        self.write(move |connection| {
            let sql = "INSERT INTO verifiers (provider, id, value) VALUES (?1, ?2, ?3)
                ON CONFLICT (provider, id) DO UPDATE SET value = ?3";
            connection.prepare_cached(sql)?.execute([identity.provider.as_str(), &identity.id, &value])?;
            Ok(())
        })
        .await
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        let (identity, value) = (identity.clone(), value.to_owned());
        self.write(move |connection| {
            let sql =
                "INSERT INTO verifiers (provider, id, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            connection.prepare_cached(sql)?.execute([identity.provider.as_str(), &identity.id, &value])?;
            verifier(connection, &identity)?.ok_or_else(|| Fault::corrupt("verifier"))
        })
        .await
    }
}

fn link(connection: &Connection, subject: &Subject, identity: &Identity) -> Result<(), Fault> {
    let sql = "INSERT INTO identities (provider, id, subject) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute([identity.provider.as_str(), &identity.id, subject.as_str()])?;
    Ok(())
}

fn verifier(connection: &Connection, identity: &Identity) -> Result<Option<String>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM verifiers WHERE provider = ?1 AND id = ?2")?;
    Ok(statement.query_row([identity.provider.as_str(), &identity.id], |row| row.get(0)).optional()?)
}

fn account(row: &Row<'_>) -> Result<Account, Fault> {
    Ok(Account {
        subject: parsed(row, 0, "subject")?,
        name: row.get(1)?,
        created_at: time(row, 2)?,
        disabled: row.get(3)?,
    })
}
