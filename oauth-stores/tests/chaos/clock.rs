//! The clock set back and forth under load: what is spent stays spent (A-FAULT-5).

use std::time::Duration;

use oauth_core::testing::FixedClock;
use oauth_stores::testing::History;

use crate::engine::{Engine, on_all};
use crate::exchanges;
use crate::load::Load;

const STEPS: usize = 6;

async fn set_back_and_forth(engine: Box<dyn Engine>) {
    let (history, clock) = (History::default(), FixedClock::default());
    let stores = engine.open().await;
    let callers = Load::new(&stores, &history, &clock, exchanges()).start(16);
    let load = callers.load.clone();
    for step in 1..STEPS {
        load.until_answered(exchanges() * step / STEPS).await;
        if step % 2 == 1 {
            clock.step_back(Duration::from_secs(3600));
        } else {
            clock.advance(Duration::from_secs(3600 + 60));
        }
    }
    callers.end().await;
    engine.hold("the clock set back and forth", &history, &clock).await;
}

on_all!(set_back_and_forth);
