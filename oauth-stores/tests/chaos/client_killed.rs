//! `kill -9` to the process that asks, at any instant: what it was told is there, and nothing is half-written.
//!
//! The test starts itself again as a child that works as fast as it can, and writes a line *before* it asks the store and another
//! *after* the store answered. The parent kills it, and holds the store to those lines.

use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oauth_core::testing::FixedClock;
use oauth_core::{OsEntropy, random};
use oauth_stores::testing::History;

use crate::engine::{Engine, on_all, opened};
use crate::exchanges;
use crate::load::Load;

const URL: &str = "OAUTH_CHAOS_CHILD";
const ROUND: &str = "OAUTH_CHAOS_ROUND";

/// How many kills at most: any machine does a few exchanges in each.
const KILLS: u32 = 400;

#[test]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let round = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let stores = opened(&url).await;
        let history = History::written_to(std::io::stdout(), round);
        Load::new(&stores, &history, &FixedClock::default(), usize::MAX).start(8).end().await;
    });
}

fn start(url: &str, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client_killed::child", "--nocapture", "--test-threads=1"])
        .env(URL, url)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn killed_at_any_instant(engine: Box<dyn Engine>) {
    let history = History::default();
    let url = engine.url();
    // The tables are there before anybody is killed.
    drop(engine.open().await);
    let mut round = 0;
    // In a long run each child gets further, else most of the time is spent on starting them.
    let stretch = 4 * (1 + exchanges() as u64 / 1000);
    while history.answered() < exchanges() || round < 8 {
        // Every fourth time two processes share the store.
        let count = 1 + u32::from(round % 4 == 3);
        let mut children: Vec<Child> = (0..count).map(|at| start(&url, 1 + round * 2 + at)).collect();
        let readers: Vec<_> = children
            .iter_mut()
            .map(|child| {
                let (said, history) = (child.stdout.take().unwrap(), history.clone());
                std::thread::spawn(move || history.read(BufReader::new(said)))
            })
            .collect();
        for child in &mut children {
            let [low, high] = random::<2>(&OsEntropy);
            // This is no wait for something to have happened: any instant is as good as any other.
            std::thread::sleep(Duration::from_micros(
                40_000 + u64::from(u16::from_le_bytes([low, high])) * stretch,
            ));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
        round += 1;
        assert!(round < KILLS, "{} answers after {round} kills", history.answered());
    }
    engine.hold(&format!("the asking process killed {round} times"), &history, &FixedClock::default()).await;
}

on_all!(killed_at_any_instant);
