//! Waiting for replicas: what they have not acknowledged is not answered as done.

use std::time::{Duration, Instant};

use oauth_core::{Exchanged, GrantStore as _, Revocation};
use oauth_stores::RedisOptions;
use oauth_stores::testing::{TestRedis, available, fresh_prefix};

use crate::scene::{GRACE, NOW, assert_unavailable, session, spend, tokens};

#[tokio::test]
async fn a_write_that_too_few_replicas_have_is_unavailable_and_stays() {
    let (Some(master), Some(mut replica)) = (available(TestRedis::own()), available(TestRedis::own())) else {
        return;
    };
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !master.ask("INFO replication").unwrap().contains("state=online") {
        assert!(Instant::now() < deadline, "the replica does not reach its master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let plain = options.clone().open(&master.url()).await.unwrap();
    let store = options.with_replicas(1, Duration::from_millis(300)).open(&master.url()).await.unwrap();
    let (grant, refresh) = session(&store).await.unwrap();

    replica.kill();
    let issued = tokens(&grant);
    let said = assert_unavailable(spend(&store, &refresh, &issued, GRACE).await);
    assert!(said.contains("0 of 1 replicas"), "{said}");
    // It was made: whoever asks again within the grace window gets the same.
    assert!(plain.find(&refresh.key).await.unwrap().unwrap().spent.is_some());
    assert!(matches!(spend(&plain, &refresh, &tokens(&grant), GRACE).await, Ok(Exchanged::Retried(_))));
    assert_unavailable(store.revoke(Revocation::Grant(&grant.id), NOW).await);
    assert!(plain.grant(&grant.id).await.unwrap().unwrap().revoked_at.is_some());
}

#[tokio::test]
async fn what_is_repeated_after_a_lost_answer_waits_for_the_first_write() {
    let (Some(master), Some(replica)) = (available(TestRedis::own()), available(TestRedis::own())) else {
        return;
    };
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !master.ask("INFO replication").unwrap().contains("state=online") {
        assert!(Instant::now() < deadline, "the replica does not reach its master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let prefix = fresh_prefix();
    let options = RedisOptions::default().with_prefix(&prefix);
    let store = options.with_replicas(1, Duration::from_secs(5)).open(&master.url()).await.unwrap();
    let (grant, refresh) = session(&store).await.unwrap();
    assert_eq!(spend(&store, &refresh, &tokens(&grant), GRACE).await.unwrap(), Exchanged::Done);
    let mut connection = redis::Client::open(master.url()).unwrap().get_connection().unwrap();
    let mut take_marks = || -> usize {
        let marks = format!("{prefix}:mark:*");
        let marks: Vec<String> = redis::cmd("KEYS").arg(marks).query(&mut connection).unwrap();
        for mark in &marks {
            let left: i64 = redis::cmd("PTTL").arg(mark).query(&mut connection).unwrap();
            assert!((1..=3_600_000).contains(&left), "{mark} has {left} ms");
            let () = redis::cmd("DEL").arg(mark).query(&mut connection).unwrap();
        }
        marks.len()
    };

    // Newer servers wait for the last write of the connection, and none of these changes anything.
    take_marks();
    assert!(matches!(spend(&store, &refresh, &tokens(&grant), GRACE).await, Ok(Exchanged::Retried(_))));
    assert_eq!(take_marks(), 1, "a retry");
    assert_eq!(store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(), 1);
    take_marks();
    assert_eq!(store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(), 0);
    assert_eq!(take_marks(), 1, "a revocation");
    master.ask("CONFIG SET maxmemory 1").unwrap();
    assert_eq!(store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(), 0);
    assert_eq!(take_marks(), 1, "a revocation when memory is full");
}
