//! Removing what has ended, by the indexes over its end, a batch at a time: what it costs hangs on what it removes, not on what is there.

use oauth_core::{StoreError, Timestamp};

use crate::sqlite::SqliteStore;
use crate::sqlite::row::millis;

/// How many rows are removed before others have their turn: some milliseconds.
pub(super) const BATCH: usize = 500;

/// One table's rows, what they are known by, and when they end.
#[derive(Clone, Copy)]
pub(super) struct Sweep {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) end: &'static str,
}

impl SqliteStore {
    /// Removes what ended before `before`. How many rows.
    pub(super) async fn sweep(&self, sweep: Sweep, before: Timestamp) -> Result<u64, StoreError> {
        let Sweep { table, key, end } = sweep;
        let mut removed = 0;
        loop {
            let sql = format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {end} < ?1 ORDER BY {end} LIMIT {BATCH})"
            );
            // Nobody relies on a removal: after a power failure the next purge repeats it.
            let count = self
                .write_lightly(move |connection| {
                    Ok(connection.prepare_cached(&sql)?.execute([millis(before)])?)
                })
                .await?;
            removed += count as u64;
            if count < BATCH {
                return Ok(removed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sqlite::open;

    #[test]
    fn what_has_ended_is_found_by_an_index_in_every_table() {
        let connection = open::memory().unwrap();
        let plan = |sql: &str| -> String {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            lines.map(|line| line.unwrap() + "\n").collect()
        };
        for (table, end) in [
            ("grants", "expires_at"),
            ("grants", "revoked_at"),
            ("credentials", "expires_at"),
            ("replies", "until"),
            ("clients", "expires_at"),
            ("consents", "expires_at"),
            ("sessions", "expires_at"),
            ("replay", "until"),
            ("limits", "whole_at"),
        ] {
            let plan = plan(&format!("SELECT 1 FROM {table} WHERE {end} < 1 ORDER BY {end} LIMIT 1"));
            let index = format!("SEARCH {table} USING");
            assert!(plan.contains(&index) && plan.contains(end) && !plan.contains("SCAN"), "{plan}");
        }
    }
}
