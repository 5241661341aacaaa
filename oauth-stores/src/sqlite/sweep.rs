//! Removing what has ended, a slice at a time.
//!
//! There is no index by expiry: it would make every write dearer and half as much larger. A purge walks a table in the order of
//! its key instead, [`SLICE`] rows to a job of the writer's, and lets others write between two slices.

use oauth_core::{StoreError, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::row::millis;

/// How many rows are looked at before others have their turn: about a millisecond.
const SLICE: usize = 500;

/// One table's rows, in the order of `key`, and how to tell which of them are over at `?3`.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    /// Deletes, of the rows with `?1 < key <= ?2`, what is over at `?3`.
    pub(super) deletes: &'static [&'static str],
}

/// After every key that there can be: a blob sorts after numbers and texts, and ours have at most 32 bytes.
const LAST: [u8; 33] = [0xff; 33];

impl Sweep {
    /// Removes from the slice that begins after `cursor`. How many rows, and where the next slice begins, if there is one.
    fn slice(
        self,
        connection: &Connection,
        after: &Value,
        before: Timestamp,
    ) -> Result<(u64, Option<Value>), Fault> {
        let Self { table, key, deletes } = self;
        let boundary =
            format!("SELECT {key} FROM {table} WHERE {key} > ?1 ORDER BY {key} LIMIT 1 OFFSET {}", SLICE - 1);
        let next: Option<Value> =
            connection.prepare_cached(&boundary)?.query_row([after], |row| row.get(0)).optional()?;
        let until = next.clone().unwrap_or_else(|| Value::Blob(LAST.to_vec()));
        let mut removed = 0;
        for delete in deletes {
            removed +=
                connection.prepare_cached(delete)?.execute(params![after, until, millis(before)])? as u64;
        }
        Ok((removed, next))
    }
}

impl SqliteStore {
    /// Removes what was over before `before`. How many rows.
    pub(super) async fn sweep(&self, sweep: Sweep, before: Timestamp) -> Result<u64, StoreError> {
        // Before every key, number or blob.
        let (mut removed, mut after) = (0, Value::Integer(i64::MIN));
        loop {
            let from = after;
            // Nobody relies on a removal: after a power failure the next purge repeats it.
            let (count, next) =
                self.write_lightly(move |connection| sweep.slice(connection, &from, before)).await?;
            removed += count;
            match next {
                Some(next) => after = next,
                None => return Ok(removed),
            }
        }
    }
}
