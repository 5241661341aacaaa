//! Outages: told within the time that was set, as outages, and over without a restart of ours.

use std::time::{Duration, Instant};

use oauth_core::{Exchanged, GrantStore as _, Revocation, StoreError};
use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use oauth_stores::testing::{TestPostgres, available};
use oauth_stores::{PostgresOptions, PostgresStore};

use super::scene::{NOW, database, refresh, session, trade};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_an_outage_and_then_all_goes_on() {
    let Some(mut server) = available(TestPostgres::own()) else { return };
    let url = server.fresh_database().unwrap();
    let options = PostgresOptions::default().with_acquire_time(Duration::from_millis(500));
    let store = options.open(&url).await.unwrap();
    let (grant, first) = session();
    store.open(&grant, std::slice::from_ref(&first)).await.unwrap();
    let second = [refresh(&grant)];
    assert_eq!(store.exchange(trade(&first, &second)).await.unwrap(), Exchanged::Done);

    server.kill();
    for _ in 0..3 {
        let began = Instant::now();
        let outage = store.exchange(trade(&second[0], &[])).await;
        assert!(matches!(outage, Err(StoreError::Unavailable(_))), "{outage:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "it was waited for {:?}", began.elapsed());
    }
    server.restart().unwrap();
    // What was answered is there, and nothing else is.
    let third = [refresh(&grant)];
    assert_eq!(store.exchange(trade(&second[0], &third)).await.unwrap(), Exchanged::Done);
    assert!(store.find(&third[0].key).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_two_calls_fails_one_of_them_at_most() {
    let Some(mut server) = available(TestPostgres::own()) else { return };
    let store = PostgresStore::open(&server.fresh_database().unwrap()).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    let finding: Vec<_> = (0..32)
        .map(|_| {
            let (store, key) = (store.clone(), token.key);
            tokio::spawn(async move { store.find(&key).await })
        })
        .collect();
    for found in finding {
        assert!(found.await.unwrap().unwrap().is_some());
    }
    assert!(store.pool().size() > 1, "several connections are to be found broken");
    server.restart().unwrap();
    let mut failed = 0;
    for _ in 0..32 {
        failed += usize::from(store.find(&token.key).await.is_err());
    }
    assert!(failed <= 1, "{failed} calls failed: each connection is tested after the first was found broken");
}

#[tokio::test]
async fn a_pool_with_no_connection_left_is_an_outage_within_the_time() {
    let Some((_server, url)) = database() else { return };
    let options =
        PostgresOptions::default().with_connections(1).with_acquire_time(Duration::from_millis(200));
    let store = options.open(&url).await.unwrap();
    let (_, token) = session();
    let held = store.pool().acquire().await.unwrap();
    let began = Instant::now();
    let found = store.find(&token.key).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "it was waited for {:?}", began.elapsed());
    drop(held);
    assert!(store.find(&token.key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_statement_that_waits_too_long_is_an_outage_and_leaves_the_pool_whole() {
    let Some((_server, url)) = database() else { return };
    let options =
        PostgresOptions::default().with_connections(1).with_statement_time(Duration::from_millis(300));
    let store = options.open(&url).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    // Somebody has locked the grant and does not come back.
    let mut other = PgConnection::connect(&url).await.unwrap();
    let lock = "BEGIN; SELECT id FROM oauth.grants FOR UPDATE";
    raw_sql(AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
    let began = Instant::now();
    let revoked = store.revoke(Revocation::Grant(&grant.id), NOW).await;
    assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{revoked:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "it was waited for {:?}", began.elapsed());
    assert!(store.find(&token.key).await.unwrap().is_some(), "reading goes on");
    other.close().await.unwrap();
    assert_eq!(store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(), 1);
}
