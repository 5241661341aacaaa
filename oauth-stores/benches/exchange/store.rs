//! The store: as many callers at once, each refreshing its own grant.

use std::path::Path;
use std::time::{Duration, Instant};

use oauth_core::{Exchange, Exchanged, GrantStore};
use oauth_stores::SqliteStore;

use crate::scene::{self, NOW};

/// What callers saw.
pub(crate) struct Seen {
    /// Exchanges a second, all callers together.
    pub(crate) rate: f64,
    /// How long one took, for the luckier half.
    pub(crate) median: Duration,
    /// How long one took, but for one in a hundred.
    pub(crate) p99: Duration,
}

/// Refreshes `callers` grants at once for `time`.
pub(crate) async fn rate(path: &Path, callers: usize, time: Duration) -> Seen {
    let store = SqliteStore::open(path).expect("the file is new");
    let mut tasks = Vec::new();
    let began = Instant::now();
    for _ in 0..callers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let (grant, mut held) = scene::session();
            store.open(&grant, std::slice::from_ref(&held)).await.expect("the store has room");
            let mut times = Vec::new();
            while began.elapsed() < time {
                let issued = scene::issued(&grant);
                let act = Exchange {
                    spent: &held.key,
                    issued: &issued,
                    reply: scene::reply(),
                    now: NOW,
                    grace: Duration::from_secs(120),
                };
                let asked = Instant::now();
                let exchanged = store.exchange(act).await.expect("the store answers");
                times.push(asked.elapsed());
                assert_eq!(exchanged, Exchanged::Done);
                [_, held] = issued;
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a caller ends"));
    }
    let elapsed = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let done = u32::try_from(times.len()).expect("a run is short");
    Seen { rate: f64::from(done) / elapsed, median: at(50), p99: at(99) }
}

/// How long it takes to find a credential among `grants` others: inline, and by way of another thread and back.
pub(crate) async fn reads(path: &Path, grants: usize) -> [Duration; 2] {
    const READS: u32 = 20_000;
    let store = SqliteStore::open(path).expect("the file is new");
    let mut keys = Vec::new();
    for _ in 0..grants {
        let (grant, held) = scene::session();
        store.open(&grant, std::slice::from_ref(&held)).await.expect("the store has room");
        keys.push(held.key);
    }
    let began = Instant::now();
    for (key, _) in keys.iter().cycle().zip(0..READS) {
        assert!(store.find(key).await.expect("the store answers").is_some());
    }
    let inline = began.elapsed() / READS;
    let (began, runtime) = (Instant::now(), tokio::runtime::Handle::current());
    for (key, _) in keys.iter().cycle().zip(0..READS) {
        let (store, key, runtime) = (store.clone(), *key, runtime.clone());
        let found = tokio::task::spawn_blocking(move || runtime.block_on(store.find(&key)));
        assert!(found.await.expect("a read ends").expect("the store answers").is_some());
    }
    [inline, began.elapsed() / READS]
}
