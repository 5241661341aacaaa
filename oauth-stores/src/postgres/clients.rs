//! Clients in PostgreSQL.

use std::borrow::Cow;

use async_trait::async_trait;
use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient,
    Timestamp, TokenHash, Version,
};
use sqlx::postgres::PgRow;

use crate::postgres::row::{get, millis, number, optional_time};
use crate::postgres::{PAGE, PostgresStore};

/// How often a registration looks again for who was there first.
const TRIES: usize = 10;

#[async_trait]
impl ClientStore for PostgresStore {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        let record = record(client)?;
        let fingerprint = client.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes().as_slice());
        let insert = "INSERT INTO oauth.clients (id, version, used, expires_at, fingerprint, record)
            VALUES ($1, 1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1";
        for _ in 0..TRIES {
            // The two unique keys decide the race. Whoever was there first is then seen by the next statement.
            let inserted = self.pool.written(|| {
                self.pool
                    .statement(insert)
                    .bind(client.id.as_str())
                    .bind(client.used)
                    .bind(client.expires_at.map(millis))
                    .bind(fingerprint)
                    .bind(&record)
            });
            if inserted.await? == 1 {
                return Ok(Registered::New);
            }
            let Some(wanted) = &client.fingerprint else { return Err(StoreError::Conflict) };
            match self.twin(wanted).await? {
                Some(twin) if twin.is_live(now) => return Ok(Registered::Existing(Box::new(twin))),
                // Nobody is found by an expired client's fingerprint any more; it may have been renewed meanwhile.
                Some(_) => {
                    let release = "UPDATE oauth.clients SET fingerprint = NULL WHERE fingerprint = $1 AND expires_at <= $2 RETURNING 1";
                    self.pool
                        .written(|| self.pool.statement(release).bind(fingerprint).bind(millis(now)))
                        .await?;
                }
                None if ClientStore::find(self, &client.id).await?.is_some() => {
                    return Err(StoreError::Conflict);
                }
                // Gone again.
                None => {}
            }
        }
        Err(StoreError::unavailable("others register and remove the same client all the time"))
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let sql = "SELECT record, used, expires_at, version FROM oauth.clients WHERE id = $1";
        let row = self.pool.row(|| self.pool.statement(sql).bind(id.as_str())).await?;
        row.map(|row| Ok(StoredClient::new(read(&row)?, Version(number(&row, 3)?)))).transpose()
    }

    async fn update(&self, client: &Client, expected: Version) -> Result<Version, StoreError> {
        let record = record(client)?;
        let fingerprint = client.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes().as_slice());
        let expected = i64::try_from(expected.0).unwrap_or(i64::MAX);
        // A renewal since the record was read stays.
        let update = "UPDATE oauth.clients SET version = version + 1, used = used OR $3,
            expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END, fingerprint = $5, record = $6
            WHERE id = $1 AND version = $2 RETURNING version";
        // Whoever else has the fingerprint gives it up, but only to who comes in time.
        let release = "UPDATE oauth.clients SET fingerprint = NULL WHERE fingerprint = $3 AND id <> $1
            AND EXISTS (SELECT 1 FROM oauth.clients WHERE id = $1 AND version = $2) RETURNING 1";
        for _ in 0..TRIES {
            let updated = self.pool.row(|| {
                self.pool
                    .statement(update)
                    .bind(client.id.as_str())
                    .bind(expected)
                    .bind(client.used)
                    .bind(client.expires_at.map(millis))
                    .bind(fingerprint)
                    .bind(&record)
            });
            match updated.await {
                Ok(Some(row)) => return number(&row, 0).map(Version),
                Ok(None) => return Err(StoreError::Conflict),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
            let released =
                || self.pool.statement(release).bind(client.id.as_str()).bind(expected).bind(fingerprint);
            self.pool.written(released).await?;
        }
        Err(StoreError::unavailable("others take the same fingerprint all the time"))
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        // What has no end gets none.
        let sql = "UPDATE oauth.clients SET used = TRUE,
            expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END WHERE id = $1 RETURNING 1";
        let renewed = self.pool.written(|| self.pool.statement(sql).bind(id.as_str()).bind(millis(until)));
        Ok(renewed.await? == 1)
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth.clients WHERE id = $1 RETURNING 1";
        Ok(self.pool.written(|| self.pool.statement(sql).bind(id.as_str())).await? == 1)
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let condition = condition(filter)?;
        let limit = page.limit.clamp(1, PAGE);
        let after = page.after.unwrap_or_default();
        let sql = format!(
            "SELECT record, used, expires_at FROM oauth.clients WHERE {condition} AND id > $1 ORDER BY id LIMIT $2"
        );
        let statement = || self.pool.composed(&sql).bind(&after).bind(limit as i64 + 1);
        let rows = self.pool.rows(statement).await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items[limit - 1].id.to_string()
        });
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM oauth.clients WHERE {}", condition(filter)?);
        let row = self.pool.row(|| self.pool.composed(&sql)).await?;
        row.map_or(Ok(0), |row| number(&row, 0))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth.clients WHERE id IN (
            SELECT id FROM oauth.clients WHERE expires_at < $1 ORDER BY expires_at LIMIT 500) AND expires_at < $1 RETURNING 1";
        self.purge_simple(sql, before).await
    }
}

impl PostgresStore {
    async fn twin(&self, fingerprint: &TokenHash) -> Result<Option<Client>, StoreError> {
        let sql = "SELECT record, used, expires_at FROM oauth.clients WHERE fingerprint = $1";
        let row = self.pool.row(|| self.pool.statement(sql).bind(fingerprint.as_bytes().as_slice())).await?;
        row.as_ref().map(read).transpose()
    }
}

fn condition(filter: ClientFilter) -> Result<Cow<'static, str>, StoreError> {
    Ok(match filter {
        ClientFilter::All => "TRUE".into(),
        // Word for word that of the index, as is the last.
        ClientFilter::Documents => "(id LIKE 'https://%' OR id LIKE 'http://%')".into(),
        ClientFilter::Expired(before) => format!("expires_at < {}", millis(before)).into(),
        ClientFilter::Unused => "NOT used".into(),
        _ => return Err(StoreError::unavailable("this store does not know the filter")),
    })
}

fn record(client: &Client) -> Result<String, StoreError> {
    serde_json::to_string(client).map_err(StoreError::unavailable)
}

/// The client in a row of record, mark and end: a renewal changes the latter two, not the record.
fn read(row: &PgRow) -> Result<Client, StoreError> {
    let mut client: Client = serde_json::from_str(get(row, 0)?).map_err(|_| StoreError::corrupt("client"))?;
    client.used = get(row, 1)?;
    client.expires_at = optional_time(row, 2)?;
    Ok(client)
}
