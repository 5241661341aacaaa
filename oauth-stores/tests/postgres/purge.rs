//! The purge beside what goes on: in batches, one at a time, and never under an exchange.

use std::time::{Duration, Instant};

use oauth_core::{CredentialKey, Exchange, Exchanged, GrantFilter, GrantStore as _};
use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use oauth_stores::{PostgresOptions, PostgresStore};

use super::scene::{NOW, database, refresh, run, session, trade};

/// Both ways to purge, over the same database.
async fn both_ways(url: &str) -> [PostgresStore; 2] {
    let options = PostgresOptions::default();
    [options.clone().open(url).await.unwrap(), options.with_purge_by_grant().open(url).await.unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_exchange_issues_while_the_purge_runs_is_kept() {
    let Some((_server, url)) = database() else { return };
    for store in both_ways(&url).await {
        keeps_what_an_exchange_issues(&store).await;
    }
}

async fn keeps_what_an_exchange_issues(store: &PostgresStore) {
    let mut done = 0;
    for _ in 0..100 {
        let (grant, mut last) = session();
        // Its only credential ends just now: the purge finds the grant empty, unless it looks again.
        last.expires_at = NOW;
        store.open(&grant, std::slice::from_ref(&last)).await.unwrap();
        let issued = [refresh(&grant)];
        let (exchanged, purged) =
            tokio::join!(store.exchange(trade(&last, &issued)), store.purge(NOW + Duration::from_secs(1)));
        purged.unwrap();
        if exchanged.unwrap() == Exchanged::Done {
            done += 1;
            assert!(store.find(&issued[0].key).await.unwrap().is_some(), "what was issued is gone");
        }
    }
    assert!(done > 0, "the exchange never came in time");
}

#[tokio::test]
async fn thousands_of_rows_go_in_batches() {
    let Some((_server, url)) = database() else { return };
    for store in both_ways(&url).await {
        removes_thousands(&store, &url).await;
    }
}

async fn removes_thousands(store: &PostgresStore, url: &str) {
    run(url, "DELETE FROM oauth.grants; DELETE FROM oauth.credentials; DELETE FROM oauth.spent").await;
    let fill = "INSERT INTO oauth.grants SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'bob', NULL, 'app', 'a', '', 0,
            CASE WHEN n % 2 = 0 THEN 10 ELSE 9000000000000 END, NULL, NULL FROM generate_series(1, 3000) n;
        INSERT INTO oauth.credentials SELECT id, id, 'at', 0, 10, NULL, NULL, NULL, NULL FROM oauth.grants;
        INSERT INTO oauth.credentials SELECT id, id || id, 'rt', 0, 9000000000000, NULL, NULL, NULL, NULL FROM oauth.grants;
        INSERT INTO oauth.spent SELECT id, id, 5, 6, NULL, id, id FROM oauth.grants";
    run(url, fill).await;
    // 3000 access tokens; then 1500 grants with the refresh token of each.
    assert_eq!(store.purge(NOW).await.unwrap(), 6000);
    assert_eq!(store.count(GrantFilter::All).await.unwrap(), 1500);
    assert_eq!(store.purge(NOW).await.unwrap(), 0);
}

#[tokio::test]
async fn one_purge_runs_at_a_time() {
    let Some((_server, url)) = database() else { return };
    for store in both_ways(&url).await {
        let (grant, mut token) = session();
        token.expires_at = NOW;
        store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
        // Another server is at it, in the middle of a batch.
        let mut other = PgConnection::connect(&url).await.unwrap();
        let turn = "BEGIN; SELECT name FROM oauth.turns FOR UPDATE";
        raw_sql(AssertSqlSafe(turn)).execute(&mut other).await.unwrap();
        assert_eq!(store.purge(NOW + Duration::from_secs(1)).await.unwrap(), 0);
        other.close().await.unwrap();
        assert_eq!(store.purge(NOW + Duration::from_secs(1)).await.unwrap(), 2);
    }
}

/// Where a credential's rows are.
fn at(key: &CredentialKey) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!(
        "grant_id = decode('{}', 'hex') AND hash = decode('{}', 'hex')",
        hex(key.grant.as_bytes()),
        hex(key.hash.as_bytes())
    )
}

/// Begins a transaction with `statement`, and leaves it open.
async fn half_way(url: &str, statement: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    raw_sql(AssertSqlSafe(format!("BEGIN; {statement}"))).execute(&mut connection).await.unwrap();
    connection
}

async fn end(mut connection: PgConnection, how: &'static str) {
    raw_sql(how).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Waits until somebody in the database waits for somebody else.
async fn until_one_waits(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while raw_sql(waiting).fetch_one(&mut connection).await.unwrap().get::<i64, _>(0) == 0 {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_purge_by_a_clock_that_is_ahead_leaves_what_is_being_spent() {
    let Some((_server, url)) = database() else { return };
    let store = PostgresStore::open(&url).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    let issued = [refresh(&grant)];
    // The exchange is held where it has read all that it reads: somebody else is about to mark the same token as spent.
    let mark = format!(
        "INSERT INTO oauth.spent SELECT grant_id, hash, 1 FROM oauth.credentials WHERE {}",
        at(&token.key)
    );
    let other = half_way(&url, &mark).await;
    let (server, exchanging, next) = (store.clone(), token.clone(), issued.clone());
    let exchange = tokio::spawn(async move { server.exchange(trade(&exchanging, &next)).await });
    until_one_waits(&url).await;

    // To this clock the token ended yesterday.
    let ahead = NOW + Duration::from_secs(2 * 86_400);
    assert_eq!(store.purge(ahead).await.unwrap(), 0, "it is being spent");
    end(other, "ROLLBACK").await;
    assert_eq!(exchange.await.unwrap().unwrap(), Exchanged::Done);
    assert!(store.find(&token.key).await.unwrap().unwrap().spent.is_some());
    assert!(store.find(&issued[0].key).await.unwrap().is_some());
    let late = Exchange { now: NOW + Duration::from_secs(3600), ..trade(&token, &[]) };
    assert_eq!(store.exchange(late).await.unwrap(), Exchanged::Replayed, "a replay is known as one");
    // With the grant all goes: no mark of what was spent is left behind.
    let _ = store.purge(ahead).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM oauth.grants) + (SELECT count(*) FROM oauth.credentials) + (SELECT count(*) FROM oauth.spent)";
    assert_eq!(raw_sql(left).fetch_one(&mut connection).await.unwrap().get::<i64, _>(0), 0);
}

#[tokio::test]
async fn what_was_spent_is_not_spent_again_while_a_purge_removes_it() {
    let Some((_server, url)) = database() else { return };
    let store = PostgresStore::open(&url).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    assert_eq!(store.exchange(trade(&token, &[refresh(&grant)])).await.unwrap(), Exchanged::Done);
    // A purge in the middle of a batch: the token and the mark of its being spent are removed, and that is not committed.
    let remove =
        format!("DELETE FROM oauth.credentials WHERE {0}; DELETE FROM oauth.spent WHERE {0}", at(&token.key));
    let purge = half_way(&url, &remove).await;
    let (server, replayed, next) = (store.clone(), token.clone(), [refresh(&grant)]);
    let replay = tokio::spawn(async move { server.exchange(trade(&replayed, &next)).await });
    until_one_waits(&url).await;
    end(purge, "COMMIT").await;
    assert_eq!(replay.await.unwrap().unwrap(), Exchanged::Gone);
}
