//! A primary of PostgreSQL that dies, and a standby that is promoted in its place, at an address that moves along. What was acknowledged and
//! had not yet reached the standby is lost, unless commits wait for it. How much is counted, and what survives is held to everything else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use oauth_core::testing::FixedClock;
use oauth_core::{Clock as _, Stores};
use oauth_stores::testing::{Conduct, History, Promise, Proxy, TestPostgres, Verdict, available, check};

use crate::engine::opened;
use crate::exchanges;
use crate::load::Load;

/// How the standby follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Following {
    /// As fast as it can.
    Asynchronously,
    /// The same, over a wire on which each piece takes some time.
    AsynchronouslyFromAfar,
    /// Each commit waits for it.
    Synchronously,
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn failover(following: Following) -> Option<Verdict> {
    let mut primary = available(TestPostgres::primary())?;
    let wire = Proxy::start(at(primary.port())).unwrap();
    let standby = primary.standby("second", wire.address().port()).unwrap();
    // Where clients connect, whoever answers there.
    let address = Proxy::start(at(primary.port())).unwrap();
    let url = primary.fresh_database().unwrap();
    let url = url.replace(&format!(":{}/", primary.port()), &format!(":{}/", address.address().port()));
    let (history, clock) = (History::default(), FixedClock::default());
    let stores: Stores = opened(&url).await;
    // It is behind by what is written from now on, not by the tables.
    tokio::task::block_in_place(|| primary.await_standby("second").unwrap());
    match following {
        Following::Asynchronously => {}
        Following::AsynchronouslyFromAfar => wire.set(Conduct::Delay(Duration::from_millis(50))),
        Following::Synchronously => primary.wait_for_standby("second").unwrap(),
    }
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(16);
    let load = callers.load.clone();
    load.until_answered(exchanges() / 2).await;
    tokio::task::block_in_place(|| {
        primary.kill();
        // What is still under way between the two is lost with it.
        wire.set(Conduct::Refuse);
        address.lead_to(at(standby.port()));
        standby.promote().unwrap();
    });
    callers.end().await;
    let verdict = check(&history, &*stores.grants, Promise::MayForget, clock.now()).await.unwrap();
    println!("PostgreSQL, its primary killed, its standby following {following:?}: {verdict}");
    verdict.assert_sound();
    Some(verdict)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_survives_on_a_standby_is_sound() {
    let _ = failover(Following::Asynchronously).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_survives_on_a_standby_that_is_behind_is_sound() {
    let _ = failover(Following::AsynchronouslyFromAfar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_the_standby_loses_nothing() {
    if let Some(verdict) = failover(Following::Synchronously).await {
        assert_eq!(verdict.lost, 0, "{verdict}");
    }
}
