//! Removing what has ended, some rows at a time: each batch is a short transaction of its own, and one is under way at a time over the
//! whole database.
//!
//! 1. Credentials are locked before they are removed. One that is being spent is passed by: to the server that spends it, it has not
//!    ended, whatever the clock of this one says.
//! 2. The statements after the lock see all that was committed before it: how it was spent goes with the credential.
//! 3. A grant goes when it has no credential left. Whoever is about to add one holds another of them, which is then still there.

use oauth_core::{StoreError, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::postgres::PostgresStore;
use crate::postgres::pool::Pool;
use crate::postgres::row::millis;

/// How many rows one batch removes at most.
const BATCH: usize = 500;

/// For how long after its window a sealed reply is kept: far more than any two servers' clocks differ.
pub(super) const REPLY_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

// Whoever locks the row has the turn until the end of the transaction; nobody waits for it.
const TURN: &str = "SELECT 1 FROM oauth.turns WHERE name = 'purge' FOR UPDATE SKIP LOCKED";

const EXPIRED: &str = "SELECT grant_id, hash FROM oauth.credentials WHERE expires_at < $1 ORDER BY expires_at LIMIT 500 FOR UPDATE SKIP LOCKED";

pub(super) const ENDED: &str =
    "(SELECT id FROM oauth.grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 100)
    UNION (SELECT id FROM oauth.grants WHERE revoked_at < $1 ORDER BY revoked_at LIMIT 100)";

// A busy grant has thousands: what is left is for the next batch.
const UNDER: &str =
    "SELECT grant_id, hash FROM oauth.credentials WHERE grant_id = ANY($1) LIMIT 2000 FOR UPDATE SKIP LOCKED";

const CREDENTIALS: &str = "WITH locked AS (
        SELECT l.grant_id, l.hash FROM unnest($1::bytea[], $2::bytea[]) AS l (grant_id, hash)
    ), unspent AS (
        DELETE FROM oauth.spent s USING locked l WHERE s.grant_id = l.grant_id AND s.hash = l.hash
    ), gone AS (
        DELETE FROM oauth.credentials c USING locked l WHERE c.grant_id = l.grant_id AND c.hash = l.hash RETURNING 1
    )
    SELECT count(*) FROM gone";

const EMPTY: &str = "WITH gone AS (
        DELETE FROM oauth.grants g WHERE id = ANY($1)
        AND NOT EXISTS (SELECT 1 FROM oauth.credentials c WHERE c.grant_id = g.id) RETURNING id
    ), unspent AS (
        DELETE FROM oauth.spent s USING gone WHERE s.grant_id = gone.id
    )
    SELECT count(*) FROM gone";

const REPLIES: &str =
    "UPDATE oauth.spent s SET reply_until = NULL, successor = NULL, request = NULL, sealed = NULL
    FROM (SELECT grant_id, hash FROM oauth.spent WHERE reply_until < $1 ORDER BY reply_until LIMIT 500) old
    WHERE s.grant_id = old.grant_id AND s.hash = old.hash RETURNING 1";

impl PostgresStore {
    pub(super) async fn purge_grants(&self, before: Timestamp) -> Result<u64, StoreError> {
        if self.by_grant {
            return self.purge_grants_each(before).await;
        }
        self.purge_simple(REPLIES, before.before(REPLY_SLACK)).await?;
        let mut removed = 0;
        loop {
            let (chosen, gone) = self.purge_expired(before).await?;
            removed += gone;
            if chosen < BATCH {
                break;
            }
        }
        loop {
            let gone = self.purge_ended(before).await?;
            removed += gone;
            if gone == 0 {
                return Ok(removed);
            }
        }
    }

    /// Runs a statement that handles at most [`BATCH`] rows and yields one for each, until nothing is left. How many rows.
    pub(super) async fn purge_simple(&self, sql: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let count = self
                .pool
                .transact(|connection| {
                    let pool = self.pool.clone();
                    Box::pin(async move {
                        if !has_turn(&pool, connection).await? {
                            return Ok(0);
                        }
                        let rows = pool.statement(sql).bind(millis(before)).fetch_all(connection).await?;
                        Ok(rows.len())
                    })
                })
                .await?;
            removed += count as u64;
            if count < BATCH {
                return Ok(removed);
            }
        }
    }

    /// Removes credentials that expired, and grants that are left with none. How many credentials it chose, and how many rows are gone.
    async fn purge_expired(&self, before: Timestamp) -> Result<(usize, u64), StoreError> {
        self.pool
            .transact(|connection| {
                let pool = self.pool.clone();
                Box::pin(async move {
                    if !has_turn(&pool, connection).await? {
                        return Ok((0, 0));
                    }
                    let locked =
                        pool.statement(EXPIRED).bind(millis(before)).fetch_all(&mut *connection).await?;
                    let mut grants = column(&locked, 0)?;
                    grants.sort_unstable();
                    grants.dedup();
                    Ok((locked.len(), remove(&pool, connection, &locked, grants).await?))
                })
            })
            .await
    }

    /// Removes grants that ended, with all that is theirs. How many rows are gone.
    async fn purge_ended(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.pool
            .transact(|connection| {
                let pool = self.pool.clone();
                Box::pin(async move {
                    if !has_turn(&pool, connection).await? {
                        return Ok(0);
                    }
                    let ended =
                        pool.statement(ENDED).bind(millis(before)).fetch_all(&mut *connection).await?;
                    let grants = column(&ended, 0)?;
                    let locked =
                        pool.statement(UNDER).bind(grants.clone()).fetch_all(&mut *connection).await?;
                    remove(&pool, connection, &locked, grants).await
                })
            })
            .await
    }
}

/// Removes credentials that are locked, and those of `grants` that are left with none. How many rows.
async fn remove(
    pool: &Pool,
    connection: &mut PgConnection,
    locked: &[PgRow],
    grants: Vec<Vec<u8>>,
) -> Result<u64, sqlx::Error> {
    if grants.is_empty() {
        return Ok(0);
    }
    let credentials = pool
        .statement(CREDENTIALS)
        .bind(column(locked, 0)?)
        .bind(column(locked, 1)?)
        .fetch_one(&mut *connection);
    let credentials: i64 = credentials.await?.try_get(0)?;
    let grants: i64 = pool.statement(EMPTY).bind(grants).fetch_one(connection).await?.try_get(0)?;
    Ok(credentials.unsigned_abs() + grants.unsigned_abs())
}

pub(super) async fn has_turn(pool: &Pool, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(pool.statement(TURN).fetch_optional(connection).await?.is_some())
}

pub(super) fn column(rows: &[PgRow], at: usize) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    rows.iter().map(|row| row.try_get(at)).collect()
}
