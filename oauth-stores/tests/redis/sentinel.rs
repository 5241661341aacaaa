//! A master that Sentinel names, until it names another.

use std::time::{Duration, Instant};

use oauth_core::{Exchanged, GrantStore as _};
use oauth_stores::testing::{TestRedis, TestSentinel, available};
use oauth_stores::{RedisOpenError, RedisStore};

use crate::scene::{GRACE, open, recovered, session, spend, tokens};

#[tokio::test]
async fn the_store_follows_sentinel_to_the_new_master() {
    let (Some(mut master), Some(replica)) = (available(TestRedis::own()), available(TestRedis::own())) else {
        return;
    };
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let sentinel = TestSentinel::watching("main", &master).unwrap();
    let store = open(&sentinel.url()).await;
    let (grant, refresh) = session(&store).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let ready = || {
        master.ask("INFO replication").unwrap().contains("state=online")
            && sentinel.ask("SENTINEL CKQUORUM main").is_ok()
            && sentinel.ask("INFO sentinel").unwrap().contains("slaves=1")
    };
    while !ready() {
        assert!(Instant::now() < deadline, "sentinel does not see the replica");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What was written before is with the replica.
    master.await_replicas().unwrap();
    master.kill();
    let issued = tokens(&grant);
    let exchanged = recovered(|| async { spend(&store, &refresh, &issued, GRACE).await }).await;
    assert_eq!(exchanged, Exchanged::Done);
    assert_eq!(replica.ask("ROLE").unwrap(), "master");
    assert!(store.find(&issued[0].key).await.unwrap().is_some());
}

#[tokio::test]
async fn sentinels_and_their_master_have_each_a_password() {
    let Some(master) = available(TestRedis::own_with(&["requirepass=m@ster"])) else { return };
    let sentinel = TestSentinel::watching_with(
        "main",
        &master,
        &["requirepass gu@rd", "sentinel auth-pass main m@ster"],
    )
    .unwrap();
    let url = sentinel.url().replace("://", "://:m%40ster@");
    let store = open(&format!("{url}?sentinel_password=gu%40rd")).await;
    session(&store).await.unwrap();
    for wrong in [url.clone(), format!("{url}?sentinel_password=m%40ster")] {
        let error = RedisStore::open(&wrong).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("m@ster") && !said.contains("m%40ster"), "{said}");
        assert!(matches!(error, RedisOpenError::Refused { .. }), "{said}");
    }
}
