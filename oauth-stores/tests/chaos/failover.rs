//! A master of a Redis Cluster killed, and its replica promoted. Replication is asynchronous: what was acknowledged in the last moment may
//! be lost. How much is counted, with and without waiting for a replica (`WAIT`), and what survives is held to everything else.
#![cfg(feature = "redis")]

use oauth_core::testing::FixedClock;
use oauth_core::{Clock as _, Stores};
use oauth_stores::testing::{History, Promise, TestRedisCluster, Verdict, available, check};

use crate::engine::opened;
use crate::exchanges;
use crate::load::Load;

async fn failover(parameters: &str) -> Option<Verdict> {
    let mut cluster = available(TestRedisCluster::own())?;
    let url = format!("{}{parameters}", cluster.url());
    let (history, clock) = (History::default(), FixedClock::default());
    let stores: Stores = opened(&url).await;
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(16);
    let load = callers.load.clone();
    load.until_answered(exchanges() / 2).await;
    tokio::task::block_in_place(|| cluster.kill(0));
    load.until_outages(load.outages() + 1).await;
    // The one that comes back is the new master's replica: who waits for one would wait for ever without it.
    tokio::task::block_in_place(|| {
        cluster.await_failover(0).unwrap();
        cluster.restart(0).unwrap();
    });
    callers.end().await;
    let verdict = check(&history, &*stores.grants, Promise::MayForget, clock.now()).await.unwrap();
    verdict.assert_sound();
    Some(verdict)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_survives_a_failover_is_sound() {
    if let Some(verdict) = failover("").await {
        println!("Redis Cluster, a master failed over, without WAIT: {verdict}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_replica_loses_nothing_when_it_is_promoted() {
    if let Some(verdict) = failover("?replicas=1").await {
        println!("Redis Cluster, a master failed over, with WAIT: {verdict}");
        assert_eq!(verdict.lost, 0, "{verdict}");
    }
}
