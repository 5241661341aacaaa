//! Clients in SQLite.

use std::borrow::Cow;

use async_trait::async_trait;
use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient,
    Timestamp, Version,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::readers::PAGE;
use crate::sqlite::row::{millis, number, optional_time};
use crate::sqlite::sweep::Sweep;

const CLIENTS: Sweep = Sweep { table: "clients", key: "rowid", end: "expires_at" };

#[async_trait]
impl ClientStore for SqliteStore {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        let client = client.clone();
        self.write(move |connection| {
            if let Some(twin) = twin(connection, &client, now)? {
                return Ok(Registered::Existing(Box::new(twin)));
            }
            release_fingerprint(connection, &client)?;
            let sql = "INSERT INTO clients (id, version, used, expires_at, fingerprint, record) VALUES (?1, 1, ?2, ?3, ?4, ?5)";
            connection.prepare_cached(sql)?.execute(params![
                client.id.as_str(),
                client.used,
                client.expires_at.map(millis),
                client.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes()),
                record(&client)?,
            ])?;
            Ok(Registered::New)
        })
        .await
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let sql = "SELECT record, used, expires_at, version FROM clients WHERE id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([id.as_str()])?;
            rows.next()?.map(|row| Ok(StoredClient::new(client(row)?, Version(number(row, 3)?)))).transpose()
        })
        .await
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        let client = client.clone();
        self.write(move |connection| {
            release_fingerprint(connection, &client)?;
            // A renewal since the record was read stays.
            let sql = "UPDATE clients SET version = version + 1, used = used OR ?3,
                expires_at = CASE WHEN expires_at > ?4 THEN expires_at ELSE ?4 END, fingerprint = ?5, record = ?6
                WHERE id = ?1 AND version = ?2 RETURNING version";
            let version = connection
                .prepare_cached(sql)?
                .query_row(
                    params![
                        client.id.as_str(),
                        i64::try_from(read.0).unwrap_or(i64::MAX),
                        client.used,
                        client.expires_at.map(millis),
                        client.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes()),
                        record(&client)?,
                    ],
                    |row| number(row, 0).map(Version),
                )
                .optional()?;
            Ok(version.ok_or(StoreError::Conflict)?)
        })
        .await
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write_lightly(move |connection| {
            // max() of a missing end is no end.
            let sql = "UPDATE clients SET used = 1, expires_at = max(expires_at, ?2) WHERE id = ?1";
            Ok(connection.prepare_cached(sql)?.execute(params![id.as_str(), millis(until)])? == 1)
        })
        .await
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            Ok(connection.prepare_cached("DELETE FROM clients WHERE id = ?1")?.execute([id.as_str()])? == 1)
        })
        .await
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let condition = condition(filter)?;
        let limit = page.limit.clamp(1, PAGE);
        self.read(move |connection| {
            let sql = format!(
                "SELECT record, used, expires_at FROM clients WHERE {condition} AND id > ?1 ORDER BY id LIMIT {}",
                limit + 1
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([page.after.unwrap_or_default()])?;
            let mut items: Vec<Client> = Vec::new();
            while let Some(row) = rows.next()? {
                items.push(client(row)?);
            }
            let next = (items.len() > limit).then(|| {
                items.truncate(limit);
                items[limit - 1].id.to_string()
            });
            Ok(Listing { items, next })
        })
        .await
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM clients WHERE {}", condition(filter)?);
        self.read(move |connection| {
            Ok(connection.prepare_cached(&sql)?.query_row([], |row| number(row, 0))?)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(CLIENTS, before).await
    }
}

fn condition(filter: ClientFilter) -> Result<Cow<'static, str>, StoreError> {
    Ok(match filter {
        ClientFilter::Expired(before) => format!("expires_at < {}", millis(before)).into(),
        ClientFilter::All => "TRUE".into(),
        // Word for word that of the index.
        ClientFilter::Unused => "used = 0".into(),
        // Two ranges of the primary key: what begins with either scheme.
        ClientFilter::Documents => {
            "(id >= 'https://' AND id < 'https:/0' OR id >= 'http://' AND id < 'http:/0')".into()
        }
        _ => return Err(StoreError::unavailable("this store does not know the filter")),
    })
}

/// The client that is live at `now` and has the same fingerprint.
fn twin(connection: &Connection, wanted: &Client, now: Timestamp) -> Result<Option<Client>, Fault> {
    let Some(fingerprint) = &wanted.fingerprint else { return Ok(None) };
    let sql = "SELECT record, used, expires_at FROM clients WHERE fingerprint = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([fingerprint.as_bytes()])?;
    let twin = rows.next()?.map(client).transpose()?;
    Ok(twin.filter(|twin| twin.is_live(now)))
}

/// Nobody else is found by this client's fingerprint any more: an expired twin gives it up.
fn release_fingerprint(connection: &Connection, client: &Client) -> Result<(), Fault> {
    let Some(fingerprint) = &client.fingerprint else { return Ok(()) };
    let sql = "UPDATE clients SET fingerprint = NULL WHERE fingerprint = ?1 AND id <> ?2";
    connection.prepare_cached(sql)?.execute(params![fingerprint.as_bytes(), client.id.as_str()])?;
    Ok(())
}

fn record(client: &Client) -> Result<String, Fault> {
    serde_json::to_string(client).map_err(|error| StoreError::unavailable(error).into())
}

/// The client in a row of record, mark and end: a renewal changes the latter two, not the record.
fn client(row: &Row<'_>) -> Result<Client, Fault> {
    let corrupt = || Fault::corrupt("client");
    let record = row.get_ref(0)?.as_str().map_err(|_| corrupt())?;
    let mut client: Client = serde_json::from_str(record).map_err(|_| corrupt())?;
    client.used = row.get(1)?;
    client.expires_at = optional_time(row, 2)?;
    Ok(client)
}
