//! `kill -9` to the database under load, and a restart: callers hear of an outage, go on by themselves, and nothing is lost.

use oauth_core::testing::FixedClock;
use oauth_stores::testing::History;

use crate::engine::{Engine, on_servers};
use crate::exchanges;
use crate::load::Load;

async fn killed_and_restarted(mut engine: Box<dyn Engine>) {
    let kills = 2 + exchanges() / 2_000;
    let (history, clock) = (History::default(), FixedClock::default());
    let stores = engine.open().await;
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(16);
    let load = callers.load.clone();
    for kill in 1..=kills {
        load.until_answered(exchanges() * kill / (kills + 1)).await;
        let outages = load.outages();
        tokio::task::block_in_place(|| engine.kill());
        load.until_outages(outages + 1).await;
        tokio::task::block_in_place(|| engine.restart());
    }
    let load = callers.end().await;
    assert!(load.outages() > 0, "nobody noticed {kills} kills");
    engine.hold(&format!("the database killed {kills} times"), &history, &clock).await;
}

on_servers!(killed_and_restarted);
