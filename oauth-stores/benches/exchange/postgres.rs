//! PostgreSQL: the bare statement and the store's exchange, over the same driver and a pool of the same size, on one durable server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oauth_core::{Credential, Exchange, Exchanged, Grant, GrantStore};
use oauth_stores::sqlx::postgres::{PgPool, PgPoolOptions};
use oauth_stores::sqlx::{self, ConnectOptions as _, postgres::PgConnectOptions};
use oauth_stores::testing::{TestPostgres, available};
use oauth_stores::{PostgresOptions, PostgresStore};

use crate::scene::{self, NOW};

/// The least that an exchange is: the spent credential is marked, if it was not; then what it buys is written, and the reply.
const BARE: &str = "WITH spending AS (
        UPDATE bare_credentials SET spent_at = $3, reply = $4 WHERE grant_id = $1 AND hash = $2 AND spent_at IS NULL RETURNING 1
    )
    INSERT INTO bare_credentials (grant_id, hash, kind, issued_at, expires_at)
    SELECT $1, v.hash, v.kind, $5, $6 FROM spending, (VALUES ($7::bytea, 'at'), ($8::bytea, 'rt')) AS v (hash, kind)";

const TABLE: &str = "DROP TABLE IF EXISTS bare_credentials; CREATE TABLE bare_credentials (
    grant_id BYTEA NOT NULL, hash BYTEA NOT NULL, kind TEXT NOT NULL, issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, spent_at BIGINT,
    reply BYTEA, PRIMARY KEY (grant_id, hash)); CREATE INDEX ON bare_credentials (expires_at)";

/// Prints the table for PostgreSQL, unless it is not installed.
pub(crate) async fn compare(time: Duration, rounds: u64) {
    let Some(server) = available(TestPostgres::own()) else { return };
    let url = server.fresh_database().expect("the server has room");
    println!("PostgreSQL, durable; a pool of {} connections", PostgresOptions::CONNECTIONS);
    println!("callers     bare/s    store/s   ratio");
    let store = PostgresStore::open(&url).await.expect("the server is up");
    let connect = url.parse::<PgConnectOptions>().expect("this is a URL").disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(PostgresOptions::CONNECTIONS).test_before_acquire(false);
    let pool = pool.connect_with(connect).await.expect("the server is up");
    sqlx::raw_sql(TABLE).execute(&pool).await.expect("the database is new");
    for callers in [1, 8, 64] {
        let mut runs = Vec::new();
        for round in 0..rounds {
            let (bare, kept) = if round % 2 == 0 {
                let bare = bare(&pool, callers, time).await;
                (bare, exchange(&store, callers, time).await)
            } else {
                let kept = exchange(&store, callers, time).await;
                (bare(&pool, callers, time).await, kept)
            };
            runs.push((bare, kept));
        }
        runs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (bare, kept) = runs[runs.len() / 2];
        println!("{callers:>7} {bare:>10.0} {kept:>10.0} {:>6.0}%", 100.0 * kept / bare);
    }
}

/// Refreshes `callers` grants at once for `time`, by `refresh`. Exchanges a second.
async fn rate<F: Future<Output = Credential> + Send>(
    held: Vec<(Grant, Credential)>,
    time: Duration,
    refresh: impl Fn(Grant, Credential) -> F + Clone + Send + 'static,
) -> f64 {
    let done = std::sync::Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let callers: Vec<_> = held
        .into_iter()
        .map(|(grant, mut held)| {
            let (refresh, done) = (refresh.clone(), done.clone());
            tokio::spawn(async move {
                while began.elapsed() < time {
                    held = refresh(grant.clone(), held).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller ends");
    }
    #[allow(clippy::cast_precision_loss, reason = "a run is short")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / began.elapsed().as_secs_f64()
}

async fn bare(pool: &PgPool, callers: usize, time: Duration) -> f64 {
    let held: Vec<_> = (0..callers).map(|_| scene::session()).collect();
    for (grant, refresh) in &held {
        let sql = "INSERT INTO bare_credentials (grant_id, hash, kind, issued_at, expires_at) VALUES ($1, $2, 'rt', 1, 2)";
        let insert = sqlx::query(sql)
            .bind(grant.id.as_bytes().as_slice())
            .bind(refresh.key.hash.as_bytes().as_slice());
        insert.execute(pool).await.expect("the table has room");
    }
    let pool = pool.clone();
    let refresh = move |grant: Grant, held: Credential| {
        let pool = pool.clone();
        async move {
            let [access, next] = scene::issued(&grant);
            let reply = scene::reply();
            let written = sqlx::query(BARE)
                .bind(grant.id.as_bytes().as_slice())
                .bind(held.key.hash.as_bytes().as_slice())
                .bind(NOW.as_millis().cast_signed())
                .bind(reply.sealed())
                .bind(access.issued_at.as_millis().cast_signed())
                .bind(access.expires_at.as_millis().cast_signed())
                .bind(access.key.hash.as_bytes().as_slice())
                .bind(next.key.hash.as_bytes().as_slice())
                .execute(&pool);
            assert_eq!(written.await.expect("the server answers").rows_affected(), 2);
            next
        }
    };
    rate(held, time, refresh).await
}

async fn exchange(store: &PostgresStore, callers: usize, time: Duration) -> f64 {
    let held: Vec<_> = (0..callers).map(|_| scene::session()).collect();
    for (grant, refresh) in &held {
        store.open(grant, std::slice::from_ref(refresh)).await.expect("the store has room");
    }
    let store = store.clone();
    let refresh = move |grant: Grant, held: Credential| {
        let store = store.clone();
        async move {
            let issued = scene::issued(&grant);
            let act = Exchange {
                spent: &held.key,
                issued: &issued,
                reply: scene::reply(),
                now: NOW,
                grace: Duration::from_secs(120),
            };
            assert_eq!(store.exchange(act).await.expect("the store answers"), Exchanged::Done);
            let [_, next] = issued;
            next
        }
    };
    rate(held, time, refresh).await
}
