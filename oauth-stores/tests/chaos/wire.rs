//! The wire to the database cut between statement and answer, before the statement, in the middle of either; slow, and in pieces.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use oauth_core::testing::FixedClock;
use oauth_stores::testing::{Conduct, History, Proxy};

use crate::engine::{Engine, on_servers, opened};
use crate::exchanges;
use crate::load::Load;

/// What befalls how many of the pieces, one after the other.
const FAULTS: [(u64, Conduct); 7] = [
    (30, Conduct::CutReply),
    (30, Conduct::CutRequest),
    (30, Conduct::CutInHalf),
    (1, Conduct::Halve),
    (3, Conduct::Delay(Duration::from_millis(5))),
    (7, Conduct::CutReply),
    (1, Conduct::Refuse),
];

async fn cut_and_slow(engine: Box<dyn Engine>) {
    let before = |port| Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    let proxies: Vec<Proxy> = engine.ports().into_iter().map(before).collect();
    let cuts = || proxies.iter().map(Proxy::cuts).sum::<u64>();
    let ports: Vec<u16> = proxies.iter().map(|proxy| proxy.address().port()).collect();
    let (history, clock) = (History::default(), FixedClock::default());
    let stores = opened(&engine.url_through(&ports)).await;
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(8);
    let load = callers.load.clone();
    for (at, (one_in, conduct)) in FAULTS.into_iter().enumerate() {
        load.until_answered(exchanges() * at / FAULTS.len()).await;
        proxies.iter().for_each(|proxy| proxy.set_for_one_in(one_in, conduct));
    }
    // Nobody gets through until the wire is mended.
    load.until_outages(load.outages() + 4).await;
    proxies.iter().for_each(|proxy| proxy.set(Conduct::Pass));
    let load = callers.end().await;
    assert!(cuts() > 3 && load.outages() > 3, "{} cuts, {} outages", cuts(), load.outages());
    engine.hold(&format!("the wire cut {} times", cuts()), &history, &clock).await;
}

on_servers!(cut_and_slow);
