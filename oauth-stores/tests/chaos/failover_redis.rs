//! A master of a Redis Cluster that dies or is overtaken by its replica. Replication is asynchronous: what was acknowledged in the last
//! moment may be lost. How much is counted, with and without waiting for a replica (`WAIT`), and what survives is held to everything else.

use oauth_core::testing::FixedClock;
use oauth_core::{Clock as _, Stores};
use oauth_stores::testing::{History, Promise, TestRedisCluster, Verdict, available, check};

use crate::engine::opened;
use crate::exchanges;
use crate::load::Load;

/// What befalls the first master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failover {
    /// It is killed, and comes back as the replica of the one that was.
    Killed,
    /// Its replica takes over without asking: until it hears of that, it goes on acknowledging what nobody will know of.
    Overtaken,
}

async fn failover(how: Failover, parameters: &str) -> Option<Verdict> {
    let mut cluster = available(TestRedisCluster::own())?;
    let url = format!("{}{parameters}", cluster.url());
    let (history, clock) = (History::default(), FixedClock::default());
    let stores: Stores = opened(&url).await;
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(16);
    let load = callers.load.clone();
    load.until_answered(exchanges() / 2).await;
    match how {
        Failover::Killed => {
            tokio::task::block_in_place(|| cluster.kill(0));
            load.until_outages(load.outages() + 1).await;
            // The one that comes back is the new master's replica: who waits for one would wait for ever without it.
            tokio::task::block_in_place(|| {
                cluster.await_failover(0).unwrap();
                cluster.restart(0).unwrap();
            });
        }
        Failover::Overtaken => {
            tokio::task::block_in_place(|| {
                cluster.ask(3, "CLUSTER FAILOVER TAKEOVER").unwrap();
            });
        }
    }
    callers.end().await;
    let verdict = check(&history, &*stores.grants, Promise::MayForget, clock.now()).await.unwrap();
    println!("Redis Cluster{parameters}, a master {how:?}: {verdict}");
    verdict.assert_sound();
    Some(verdict)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_survives_the_death_of_a_master_is_sound() {
    let _ = failover(Failover::Killed, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_survives_a_takeover_is_sound() {
    let _ = failover(Failover::Overtaken, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_the_replica_loses_nothing_when_its_master_dies() {
    if let Some(verdict) = failover(Failover::Killed, "?replicas=1").await {
        assert_eq!(verdict.lost, 0, "{verdict}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_the_replica_loses_nothing_when_it_takes_over() {
    if let Some(verdict) = failover(Failover::Overtaken, "?replicas=1").await {
        assert_eq!(verdict.lost, 0, "{verdict}");
    }
}
