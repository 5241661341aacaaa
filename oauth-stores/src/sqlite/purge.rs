//! Removing grants and credentials that have ended: whole grants, then credentials and the grants that are left with none.
//!
//! 1. A reader looks for what has ended, by the index over its end, a page at a time.
//! 2. What it found is put into the order of the tables. Keys are random: taken as they end, each row touches pages of its own; taken in
//!    their order, neighbours that have ended share theirs.
//! 3. The writer removes it, a batch to a transaction, so that others write in between. It looks at each end once more.

use oauth_core::{StoreError, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::readers::PAGE;
use crate::sqlite::row::millis;
use crate::sqlite::sweep::{BATCH, Sweep};

/// For how long after its window a sealed reply is kept: far more than any two servers' clocks differ.
const REPLY_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

const REPLIES: Sweep = Sweep { table: "replies", key: "id", end: "until" };

/// How many are put into order at once: 3 MB.
const SOUGHT: usize = 65_536;

/// A grant, and the hash of a credential under it; zeros where the whole grant is meant.
type Key = ([u8; 16], [u8; 32]);

/// How many rows were removed, and how many keys that took.
type Removed = (usize, usize);

/// What ends, how it is found, and how it goes.
#[derive(Clone, Copy)]
struct Ended {
    /// Ends and keys before `?4`, from the one after `?1`, `?2`, `?3` on, `?5` of them.
    find: &'static str,
    remove: fn(&Connection, &[Key], i64) -> Result<Removed, Fault>,
}

const EXPIRED_GRANTS: Ended = Ended {
    find: "SELECT expires_at, id, zeroblob(32) FROM grants
        WHERE (expires_at, id) > (?1, ?2) AND expires_at < ?4 ORDER BY expires_at, id LIMIT ?5",
    remove: |connection, keys, before| {
        grants(connection, "DELETE FROM grants WHERE id = ?1 AND expires_at < ?2", keys, before)
    },
};

const REVOKED_GRANTS: Ended = Ended {
    find: "SELECT revoked_at, id, zeroblob(32) FROM grants
        WHERE (revoked_at, id) > (?1, ?2) AND revoked_at < ?4 ORDER BY revoked_at, id LIMIT ?5",
    remove: |connection, keys, before| {
        grants(connection, "DELETE FROM grants WHERE id = ?1 AND revoked_at < ?2", keys, before)
    },
};

const EXPIRED_CREDENTIALS: Ended = Ended {
    find: "SELECT expires_at, grant_id, hash FROM credentials
        WHERE (expires_at, grant_id, hash) > (?1, ?2, ?3) AND expires_at < ?4
        ORDER BY expires_at, grant_id, hash LIMIT ?5",
    remove: credentials,
};

impl SqliteStore {
    pub(super) async fn purge_grants(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.sweep(REPLIES, before.before(REPLY_SLACK)).await?;
        let mut removed = 0;
        // Whole grants first: their credentials need not be looked for one by one.
        for ended in [EXPIRED_GRANTS, REVOKED_GRANTS, EXPIRED_CREDENTIALS] {
            removed += self.purge_ended(ended, millis(before), SOUGHT).await?;
        }
        Ok(removed)
    }

    /// Removes what ended before `before`, of which so many are put into order at once. How many rows.
    async fn purge_ended(&self, ended: Ended, before: i64, sought: usize) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let keys = self.sought(ended.find, before, sought).await?;
            let mut left = keys.as_slice();
            while !left.is_empty() {
                let batch = left[..left.len().min(BATCH)].to_vec();
                // Nobody relies on a removal: after a power failure the next purge repeats it.
                let work = move |connection: &Connection| (ended.remove)(connection, &batch, before);
                let (gone, done) = self.write_lightly(work).await?;
                removed += gone as u64;
                left = &left[done..];
            }
            if keys.len() < sought {
                return Ok(removed);
            }
        }
    }

    /// At most `sought` of what `find` finds, in the order of the keys.
    async fn sought(&self, find: &'static str, before: i64, sought: usize) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        let mut after = (i64::MIN, Key::default());
        while keys.len() < sought {
            let limit = PAGE.min(sought - keys.len());
            let (end, (grant, hash)) = after;
            let page = self
                .read(move |connection| {
                    let mut statement = connection.prepare_cached(find)?;
                    let rows = statement.query_map(params![end, grant, hash, before, limit as i64], key)?;
                    Ok(rows.collect::<Result<Vec<_>, _>>()?)
                })
                .await?;
            keys.extend(page.iter().map(|(_, key)| *key));
            match page.last() {
                Some(last) if page.len() == limit => after = *last,
                _ => break,
            }
            // A page is read on the caller's thread: others on it have their turn.
            tokio::task::yield_now().await;
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<(i64, Key)> {
    Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
}

/// Removes grants by a statement, with all that is theirs.
fn grants(connection: &Connection, delete: &str, keys: &[Key], before: i64) -> Result<Removed, Fault> {
    let mut grant = connection.prepare_cached(delete)?;
    let none = connection.total_changes();
    // What goes along (ON DELETE CASCADE) counts.
    let removed = || usize::try_from(connection.total_changes() - none).unwrap_or(usize::MAX);
    for (done, (id, _)) in keys.iter().enumerate() {
        // A busy grant has thousands of credentials: the others are for the next batch.
        if removed() >= 2 * BATCH {
            return Ok((removed(), done));
        }
        grant.execute(params![id, before])?;
    }
    Ok((removed(), keys.len()))
}

/// Removes credentials that expired, and grants that are left with none.
fn credentials(connection: &Connection, keys: &[Key], before: i64) -> Result<Removed, Fault> {
    let mut credential = connection
        .prepare_cached("DELETE FROM credentials WHERE grant_id = ?1 AND hash = ?2 AND expires_at < ?3")?;
    let mut empty = connection.prepare_cached(
        "DELETE FROM grants WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM credentials WHERE grant_id = ?1)",
    )?;
    let mut removed = 0;
    for under in keys.chunk_by(|one, next| one.0 == next.0) {
        for (grant, hash) in under {
            removed += credential.execute(params![grant, hash, before])?;
        }
        if let Some((grant, _)) = under.first() {
            removed += empty.execute([grant])?;
        }
    }
    Ok((removed, keys.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grants with a credential each, of which every second one's end is told apart from the others'.
    async fn filled(grants: u32, end: &'static str) -> SqliteStore {
        let store = SqliteStore::in_memory().unwrap();
        let fill = move |connection: &Connection| {
            for number in 0..grants {
                let (mut id, hash) = ([0; 16], [7_u8; 32]);
                id[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
                let ends = if number % 2 == 0 { 10 } else { i64::from(number) % 20 };
                let (grant_ends, revoked, credential_ends) = match end {
                    "grant" => (ends, None, 1000),
                    "revoked" => (1000, Some(ends), 1000),
                    _ => (1000, None, ends),
                };
                connection.execute(
                    "INSERT INTO grants VALUES (?1, 'alice', NULL, 'app', 'a', '', 1, ?2, NULL, ?3)",
                    params![id, grant_ends, revoked],
                )?;
                connection.execute(
                    "INSERT INTO credentials (grant_id, hash, kind, issued_at, expires_at) VALUES (?1, ?2, 'rt', 1, ?3)",
                    params![id, hash, credential_ends],
                )?;
            }
            Ok(())
        };
        store.write(fill).await.unwrap();
        store
    }

    #[tokio::test]
    async fn all_that_has_ended_goes_however_many_ended_at_one_moment_and_nothing_else() {
        // Half end at 10, the others at the odd moments up to 19: 11 and later stay.
        const GRANTS: u32 = 6000;
        for (end, ended) in
            [("grant", EXPIRED_GRANTS), ("revoked", REVOKED_GRANTS), ("credential", EXPIRED_CREDENTIALS)]
        {
            let store = filled(GRANTS, end).await;
            assert!(store.sought(ended.find, 11, 2500).await.unwrap().is_sorted(), "neighbours go together");
            let removed = store.purge_ended(ended, 11, 2500).await.unwrap();
            assert_eq!(removed, 2 * (3000 + 1500), "{end}");
            let rows = |table| {
                let sql = format!("SELECT count(*) FROM {table}");
                store.read(move |connection| Ok(connection.query_row(&sql, [], |row| row.get::<_, u32>(0))?))
            };
            assert_eq!((rows("grants").await.unwrap(), rows("credentials").await.unwrap()), (1500, 1500));
            assert_eq!(store.purge_ended(ended, 11, 2500).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn what_was_found_is_removed_only_if_it_has_ended() {
        for (end, ended) in
            [("grant", EXPIRED_GRANTS), ("revoked", REVOKED_GRANTS), ("credential", EXPIRED_CREDENTIALS)]
        {
            let store = filled(2, end).await;
            for (before, removed) in [(10, (0, 1)), (11, (2, 1))] {
                let remove =
                    move |connection: &Connection| (ended.remove)(connection, &[([0; 16], [7; 32])], before);
                // With its credential, or as the last one's grant.
                assert_eq!(store.write(remove).await.unwrap(), removed, "{end} {before}");
            }
        }
    }

    #[test]
    fn what_has_ended_is_found_by_its_index_from_the_last_one_on() {
        let connection = crate::sqlite::open::memory().unwrap();
        for find in [EXPIRED_GRANTS, REVOKED_GRANTS, EXPIRED_CREDENTIALS].map(|ended| ended.find) {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {find}")).unwrap();
            let plan: Vec<String> = statement
                .query_map(params![0, [0_u8; 16], [0_u8; 32], 0, 0], |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert!(
                plan.len() == 1 && plan[0].contains("COVERING INDEX") && plan[0].contains(")>("),
                "{plan:?}"
            );
        }
    }
}
