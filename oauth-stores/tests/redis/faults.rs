//! What fails later is an outage, never a refusal; it loses nothing, and ends without a restart of ours.

use std::time::{Duration, Instant};

use oauth_core::{
    Exchanged, GrantStore as _, KeyPurpose, KeyStore as _, LimitKey, Quota, RateLimiter as _,
    ReplayGuard as _, Revocation, TokenHash,
};
use oauth_stores::RedisOptions;
use oauth_stores::testing::{TestRedis, available, fresh_prefix};

use crate::scene::{GRACE, NOW, assert_unavailable, begin, open, recovered, session, spend, tokens};

#[tokio::test]
async fn scripts_that_the_server_forgot_are_told_again() {
    let Some(server) = available(TestRedis::own()) else { return };
    let store = open(&server.url()).await;
    let (grant, refresh) = session(&store).await.unwrap();
    server.ask("SCRIPT FLUSH").unwrap();
    assert_eq!(spend(&store, &refresh, &tokens(&grant), GRACE).await.unwrap(), Exchanged::Done);
    server.ask("SCRIPT FLUSH").unwrap();
    session(&store).await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_an_outage_and_loses_nothing() {
    let Some(mut server) = available(TestRedis::own()) else { return };
    let store = open(&server.url()).await;
    let (grant, refresh) = session(&store).await.unwrap();
    server.kill();
    let began = Instant::now();
    assert_unavailable(store.find(&refresh.key).await);
    assert_unavailable(spend(&store, &refresh, &tokens(&grant), GRACE).await);
    assert_unavailable(store.revoke(Revocation::Grant(&grant.id), NOW).await);
    assert_unavailable(store.first_use(&TokenHash::of("proof"), NOW + GRACE, NOW).await);
    assert_unavailable(store.hit(&LimitKey::new("a", "b"), Quota::new(1, GRACE), NOW).await);
    assert_unavailable(store.keys(KeyPurpose::Seal).await);
    assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for a server that is not there");

    server.restart().unwrap();
    let found = recovered(|| async { store.find(&refresh.key).await }).await.unwrap();
    assert_eq!((found.grant.id, found.spent), (grant.id, None));
    assert_eq!(spend(&store, &refresh, &tokens(&grant), GRACE).await.unwrap(), Exchanged::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_while_nobody_asked_is_no_outage() {
    let Some(mut server) = available(TestRedis::own()) else { return };
    let store = open(&server.url()).await;
    for _ in 0..3 {
        let (grant, code) = begin(&store).await.unwrap();
        server.kill();
        server.restart().unwrap();
        // The connection was seen to end: nothing was sent over it.
        assert_eq!(spend(&store, &code, &tokens(&grant), Duration::ZERO).await.unwrap(), Exchanged::Done);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_an_outage_within_the_time_limit() {
    let Some(server) = available(TestRedis::own()) else { return };
    let options = RedisOptions::default()
        .with_prefix(&fresh_prefix())
        .with_response_timeout(Duration::from_millis(200))
        .with_connect_timeout(Duration::from_millis(200));
    let store = options.open(&server.url()).await.unwrap();
    let (grant, code) = begin(&store).await.unwrap();
    server.hang().unwrap();
    let began = Instant::now();
    assert_unavailable(store.find(&code.key).await);
    assert_unavailable(store.grant(&grant.id).await);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    server.resume().unwrap();
    assert!(recovered(|| async { store.find(&code.key).await }).await.is_some());
}

#[tokio::test]
async fn a_replica_refuses_writes_until_it_is_a_master() {
    let (Some(master), Some(replica)) = (available(TestRedis::own()), available(TestRedis::own())) else {
        return;
    };
    let prefix = fresh_prefix();
    let options = RedisOptions::default().with_prefix(&prefix).with_retry_time(Duration::from_millis(50));
    let (grant, code) = begin(&options.clone().open(&master.url()).await.unwrap()).await.unwrap();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !replica.ask("INFO replication").unwrap().contains("master_link_status:up") {
        assert!(Instant::now() < deadline, "the replica does not reach its master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = options.open(&replica.url()).await.unwrap();
    assert!(store.find(&code.key).await.unwrap().is_some(), "it may be read");
    let said = assert_unavailable(spend(&store, &code, &tokens(&grant), Duration::ZERO).await);
    assert!(said.contains("read only replica"), "{said}");
    replica.ask("REPLICAOF NO ONE").unwrap();
    assert_eq!(spend(&store, &code, &tokens(&grant), Duration::ZERO).await.unwrap(), Exchanged::Done);
}

#[tokio::test]
async fn when_memory_is_full_nothing_is_granted_and_grants_are_still_revoked() {
    let Some(server) = available(TestRedis::own()) else { return };
    let store = open(&server.url()).await;
    let (grant, code) = begin(&store).await.unwrap();
    server.ask("CONFIG SET maxmemory 1").unwrap();
    let issued = tokens(&grant);
    let said = assert_unavailable(spend(&store, &code, &issued, Duration::ZERO).await);
    assert!(said.contains("OOM"), "{said}");
    assert_unavailable(begin(&store).await);
    // Refused before it began: nothing is half-written.
    assert_eq!(store.find(&code.key).await.unwrap().unwrap().spent, None);
    assert_eq!(store.find(&issued[0].key).await.unwrap(), None);
    assert_eq!(store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(), 1);
    server.ask("CONFIG SET maxmemory 0").unwrap();
    assert_eq!(spend(&store, &code, &issued, Duration::ZERO).await.unwrap(), Exchanged::Gone);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_outage_and_nothing_is_half_written() {
    let Some(server) = available(TestRedis::own()) else { return };
    let prefix = fresh_prefix();
    let store = RedisOptions::default().with_prefix(&prefix).open(&server.url()).await.unwrap();
    let (grant, code) = begin(&store).await.unwrap();
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{prefix}:{{*}}:c:*")).query(&mut connection).unwrap();
    let () = redis::cmd("SET").arg(&keys[0]).arg("something else").query(&mut connection).unwrap();
    assert_unavailable(spend(&store, &code, &tokens(&grant), GRACE).await);
    let left: Vec<String> =
        redis::cmd("KEYS").arg(format!("{prefix}:{{*}}:*")).query(&mut connection).unwrap();
    assert_eq!(left, keys, "nothing was written");
}
