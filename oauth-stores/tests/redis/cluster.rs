//! A cluster: a master that is killed, and a slot that moves.

use oauth_core::{CredentialStatus, Exchanged, GrantStore as _, Revocation};
use oauth_stores::testing::{TestRedisCluster, available};

use crate::scene::{GRACE, NOW, assert_unavailable, open, recovered, session, spend, tokens};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_an_outage_until_its_replica_takes_over() {
    let Some(mut cluster) = available(TestRedisCluster::own()) else { return };
    let store = open(&cluster.url()).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(session(&store).await.unwrap());
    }
    // All of them are with the replicas, too: what a failover may lose is not the question here.
    for master in 0..3 {
        cluster.await_replicas(master).unwrap();
    }
    cluster.kill(0);
    let (mut served, mut unavailable) = (0, 0);
    for (_, refresh) in &sessions {
        match store.find(&refresh.key).await {
            Ok(found) => {
                served += 1;
                assert!(found.is_some(), "an outage is no unknown credential");
            }
            Err(oauth_core::StoreError::Unavailable(_)) => unavailable += 1,
            Err(other) => panic!("an outage is no {other:?}"),
        }
    }
    assert!(served > 0 && unavailable > 0, "{served} of 30 served, {unavailable} unavailable");
    cluster.await_failover(0).unwrap();
    for (grant, refresh) in &sessions {
        let found = recovered(|| async { store.find(&refresh.key).await }).await.unwrap();
        assert_eq!(found.status(NOW), CredentialStatus::Live);
        let issued = tokens(grant);
        let exchanged = recovered(|| async { spend(&store, refresh, &issued, GRACE).await }).await;
        assert_eq!(exchanged, Exchanged::Done);
    }
    let subject = &sessions[0].0.subject;
    let revoked = recovered(|| async { store.revoke(Revocation::Subject(subject), NOW).await }).await;
    assert_eq!(revoked, 30);
    // The old master comes back as a replica.
    cluster.restart(0).unwrap();
    session(&store).await.unwrap();
}

#[tokio::test]
async fn a_grant_whose_slot_moves_is_found_and_is_exchanged_afterwards() {
    let Some(cluster) = available(TestRedisCluster::own()) else { return };
    let store = open(&cluster.url()).await;
    let (grant, refresh) = session(&store).await.unwrap();
    let slot = cluster.ask(0, &format!("CLUSTER KEYSLOT {{{}}}", grant.id)).unwrap();
    let number: u32 = slot.parse().unwrap();
    let from = if number <= 5461 {
        0
    } else if number <= 10_922 {
        1
    } else {
        2
    };
    let to = (from + 1) % 3;
    let id = |node: usize| cluster.ask(node, "CLUSTER MYID").unwrap();
    cluster.ask(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from))).unwrap();
    cluster.ask(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to))).unwrap();
    // One key at a time: of some scripts' keys some are here, and some there.
    loop {
        let key = cluster.ask(from, &format!("CLUSTER GETKEYSINSLOT {slot} 1")).unwrap();
        if key.is_empty() {
            break;
        }
        cluster.ask(from, &format!("MIGRATE 127.0.0.1 {} {key} 0 5000", cluster.ports()[to])).unwrap();
    }
    // The slot is still the old one's, its keys are with the new one: a command about one key is sent on. A script about keys that
    // do not exist yet is refused by the cluster: nobody knows where they belong.
    assert!(store.find(&refresh.key).await.unwrap().is_some());
    assert_eq!(store.revoke(Revocation::Grant(&session(&store).await.unwrap().0.id), NOW).await.unwrap(), 1);
    let issued = tokens(&grant);
    assert_unavailable(spend(&store, &refresh, &issued, GRACE).await);
    for node in [to, from] {
        cluster.ask(node, &format!("CLUSTER SETSLOT {slot} NODE {}", id(to))).unwrap();
    }
    assert_eq!(spend(&store, &refresh, &issued, GRACE).await.unwrap(), Exchanged::Done);
    assert!(store.find(&issued[0].key).await.unwrap().is_some());
}
