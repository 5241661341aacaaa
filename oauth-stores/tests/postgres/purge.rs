//! The purge beside what goes on: in batches, one at a time, and never under an exchange.

use std::time::Duration;

use oauth_core::{Exchanged, GrantFilter, GrantStore as _};
use oauth_stores::PostgresStore;
use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

use super::scene::{NOW, database, refresh, run, session, trade};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_exchange_issues_while_the_purge_runs_is_kept() {
    let Some((_server, url)) = database() else { return };
    let store = PostgresStore::open(&url).await.unwrap();
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
    let store = PostgresStore::open(&url).await.unwrap();
    let fill = "INSERT INTO oauth.grants SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'bob', NULL, 'app', 'a', '', 0,
            CASE WHEN n % 2 = 0 THEN 10 ELSE 9000000000000 END, NULL, NULL FROM generate_series(1, 3000) n;
        INSERT INTO oauth.credentials SELECT id, id, 'at', 0, 10, NULL, NULL, NULL, NULL FROM oauth.grants;
        INSERT INTO oauth.credentials SELECT id, id || id, 'rt', 0, 9000000000000, NULL, NULL, NULL, NULL FROM oauth.grants;
        INSERT INTO oauth.spent SELECT id, id, 5, 6, NULL, id, id FROM oauth.grants";
    run(&url, fill).await;
    // 3000 access tokens; then 1500 grants with the refresh token of each.
    assert_eq!(store.purge(NOW).await.unwrap(), 6000);
    assert_eq!(store.count(GrantFilter::All).await.unwrap(), 1500);
    assert_eq!(store.purge(NOW).await.unwrap(), 0);
}

#[tokio::test]
async fn one_purge_runs_at_a_time() {
    let Some((_server, url)) = database() else { return };
    let store = PostgresStore::open(&url).await.unwrap();
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
