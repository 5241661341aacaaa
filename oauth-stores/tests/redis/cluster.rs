//! A cluster: a master that is killed, and a slot that moves.

use std::time::Duration;

use oauth_core::{
    CredentialKey, CredentialStatus, Exchanged, GrantId, GrantStore as _, Revocation, TokenHash,
};
use oauth_stores::RedisOptions;
use oauth_stores::testing::{TestRedisCluster, available, fresh_prefix};

use crate::scene::{GRACE, NOW, assert_unavailable, begin, open, recovered, session, spend, tokens};

/// A slot that is being moved from one master to another, key by key.
struct Moving<'a> {
    cluster: &'a TestRedisCluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Moving<'a> {
    /// Begins to move the slot of a grant.
    fn begin(cluster: &'a TestRedisCluster, grant: &GrantId) -> Self {
        let slot = cluster.ask(0, &format!("CLUSTER KEYSLOT {{{grant}}}")).unwrap();
        let from = match slot.parse::<u32>().unwrap() {
            0..=5461 => 0,
            5462..=10_922 => 1,
            _ => 2,
        };
        let moving = Self { cluster, slot, from, to: (from + 1) % 3 };
        moving.say(moving.to, &format!("IMPORTING {}", moving.id(from)));
        moving.say(from, &format!("MIGRATING {}", moving.id(moving.to)));
        moving
    }

    fn id(&self, node: usize) -> String {
        self.cluster.ask(node, "CLUSTER MYID").unwrap()
    }

    fn say(&self, node: usize, what: &str) {
        self.cluster.ask(node, &format!("CLUSTER SETSLOT {} {what}", self.slot)).unwrap();
    }

    /// All keys that are not moved yet.
    fn keys(&self) -> Vec<String> {
        let port = self.cluster.ports()[self.from];
        let mut connection =
            redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap().get_connection().unwrap();
        redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(&self.slot).arg(100).query(&mut connection).unwrap()
    }

    fn carry(&self, key: &str) {
        let port = self.cluster.ports()[self.to];
        self.cluster.ask(self.from, &format!("MIGRATE 127.0.0.1 {port} {key} 0 5000")).unwrap();
    }

    fn end(self) {
        for node in [self.to, self.from] {
            self.say(node, &format!("NODE {}", self.id(self.to)));
        }
    }
}

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
    let moving = Moving::begin(&cluster, &grant.id);
    // One key at a time: of some scripts' keys some are here, and some there.
    for key in moving.keys() {
        moving.carry(&key);
    }
    // The slot is still the old one's, its keys are with the new one: a command about one key is sent on. A script about keys that
    // do not exist yet is refused by the cluster: nobody knows where they belong.
    assert!(store.find(&refresh.key).await.unwrap().is_some());
    assert_eq!(store.revoke(Revocation::Grant(&session(&store).await.unwrap().0.id), NOW).await.unwrap(), 1);
    let issued = tokens(&grant);
    assert_unavailable(spend(&store, &refresh, &issued, GRACE).await);
    moving.end();
    assert_eq!(spend(&store, &refresh, &issued, GRACE).await.unwrap(), Exchanged::Done);
    assert!(store.find(&issued[0].key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_live_token_is_never_unknown_while_its_keys_move_one_by_one() {
    let Some(cluster) = available(TestRedisCluster::own()) else { return };
    let store = open(&cluster.url()).await;
    for grant_first in [true, false] {
        let (grant, code) = begin(&store).await.unwrap();
        let moving = Moving::begin(&cluster, &grant.id);
        let mut keys = moving.keys();
        // The name of the grant is the beginning of its code's.
        keys.sort_unstable();
        assert_eq!(keys.len(), 2, "{keys:?}");
        if !grant_first {
            keys.reverse();
        }
        moving.carry(&keys[0]);
        let found = store.find(&code.key).await.unwrap().expect("it is live");
        assert_eq!((found.status(NOW), &found.credential.scopes), (CredentialStatus::Live, &grant.scopes));
        // What nobody ever had is unknown all the same, and nobody waits for the end of the move.
        let unknown = CredentialKey { grant: grant.id, hash: TokenHash::of("unknown") };
        assert!(store.find(&unknown).await.unwrap().is_none());
        // A script about both is refused until they are together.
        assert_unavailable(spend(&store, &code, &tokens(&grant), GRACE).await);
        moving.carry(&keys[1]);
        assert!(store.find(&code.key).await.unwrap().is_some());
        moving.end();
        assert_eq!(spend(&store, &code, &tokens(&grant), GRACE).await.unwrap(), Exchanged::Done);
    }
}

#[tokio::test]
async fn a_write_that_waits_for_replicas_is_made_once_while_its_slot_moves() {
    let Some(cluster) = available(TestRedisCluster::own()) else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let store = options.with_replicas(1, Duration::from_secs(10)).open(&cluster.url()).await.unwrap();
    let (grant, _) = begin(&store).await.unwrap();
    let moving = Moving::begin(&cluster, &grant.id);
    // All keys are where they were, but for the mark, without which the store would not know that there is something to wait for.
    for mark in moving.keys().into_iter().filter(|key| key.contains(":mark:")) {
        moving.carry(&mark);
    }
    assert_eq!(
        store.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap(),
        1,
        "the first time, not again"
    );
    assert!(store.grant(&grant.id).await.unwrap().unwrap().revoked_at.is_some());
    moving.end();
}
