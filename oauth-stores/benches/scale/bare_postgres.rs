//! What PostgreSQL itself takes: the bare statements over the same driver and a pool of the same size, on tables like the store's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use oauth_core::{Credential, Grant};
use oauth_stores::PostgresOptions;
use oauth_stores::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use oauth_stores::sqlx::{self, ConnectOptions as _};

use crate::ledger::{self, ENDED, NOW};
use crate::measure::{Costs, OPERATIONS, count, each, micros, spread};

const FIND: &str = "SELECT g.scopes, g.resources, g.revoked_at, c.expires_at FROM oauth.grants g JOIN oauth.credentials c ON c.grant_id = g.id
    WHERE g.id = $1 AND c.hash = $2";

const EXCHANGE: &str = "WITH spending AS (
        INSERT INTO oauth.spent (grant_id, hash, spent_at, reply_until, successor, request, sealed)
        VALUES ($1, $2, $3, $3 + 120000, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1
    )
    INSERT INTO oauth.credentials (grant_id, hash, kind, issued_at, expires_at)
    SELECT $1, v.hash, v.kind, $3, v.ends FROM spending, (VALUES ($7::bytea, 'at', $8::bigint), ($4, 'rt', $9)) AS v (hash, kind, ends)";

const REVOKE: &str = "UPDATE oauth.grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";

const PURGE: [&str; 2] = [
    "WITH ended AS (SELECT id FROM oauth.grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 500), under AS (
        DELETE FROM oauth.credentials c USING ended WHERE c.grant_id = ended.id RETURNING 1
    ), gone AS (DELETE FROM oauth.grants g USING ended WHERE g.id = ended.id RETURNING 1)
    SELECT (SELECT count(*) FROM under) + (SELECT count(*) FROM gone)",
    "WITH ended AS (SELECT id FROM oauth.grants WHERE revoked_at < $1 ORDER BY revoked_at LIMIT 500), under AS (
        DELETE FROM oauth.credentials c USING ended WHERE c.grant_id = ended.id RETURNING 1
    ), gone AS (DELETE FROM oauth.grants g USING ended WHERE g.id = ended.id RETURNING 1)
    SELECT (SELECT count(*) FROM under) + (SELECT count(*) FROM gone)",
];

/// What [`measure::measure`](crate::measure::measure) does to a store, by its statements alone.
pub(crate) async fn measure(url: &str, grants: usize) -> sqlx::Result<Costs> {
    let connect = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(PostgresOptions::CONNECTIONS).test_before_acquire(false);
    let pool = pool.connect_with(connect).await?;
    let live: Vec<usize> = spread(grants).filter(|number| !number.is_multiple_of(ENDED)).collect();
    let third = (live.len() / 3).min(OPERATIONS);
    each(&pool, &live[..third.min(200)], 1, find).await;
    let times = OPERATIONS / third;
    let find = each(&pool, &live[..third], times, find).await;
    let sessions: Vec<_> = live[third..2 * third].iter().map(|number| ledger::session(*number)).collect();
    let exchange = each(&pool, &sessions, times, exchange).await;
    let revoke = each(&pool, &live[2 * third..3 * third], 1, revoke).await;
    let (began, mut removed) = (Instant::now(), 0);
    for purge in PURGE {
        loop {
            let before = NOW.as_millis().cast_signed() + 1;
            let gone: i64 = sqlx::query_scalar(purge).bind(before).fetch_one(&pool).await?;
            removed += usize::try_from(gone).unwrap_or_default();
            if gone == 0 {
                break;
            }
        }
    }
    Ok(Costs([find, exchange, revoke, micros(began.elapsed()) / count(removed), f64::NAN]))
}

async fn find(pool: PgPool, number: usize, times: usize) {
    let key = ledger::key(number);
    for _ in 0..times {
        let found = sqlx::query(FIND)
            .bind(key.grant.as_bytes().as_slice())
            .bind(key.hash.as_bytes().as_slice())
            .fetch_optional(&pool);
        assert!(found.await.expect("the server answers").is_some());
    }
}

async fn exchange(pool: PgPool, (grant, mut token): (Grant, Credential), times: usize) {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..times {
        let now = ledger::moment(DONE.fetch_add(1, Ordering::Relaxed));
        let [access, refresh] = ledger::issued(&grant, now);
        let reply = ledger::reply();
        let written = sqlx::query(EXCHANGE)
            .bind(grant.id.as_bytes().as_slice())
            .bind(token.key.hash.as_bytes().as_slice())
            .bind(now.as_millis().cast_signed())
            .bind(refresh.key.hash.as_bytes().as_slice())
            .bind(reply.request().as_bytes().as_slice())
            .bind(reply.sealed())
            .bind(access.key.hash.as_bytes().as_slice())
            .bind(access.expires_at.as_millis().cast_signed())
            .bind(refresh.expires_at.as_millis().cast_signed())
            .execute(&pool);
        assert_eq!(written.await.expect("the server answers").rows_affected(), 2);
        token = refresh;
    }
}

async fn revoke(pool: PgPool, number: usize, _: usize) {
    let id = ledger::key(number).grant;
    let now = NOW.as_millis().cast_signed();
    let revoked = sqlx::query(REVOKE).bind(id.as_bytes().as_slice()).bind(now).execute(&pool);
    assert_eq!(revoked.await.expect("the server answers").rows_affected(), 1);
}
