//! Waiting for replicas: what they have not acknowledged is not answered as done.

use std::time::{Duration, Instant};

use futures::future::join_all;
use oauth_core::{Exchanged, GrantStore as _, Revocation};
use oauth_stores::testing::{TestRedis, available, fresh_prefix};
use oauth_stores::{RedisOpenError, RedisOptions};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{GRACE, NOW, assert_unavailable, session, spend, tokens};

/// Makes one server the replica of another.
async fn follow(replica: &TestRedis, master: &TestRedis) {
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !master.ask("INFO replication").unwrap().contains("state=online") {
        assert!(Instant::now() < deadline, "the replica does not reach its master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // That it is there does not say that it answers within the time that a test gives it: its first answer may take longer.
    let mut connection = redis::Client::open(master.url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("SET").arg("followed").arg(1).query(&mut connection).unwrap();
    let acknowledged: i64 = redis::cmd("WAIT").arg(1).arg(30_000).query(&mut connection).unwrap();
    assert_eq!(acknowledged, 1, "the replica does not answer its master");
}

/// A server and its replica.
async fn replicated() -> Option<(TestRedis, TestRedis)> {
    let (master, replica) = (available(TestRedis::own())?, available(TestRedis::own())?);
    follow(&replica, &master).await;
    Some((master, replica))
}

#[tokio::test]
async fn a_write_that_too_few_replicas_have_is_unavailable_and_stays() {
    let Some((master, mut replica)) = replicated().await else { return };
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
    let Some((master, _replica)) = replicated().await else { return };
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

/// For how long the store waits for a replica that is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// Far less than that.
const AT_ONCE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_found_at_once_while_writes_wait_for_a_replica_that_is_gone() {
    let Some((master, mut replica)) = replicated().await else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix()).with_replicas(1, PATIENCE);
    let store = options.open(&master.url()).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(session(&store).await.unwrap());
    }
    replica.kill();
    let began = Instant::now();
    let exchanges: Vec<_> = sessions
        .iter()
        .cloned()
        .map(|(grant, refresh)| {
            let store = store.clone();
            tokio::spawn(async move { spend(&store, &refresh, &tokens(&grant), GRACE).await })
        })
        .collect();
    // One of them is under way at least: its credential is spent, and nobody was told.
    let mut spent = false;
    while !spent {
        assert!(began.elapsed() < PATIENCE, "nothing was written");
        for (_, refresh) in &sessions {
            let asked = Instant::now();
            spent |= store.find(&refresh.key).await.unwrap().expect("it is there").spent.is_some();
            assert!(asked.elapsed() < AT_ONCE, "a find waited {:?}", asked.elapsed());
        }
    }
    let asked = Instant::now();
    for (_, refresh) in &sessions {
        assert!(store.find(&refresh.key).await.unwrap().is_some());
    }
    assert!(asked.elapsed() < AT_ONCE, "finds waited {:?}", asked.elapsed());
    for exchange in exchanges {
        let said = assert_unavailable(exchange.await.unwrap());
        assert!(said.contains("0 of 1 replicas"), "{said}");
    }
    // All waited together, not one behind the other.
    assert!(began.elapsed() < 4 * PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_stood_in_a_wait_that_failed_does_not_wait_again() {
    let Some((master, mut replica)) = replicated().await else { return };
    let options = RedisOptions::default()
        .with_prefix(&fresh_prefix())
        .with_response_timeout(Duration::from_millis(300))
        .with_replicas(1, Duration::from_secs(1));
    let store = options.open(&master.url()).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(session(&store).await.unwrap());
    }
    replica.kill();
    let began = Instant::now();
    let exchanges = sessions.iter().map(|(grant, refresh)| {
        let store = store.clone();
        async move { spend(&store, refresh, &tokens(grant), GRACE).await }
    });
    // While the first of them waits, the server falls silent.
    let silence = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        master.hang().unwrap();
    };
    let (exchanged, ()) = tokio::join!(join_all(exchanges), silence);
    let waited = began.elapsed();
    master.resume().unwrap();
    for exchange in exchanged {
        assert_unavailable(exchange);
    }
    assert!(waited < Duration::from_secs(4), "{waited:?}, and one wait is 1.3 s");
}

#[tokio::test]
async fn connections_that_lead_to_two_servers_are_not_kept() {
    let (Some(old), Some(new)) = (available(TestRedis::own()), available(TestRedis::own())) else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    options.clone().open(&new.url()).await.unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    // A name that leads elsewhere from the second connection on.
    let targets = [old.port(), new.port(), new.port(), new.port()];
    let leading = tokio::spawn(async move {
        let mut open = Vec::new();
        for target in targets {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            open.push(tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            ));
        }
        join_all(open).await;
    });
    let options = options.with_replicas(1, Duration::from_millis(100));
    let error = options.clone().open(&url).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("two servers"), "{error}");
    options.open(&url).await.unwrap();
    leading.abort();
}

#[tokio::test]
async fn nobody_waits_for_replicas_after_a_write_that_was_refused() {
    let Some((master, mut replica)) = replicated().await else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix()).with_replicas(1, PATIENCE);
    let store = options.open(&master.url()).await.unwrap();
    let (grant, refresh) = session(&store).await.unwrap();
    replica.kill();
    master.ask("CONFIG SET min-replicas-to-write 1").unwrap();
    let began = Instant::now();
    let said = assert_unavailable(spend(&store, &refresh, &tokens(&grant), GRACE).await);
    assert!(said.contains("NOREPLICAS"), "{said}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    master.ask("CONFIG SET min-replicas-to-write 0").unwrap();
    assert!(store.find(&refresh.key).await.unwrap().unwrap().spent.is_none(), "nothing was written");
}
