//! Removing what has ended, some rows at a time: each batch is a short transaction of its own, and one is under way at a time over the
//! whole database.

use oauth_core::{StoreError, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};

use crate::postgres::PostgresStore;
use crate::postgres::pool::Pool;
use crate::postgres::row::{get, millis};

/// How many rows one batch removes at most.
const BATCH: usize = 500;

/// For how long after its window a sealed reply is kept: far more than any two servers' clocks differ.
const REPLY_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

// Whoever locks the row has the turn until the end of the transaction; nobody waits for it.
const TURN: &str = "SELECT 1 FROM oauth.turns WHERE name = 'purge' FOR UPDATE SKIP LOCKED";

const CREDENTIALS: &str = "WITH ended AS (
        SELECT grant_id, hash FROM oauth.credentials WHERE expires_at < $1 ORDER BY expires_at LIMIT 500
    ), unspent AS (
        DELETE FROM oauth.spent s USING ended e WHERE s.grant_id = e.grant_id AND s.hash = e.hash
    ), gone AS (
        DELETE FROM oauth.credentials c USING ended e WHERE c.grant_id = e.grant_id AND c.hash = e.hash RETURNING c.grant_id
    )
    SELECT grant_id, count(*) FROM gone GROUP BY grant_id";

// An exchange that is under way holds the row: it is looked at again by the next purge, when it has ended.
const LOCK: &str = "SELECT id FROM oauth.grants WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED";

// A statement after the lock sees what was committed before it.
const EMPTY: &str = "WITH gone AS (
        DELETE FROM oauth.grants g WHERE id = ANY($1)
        AND NOT EXISTS (SELECT 1 FROM oauth.credentials c WHERE c.grant_id = g.id) RETURNING id
    ), unspent AS (
        DELETE FROM oauth.spent s USING gone WHERE s.grant_id = gone.id
    )
    SELECT 1 FROM gone";

const GRANTS: &str = "WITH ended AS (
        (SELECT id FROM oauth.grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 100)
        UNION (SELECT id FROM oauth.grants WHERE revoked_at < $1 ORDER BY revoked_at LIMIT 100)
    ), unspent AS (
        DELETE FROM oauth.spent s USING ended e WHERE s.grant_id = e.id
    ), credentials AS (
        DELETE FROM oauth.credentials c USING ended e WHERE c.grant_id = e.id RETURNING 1
    ), gone AS (
        DELETE FROM oauth.grants g USING ended e WHERE g.id = e.id RETURNING 1
    )
    SELECT (SELECT count(*) FROM credentials) + (SELECT count(*) FROM gone), (SELECT count(*) FROM gone)";

const REPLIES: &str =
    "UPDATE oauth.spent s SET reply_until = NULL, successor = NULL, request = NULL, sealed = NULL
    FROM (SELECT grant_id, hash FROM oauth.spent WHERE reply_until < $1 ORDER BY reply_until LIMIT 500) old
    WHERE s.grant_id = old.grant_id AND s.hash = old.hash RETURNING 1";

/// What a batch did.
struct Batch {
    removed: u64,
    /// Whether there may be more.
    more: bool,
}

impl PostgresStore {
    pub(super) async fn purge_grants(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_simple(REPLIES, before.before(REPLY_SLACK)).await?;
        let mut removed = 0;
        loop {
            let batch = self.purge_credentials(before).await?;
            removed += batch.removed;
            if !batch.more {
                break;
            }
        }
        loop {
            let batch = self.purge_ended(before).await?;
            removed += batch.removed;
            if !batch.more {
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

    /// Removes credentials that expired, and grants that are left with none.
    async fn purge_credentials(&self, before: Timestamp) -> Result<Batch, StoreError> {
        let counts = self
            .pool
            .transact(|connection| {
                let pool = self.pool.clone();
                Box::pin(async move {
                    if !has_turn(&pool, connection).await? {
                        return Ok((Vec::new(), 0));
                    }
                    let gone =
                        pool.statement(CREDENTIALS).bind(millis(before)).fetch_all(&mut *connection).await?;
                    if gone.is_empty() {
                        return Ok((gone, 0));
                    }
                    let of = ids(&gone)?;
                    let locked = pool.statement(LOCK).bind(of).fetch_all(&mut *connection).await?;
                    let empty = pool.statement(EMPTY).bind(ids(&locked)?).fetch_all(connection).await?;
                    Ok((gone, empty.len()))
                })
            })
            .await?;
        let (gone, empty) = counts;
        let credentials = gone.iter().map(|row| get::<i64>(row, 1)).sum::<Result<i64, _>>()?.unsigned_abs();
        Ok(Batch { removed: credentials + empty as u64, more: credentials >= BATCH as u64 })
    }

    /// Removes grants that ended, with all that is theirs.
    async fn purge_ended(&self, before: Timestamp) -> Result<Batch, StoreError> {
        let row = self
            .pool
            .transact(|connection| {
                let pool = self.pool.clone();
                Box::pin(async move {
                    if !has_turn(&pool, connection).await? {
                        return Ok(None);
                    }
                    pool.statement(GRANTS).bind(millis(before)).fetch_optional(connection).await
                })
            })
            .await?;
        let Some(row) = row else { return Ok(Batch { removed: 0, more: false }) };
        let removed = get::<i64>(&row, 0)?.unsigned_abs();
        Ok(Batch { removed, more: get::<i64>(&row, 1)? > 0 })
    }
}

async fn has_turn(pool: &Pool, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(pool.statement(TURN).fetch_optional(connection).await?.is_some())
}

fn ids(rows: &[PgRow]) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect()
}
