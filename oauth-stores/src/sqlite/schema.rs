//! The schema: embedded migrations, counted in the file's `user_version`.

use rusqlite::{Connection, TransactionBehavior};

/// Migration `n` leads from version `n` to `n + 1`. What was released is never edited, only followed.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql")];

/// The newest version that this crate knows.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// How our files are told from other people's databases (`PRAGMA application_id`): "OAth".
const APPLICATION: i64 = 0x4f41_7468;

/// Why a database cannot be used as it is.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// Its version.
    Newer(i64),
    /// It has tables, and they are not ours.
    Foreign,
    /// It is ours, and has not this table.
    Missing(&'static str),
}

/// What speaks against using the database, found without changing it.
pub(super) fn mismatch(connection: &Connection) -> rusqlite::Result<Option<Mismatch>> {
    known(connection).map(Result::err)
}

/// Brings the database to the newest version; of two servers that start at once, one does.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Result<(), Mismatch>> {
    if let Ok(VERSION) = known(connection)? {
        return whole(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: it may have changed before the lock was ours.
    let version = match known(&transaction)? {
        Ok(version) => version,
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    whole(connection)
}

/// Looks whether all tables are there: a server that lacks one would fail at the first request that needs it.
fn whole(connection: &Connection) -> rusqlite::Result<Result<(), Mismatch>> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let missing = tables_of(MIGRATIONS).find(|table| !tables.iter().any(|there| there == table));
    Ok(missing.map_or(Ok(()), |table| Err(Mismatch::Missing(table))))
}

/// The tables that migrations make.
fn tables_of(migrations: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    let lines = migrations.iter().flat_map(|migration| migration.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split_whitespace().next())
}

/// The version of a database that is ours or empty.
fn known(connection: &Connection) -> rusqlite::Result<Result<i64, Mismatch>> {
    let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = read("PRAGMA user_version")?;
    if read("PRAGMA application_id")? != APPLICATION {
        let empty = read("SELECT count(*) FROM sqlite_schema")? == 0;
        return Ok(if empty { Ok(0) } else { Err(Mismatch::Foreign) });
    }
    Ok(if (0..=VERSION).contains(&version) { Ok(version) } else { Err(Mismatch::Newer(version)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_becomes_ours_and_stays_so() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(known(&connection).unwrap().unwrap(), 0);
        migrate(&mut connection).unwrap().unwrap();
        migrate(&mut connection).unwrap().unwrap();
        assert_eq!(known(&connection).unwrap().unwrap(), VERSION);
    }

    #[test]
    fn a_file_of_version_1_is_brought_up_to_date_under_a_server_of_version_1() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("oauth.sqlite")).unwrap();
        let old = open();
        old.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        // The statements of that version, prepared before.
        let mut grant = old
            .prepare(
                "INSERT INTO grants VALUES (?1, 'alice', NULL, 'app', 'notes:read', '', 1, ?2, NULL, NULL)",
            )
            .unwrap();
        let mut purge =
            old.prepare("DELETE FROM grants WHERE id > x'' AND id <= ?1 AND expires_at < ?2").unwrap();
        grant.execute((b"first", 10)).unwrap();

        let mut new = open();
        assert_eq!(known(&new).unwrap().unwrap(), 1);
        migrate(&mut new).unwrap().unwrap();
        assert_eq!(known(&new).unwrap().unwrap(), VERSION);
        grant.execute((b"later", 20)).unwrap();
        let ended = "SELECT count(*) FROM grants INDEXED BY grants_by_expiry WHERE expires_at < ?1";
        let count = |before: i64| new.query_row(ended, [before], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count(11), count(21)), (1, 2), "what either wrote is found by its end");
        assert_eq!(purge.execute((b"z", 11)).unwrap(), 1);
        assert_eq!((count(11), count(21)), (0, 1));
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        assert!(matches!(migrate(&mut connection).unwrap(), Err(Mismatch::Foreign)));
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn a_newer_schema_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap().unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(
            matches!(migrate(&mut connection).unwrap(), Err(Mismatch::Newer(found)) if found == VERSION + 1)
        );
    }
}
