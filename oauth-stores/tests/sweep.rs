//! What has ended is forgotten on a timer, by one server at a time, and an outage is outlived.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oauth_core::testing::SeededEntropy;
use oauth_core::{
    Clock, MemoryStore, Session, SessionStore, StoreError, Stores, Subject, Timestamp, TokenHash, async_trait,
};
use oauth_stores::Sweep;

const MINUTE: Duration = Duration::from_secs(60);

/// A clock that goes with the runtime's, which stands still until everybody sleeps.
#[derive(Clone)]
struct RuntimeClock(tokio::time::Instant, Duration);

impl RuntimeClock {
    fn start() -> Self {
        Self(tokio::time::Instant::now(), Duration::ZERO)
    }

    /// Another server's, which is ahead.
    fn ahead(&self, by: Duration) -> Self {
        Self(self.0, by)
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000) + self.0.elapsed() + self.1
    }
}

/// Sessions whose purge takes a while, is counted, and can fail.
#[derive(Clone)]
struct Slow {
    inner: Arc<dyn SessionStore>,
    takes: Duration,
    running: Arc<AtomicU64>,
    overlaps: Arc<AtomicU64>,
    purges: Arc<AtomicU64>,
    down: Arc<AtomicBool>,
}

impl Slow {
    fn new(takes: Duration) -> Self {
        let inner = Arc::new(MemoryStore::default());
        let (running, overlaps, purges) = Default::default();
        Self { inner, takes, running, overlaps, purges, down: Arc::default() }
    }

    fn over(&self, stores: &Stores) -> Stores {
        let mut stores = stores.clone();
        stores.sessions = Arc::new(self.clone());
        stores
    }

    fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }
}

/// Counts down also when the purge is given up.
struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl SessionStore for Slow {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        self.inner.begin(session).await
    }
    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        self.inner.find(key).await
    }
    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        self.inner.end(key).await
    }
    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        self.inner.end_all(subject).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.overlaps.fetch_add(u64::from(self.running.fetch_add(1, Ordering::SeqCst) > 0), Ordering::SeqCst);
        let _running = Running(&self.running);
        tokio::time::sleep(self.takes).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("it is down"));
        }
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.inner.purge(before).await
    }
}

fn sweep(stores: Stores, clock: RuntimeClock, seed: u64) -> Sweep {
    Sweep::new(stores).with_period(10 * MINUTE).with_clock(clock).with_entropy(SeededEntropy::new(seed))
}

fn session(name: &str, ends: Timestamp) -> Session {
    let (key, subject) = (TokenHash::of(name), "alice".parse().unwrap());
    Session { key, subject, auth_time: Timestamp::from_secs(1), expires_at: ends }
}

#[tokio::test(start_paused = true)]
async fn what_ended_an_hour_ago_is_forgotten_by_itself() {
    let (stores, clock) = (Stores::memory(), RuntimeClock::start());
    let ends = clock.now();
    stores.sessions.begin(&session("over", ends)).await.unwrap();
    stores.sessions.begin(&session("lives", ends + 600 * MINUTE)).await.unwrap();
    let sweeper = sweep(stores.clone(), clock, 1).start();
    tokio::time::sleep(59 * MINUTE).await;
    assert!(stores.sessions.find(&TokenHash::of("over")).await.unwrap().is_some(), "it is kept for an hour");
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(stores.sessions.find(&TokenHash::of("over")).await.unwrap(), None);
    assert!(stores.sessions.find(&TokenHash::of("lives")).await.unwrap().is_some());
    assert!(!sweeper.is_stopped());
}

#[tokio::test(start_paused = true)]
async fn of_several_servers_one_sweeps_in_each_period() {
    let (stores, clock, slow) = (Stores::memory(), RuntimeClock::start(), Slow::new(MINUTE));
    let sweepers: Vec<_> =
        (0..5).map(|seed| sweep(slow.over(&stores), clock.clone(), seed).start()).collect();
    tokio::time::sleep(600 * MINUTE).await;
    // The one that began last may be under way.
    assert!((59..=60).contains(&slow.purges()), "{} sweeps in 60 periods", slow.purges());
    assert_eq!(slow.overlaps.load(Ordering::SeqCst), 0);
    drop(sweepers);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_takes_longer_than_its_period_is_alone_all_the_same() {
    let (stores, clock, slow) = (Stores::memory(), RuntimeClock::start(), Slow::new(35 * MINUTE));
    // Clocks that differ by a minute.
    let clocks = [clock.clone(), clock.ahead(MINUTE), clock];
    let sweepers: Vec<_> = clocks
        .into_iter()
        .enumerate()
        .map(|(seed, clock)| sweep(slow.over(&stores), clock, seed as u64).start())
        .collect();
    tokio::time::sleep(1000 * MINUTE).await;
    assert!(slow.purges() > 15, "{}", slow.purges());
    assert_eq!(slow.overlaps.load(Ordering::SeqCst), 0);
    drop(sweepers);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_outlived() {
    let (stores, clock, slow) = (Stores::memory(), RuntimeClock::start(), Slow::new(Duration::ZERO));
    slow.down.store(true, Ordering::SeqCst);
    stores.sessions.begin(&session("over", clock.now())).await.unwrap();
    let sweeper = sweep(slow.over(&stores), clock, 1).start();
    tokio::time::sleep(100 * MINUTE).await;
    assert_eq!(slow.purges(), 0);
    slow.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(20 * MINUTE).await;
    assert!(slow.purges() > 0 && !sweeper.is_stopped());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_keeps_none_of_the_others() {
    let (stores, clock, slow) = (Stores::memory(), RuntimeClock::start(), Slow::new(Duration::ZERO));
    slow.down.store(true, Ordering::SeqCst);
    let late = clock.ahead(100 * MINUTE);
    assert!(stores.replay.first_use(&TokenHash::of("over"), clock.now(), clock.now()).await.unwrap());
    let swept = sweep(slow.over(&stores), late, 1).once().await.unwrap().unwrap();
    assert_eq!((swept.failed, swept.replay), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_is_dropped_sweeps_no_more() {
    let (stores, clock, slow) = (Stores::memory(), RuntimeClock::start(), Slow::new(MINUTE));
    let sweeper = sweep(slow.over(&stores), clock, 1).start();
    tokio::time::sleep(30 * MINUTE).await;
    drop(sweeper);
    let before = slow.purges();
    assert!(before > 0);
    tokio::time::sleep(600 * MINUTE).await;
    assert_eq!(slow.purges(), before);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn servers_over_one_file_know_of_each_other() {
    use oauth_core::testing::FixedClock;
    use oauth_stores::SqliteStore;
    let folder = tempfile::tempdir().unwrap();
    let open = || Stores::new(SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap());
    let (clock, mut swept) = (FixedClock::default(), 0);
    let sweeps: Vec<_> = (0..4).map(|_| Sweep::new(open()).with_clock(clock.clone())).collect();
    for _ in 0..10 {
        let rounds = sweeps.iter().map(|sweep| sweep.once());
        for round in rounds {
            swept += usize::from(round.await.unwrap().is_some());
        }
        clock.advance(Sweep::PERIOD);
    }
    assert_eq!(swept, 10);
}
