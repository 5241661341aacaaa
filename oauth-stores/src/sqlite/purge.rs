//! Removing grants and credentials that have ended: in each batch whole grants, or credentials and the grants that are left with none.

use std::collections::HashSet;

use oauth_core::{StoreError, Timestamp};
use rusqlite::{Connection, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::millis;
use crate::sqlite::sweep::{BATCH, Sweep};

/// For how long after its window a sealed reply is kept: far more than any two servers' clocks differ.
const REPLY_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

const REPLIES: Sweep = Sweep { table: "replies", key: "id", end: "until" };

const EXPIRED_GRANTS: &str = "SELECT id FROM grants WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2";

const REVOKED_GRANTS: &str = "SELECT id FROM grants WHERE revoked_at < ?1 ORDER BY revoked_at LIMIT ?2";

const EXPIRED_CREDENTIALS: &str =
    "SELECT grant_id, hash FROM credentials WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2";

/// What a batch did.
struct Batch {
    removed: usize,
    /// Whether there may be more.
    more: bool,
}

/// Removes some of what was over before a time in milliseconds.
type Step = fn(&Connection, i64) -> Result<Batch, Fault>;

impl SqliteStore {
    pub(super) async fn purge_grants(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(REPLIES, before.before(REPLY_SLACK)).await?;
        let mut removed = 0;
        // Whole grants first: their credentials need not be looked for one by one.
        let steps: [Step; 3] = [
            |connection, before| grants(connection, EXPIRED_GRANTS, before),
            |connection, before| grants(connection, REVOKED_GRANTS, before),
            credentials,
        ];
        for step in steps {
            loop {
                // Nobody relies on a removal: after a power failure the next purge repeats it.
                let batch = self.write_lightly(move |connection| step(connection, millis(before))).await?;
                removed += batch.removed as u64;
                if !batch.more {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

/// Removes grants that ended, with all that is theirs.
fn grants(connection: &Connection, ended: &str, before: i64) -> Result<Batch, Fault> {
    let mut chosen = connection.prepare_cached(ended)?;
    let chosen = chosen.query_map(params![before, BATCH as i64], |row| row.get(0))?;
    let chosen: Vec<[u8; 16]> = chosen.collect::<Result<_, _>>()?;
    let mut credentials = connection.prepare_cached("DELETE FROM credentials WHERE grant_id = ?1")?;
    let mut grant = connection.prepare_cached("DELETE FROM grants WHERE id = ?1")?;
    let mut removed = 0;
    for id in &chosen {
        // A busy grant has thousands: the others are for the next batch.
        if removed >= 2 * BATCH {
            return Ok(Batch { removed, more: true });
        }
        removed += credentials.execute([id])? + grant.execute([id])?;
    }
    Ok(Batch { removed, more: chosen.len() == BATCH })
}

/// Removes credentials that expired, and grants that are left with none.
fn credentials(connection: &Connection, before: i64) -> Result<Batch, Fault> {
    let mut chosen = connection.prepare_cached(EXPIRED_CREDENTIALS)?;
    let chosen = chosen.query_map(params![before, BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let chosen: Vec<([u8; 16], [u8; 32])> = chosen.collect::<Result<_, _>>()?;
    let mut credential =
        connection.prepare_cached("DELETE FROM credentials WHERE grant_id = ?1 AND hash = ?2")?;
    let mut removed = 0;
    for (grant, hash) in &chosen {
        removed += credential.execute(params![grant, hash])?;
    }
    let touched: HashSet<[u8; 16]> = chosen.iter().map(|(grant, _)| *grant).collect();
    let mut empty = connection.prepare_cached(
        "DELETE FROM grants WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM credentials WHERE grant_id = ?1)",
    )?;
    for grant in &touched {
        removed += empty.execute([grant])?;
    }
    Ok(Batch { removed, more: chosen.len() == BATCH })
}
