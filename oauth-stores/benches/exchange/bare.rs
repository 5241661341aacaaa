//! The floor: a loop over the driver that does the statements of an exchange, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use oauth_core::{Credential, SealedReply};
use oauth_stores::SqliteStore;
use rusqlite::{Connection, params};

use crate::scene::{self, NOW};

/// Refreshes `callers` grants in turn, all of them in one transaction, for `time`. Exchanges a second.
pub(crate) fn rate(path: &Path, callers: usize, time: Duration) -> rusqlite::Result<f64> {
    drop(SqliteStore::open(path).expect("the file is new"));
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST")?;
    connection.set_prepared_statement_cache_capacity(32);
    let mut held = Vec::new();
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for _ in 0..callers {
        let (grant, refresh) = scene::session();
        connection.execute(
            "INSERT INTO grants VALUES (?1, 'alice', NULL, 'app', ?2, ?3, 1, 2, NULL, NULL)",
            params![grant.id.as_bytes(), grant.scopes.as_str(), grant.resources.as_slice()[0].as_str()],
        )?;
        insert(&connection, &refresh)?;
        held.push((grant, refresh));
    }
    connection.execute_batch("COMMIT")?;
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for (grant, refresh) in &mut held {
            let issued = scene::issued(grant);
            exchange(&connection, refresh, &issued, &scene::reply())?;
            [_, *refresh] = issued;
            done += 1;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

fn exchange(
    connection: &Connection,
    spent: &Credential,
    issued: &[Credential],
    reply: &SealedReply,
) -> rusqlite::Result<()> {
    let (grant, hash) = (spent.key.grant, spent.key.hash);
    let state = "SELECT g.scopes, g.resources, g.revoked_at, c.spent_at, c.reply
        FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";
    let _: Option<i64> = connection
        .prepare_cached(state)?
        .query_row(params![grant.as_bytes(), hash.as_bytes()], |row| row.get(3))?;
    let keep = "INSERT INTO replies (until, spent, successor, request, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = connection.prepare_cached(keep)?.insert(params![
        NOW.as_millis().cast_signed(),
        hash.as_bytes(),
        issued[1].key.hash.as_bytes(),
        reply.request().as_bytes(),
        reply.sealed(),
    ])?;
    let spend = "UPDATE credentials SET spent_at = ?3, reply = ?4 WHERE grant_id = ?1 AND hash = ?2 AND spent_at IS NULL";
    connection.prepare_cached(spend)?.execute(params![grant.as_bytes(), hash.as_bytes(), 1, id])?;
    issued.iter().try_for_each(|credential| insert(connection, credential))
}

fn insert(connection: &Connection, credential: &Credential) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO credentials (grant_id, hash, kind, issued_at, expires_at, scopes, resources, jkt, code)
        VALUES (?1, ?2, ?3, ?4, ?5, NULL, NULL, NULL, NULL)";
    connection.prepare_cached(sql)?.execute(params![
        credential.key.grant.as_bytes(),
        credential.key.hash.as_bytes(),
        credential.kind.tag(),
        credential.issued_at.as_millis().cast_signed(),
        credential.expires_at.as_millis().cast_signed(),
    ])?;
    Ok(())
}
