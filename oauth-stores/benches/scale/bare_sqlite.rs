//! What SQLite itself takes: the bare statements over the same driver, as many in a transaction as there are callers, on a file like the store's.

use std::path::Path;
use std::time::Instant;

use oauth_core::{Credential, CredentialKey};
use rusqlite::{Connection, params};

use crate::ledger::{self, ENDED, NOW};
use crate::measure::{CALLERS, Costs, OPERATIONS, count, micros, spread};

const FIND: &str = "SELECT g.scopes, g.resources, g.revoked_at, c.spent_at, c.reply
    FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";

const KEEP: &str =
    "INSERT INTO replies (until, spent, successor, request, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";

const SPEND: &str =
    "UPDATE credentials SET spent_at = ?3, reply = ?4 WHERE grant_id = ?1 AND hash = ?2 AND spent_at IS NULL";

const ISSUE: &str =
    "INSERT INTO credentials (grant_id, hash, kind, issued_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";

const REVOKE: &str = "UPDATE grants SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";

// What is the grant's goes with it.
const PURGE: [&str; 2] = [
    "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at < ?1 ORDER BY expires_at LIMIT 500)",
    "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE revoked_at < ?1 ORDER BY revoked_at LIMIT 500)",
];

/// What [`measure::measure`](crate::measure::measure) does to a store, by one connection.
pub(crate) fn measure(path: &Path, grants: usize) -> rusqlite::Result<Costs> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST")?;
    let live: Vec<usize> = spread(grants).filter(|number| !number.is_multiple_of(ENDED)).collect();
    let third = (live.len() / 3).min(OPERATIONS);
    let times = OPERATIONS / third;
    let began = Instant::now();
    for number in &live[..third] {
        let key = ledger::key(*number);
        for _ in 0..times {
            state(&connection, &key)?;
        }
    }
    let find = micros(began.elapsed()) / count(third * times);
    let mut held: Vec<_> = live[third..2 * third].iter().map(|number| ledger::session(*number)).collect();
    let (began, mut done) = (Instant::now(), 0);
    for callers in held.chunks_mut(CALLERS) {
        for _ in 0..times {
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            for (grant, token) in &mut *callers {
                let issued = ledger::issued(grant, ledger::moment(done));
                exchange(&connection, &token.key, &issued)?;
                [_, *token] = issued;
                done += 1;
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
    }
    let exchange = micros(began.elapsed()) / count(done);
    let began = Instant::now();
    for callers in live[2 * third..3 * third].chunks(CALLERS) {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for number in callers {
            let (id, now) = (ledger::key(*number).grant, NOW.as_millis().cast_signed());
            connection.prepare_cached(REVOKE)?.execute(params![id.as_bytes(), now])?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    let revoke = micros(began.elapsed()) / count(third);
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let (began, before) = (Instant::now(), connection.total_changes());
    for purge in PURGE {
        while connection.prepare_cached(purge)?.execute([NOW.as_millis().cast_signed() + 1])? > 0 {}
    }
    let removed = usize::try_from(connection.total_changes() - before).unwrap_or(usize::MAX);
    Ok(Costs([find, exchange, revoke, micros(began.elapsed()) / count(removed), f64::NAN]))
}

fn state(connection: &Connection, key: &CredentialKey) -> rusqlite::Result<Option<i64>> {
    let mut state = connection.prepare_cached(FIND)?;
    state.query_row(params![key.grant.as_bytes(), key.hash.as_bytes()], |row| row.get(3))
}

fn exchange(
    connection: &Connection,
    spent: &CredentialKey,
    issued: &[Credential; 2],
) -> rusqlite::Result<()> {
    state(connection, spent)?;
    let (reply, now) = (ledger::reply(), issued[0].issued_at.as_millis().cast_signed());
    let id = connection.prepare_cached(KEEP)?.insert(params![
        now + 120_000,
        spent.hash.as_bytes(),
        issued[1].key.hash.as_bytes(),
        reply.request().as_bytes(),
        reply.sealed(),
    ])?;
    connection.prepare_cached(SPEND)?.execute(params![
        spent.grant.as_bytes(),
        spent.hash.as_bytes(),
        now,
        id
    ])?;
    for credential in issued {
        connection.prepare_cached(ISSUE)?.execute(params![
            credential.key.grant.as_bytes(),
            credential.key.hash.as_bytes(),
            credential.kind.tag(),
            now,
            credential.expires_at.as_millis().cast_signed(),
        ])?;
    }
    Ok(())
}
