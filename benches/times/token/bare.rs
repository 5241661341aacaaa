//! The floor: a loop over the driver that does the statements of a refresh, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use oauth_core::{OsEntropy, random};
use oauth_stores::SqliteStore;
use rusqlite::{Connection, OptionalExtension as _, params};

use benches::fixture::{NOW, RESOURCE};

const FIND: &str = "SELECT g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at, g.auth_time,
        g.revoked_at, c.kind, c.issued_at, c.expires_at, c.spent_at, c.scopes, c.resources, c.jkt, c.code
    FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";
const ACCOUNT: &str = "SELECT subject, name, created_at, disabled FROM accounts WHERE subject = ?1";
const STATE: &str = "SELECT g.scopes, g.resources, g.revoked_at, c.spent_at, c.reply
    FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";
const KEEP: &str =
    "INSERT INTO replies (until, spent, successor, request, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";
const SPEND: &str =
    "UPDATE credentials SET spent_at = ?3, reply = ?4 WHERE grant_id = ?1 AND hash = ?2 AND spent_at IS NULL";
const INSERT: &str =
    "INSERT INTO credentials (grant_id, hash, kind, issued_at, expires_at, scopes, resources, jkt, code)
    VALUES (?1, ?2, ?3, ?4, ?5, NULL, NULL, NULL, NULL)";

/// Refreshes `callers` grants in turn, all of them in one transaction, for `time`. Refreshes a second.
pub(crate) fn rate(path: &Path, callers: usize, time: Duration) -> rusqlite::Result<f64> {
    drop(SqliteStore::open(path).expect("the file is new"));
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST")?;
    connection.set_prepared_statement_cache_capacity(32);
    let mut held = Vec::new();
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for _ in 0..callers {
        let (grant, refresh) = (random::<16>(&OsEntropy), random::<32>(&OsEntropy));
        connection.execute(
            "INSERT INTO grants VALUES (?1, 'owner', NULL, 'web-app', 'notes:read notes:write', ?2, 1, ?3, 1, NULL)",
            params![grant, RESOURCE, i64::MAX],
        )?;
        insert(&connection, &grant, &refresh, "rt")?;
        held.push((grant, refresh));
    }
    connection.execute_batch("COMMIT")?;
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        for (grant, refresh) in &held {
            let found: Option<String> = connection
                .prepare_cached(FIND)?
                .query_row(params![grant, refresh], |row| row.get(1))
                .optional()?;
            let _: Option<String> =
                connection.prepare_cached(ACCOUNT)?.query_row([found], |row| row.get(0)).optional()?;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for (grant, refresh) in &mut held {
            *refresh = exchange(&connection, grant, refresh)?;
            done += 1;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

fn exchange(connection: &Connection, grant: &[u8; 16], spent: &[u8; 32]) -> rusqlite::Result<[u8; 32]> {
    let _: Option<i64> =
        connection.prepare_cached(STATE)?.query_row(params![grant, spent], |row| row.get(3))?;
    let (access, refresh) = (random::<32>(&OsEntropy), random::<32>(&OsEntropy));
    let now = NOW.as_millis().cast_signed();
    // As long as the real reply, sealed.
    let sealed = [7_u8; 330];
    let id = connection.prepare_cached(KEEP)?.insert(params![now, spent, refresh, [1_u8; 32], sealed])?;
    connection.prepare_cached(SPEND)?.execute(params![grant, spent, now, id])?;
    insert(connection, grant, &access, "at")?;
    insert(connection, grant, &refresh, "rt")?;
    Ok(refresh)
}

fn insert(connection: &Connection, grant: &[u8; 16], hash: &[u8; 32], kind: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT)?.execute(params![
        grant,
        hash,
        kind,
        NOW.as_millis().cast_signed(),
        i64::MAX
    ])?;
    Ok(())
}
