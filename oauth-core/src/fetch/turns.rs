//! Who may fetch now: a bounded number over all, and for each host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::FetchError;

/// Those who wait are bounded in time by a timeout and in number by this many for each that may fetch.
const WAITING_PER_TURN: usize = 16;

pub(super) struct Turns {
    per_host: usize,
    timeout: Duration,
    overall: Arc<Semaphore>,
    /// Those who fetch and those who wait.
    admitted: Arc<Semaphore>,
    hosts: Arc<Mutex<HashMap<String, Host>>>,
}

/// The right to fetch from one host, until dropped.
pub(super) struct Turn {
    _overall: OwnedSemaphorePermit,
    _host: HostTurn,
    _admitted: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(overall: usize, per_host: usize, timeout: Duration) -> Self {
        let admitted = overall.saturating_mul(WAITING_PER_TURN + 1).min(Semaphore::MAX_PERMITS);
        Self {
            per_host: per_host.min(Semaphore::MAX_PERMITS),
            timeout,
            overall: Arc::new(Semaphore::new(overall.min(Semaphore::MAX_PERMITS))),
            admitted: Arc::new(Semaphore::new(admitted)),
            hosts: Arc::default(),
        }
    }

    /// The host's turn first: those who queue for one slow host must not hold turns that others could use.
    pub(super) async fn take(&self, host: &str) -> Result<Turn, FetchError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| FetchError::Busy)?;
        let take = async {
            let mut place = self.place(host);
            place.permit =
                Some(Arc::clone(&place.semaphore).acquire_owned().await.map_err(|_| FetchError::Busy)?);
            let overall = Arc::clone(&self.overall).acquire_owned().await.map_err(|_| FetchError::Busy)?;
            Ok(Turn { _overall: overall, _host: place, _admitted: admitted })
        };
        tokio::time::timeout(self.timeout, take).await.unwrap_or(Err(FetchError::Busy))
    }

    fn place(&self, host: &str) -> HostTurn {
        let mut hosts = lock(&self.hosts);
        let entry = hosts
            .entry(host.to_owned())
            .or_insert_with(|| Host { semaphore: Arc::new(Semaphore::new(self.per_host)), places: 0 });
        entry.places += 1;
        let semaphore = Arc::clone(&entry.semaphore);
        drop(hosts);
        HostTurn { hosts: Arc::clone(&self.hosts), host: host.to_owned(), semaphore, permit: None }
    }
}

struct Host {
    semaphore: Arc<Semaphore>,
    places: usize,
}

/// A place at one host: waiting without a permit, fetching with one. The last to leave removes the host's entry, so
/// that the table is never longer than the number of those admitted.
struct HostTurn {
    hosts: Arc<Mutex<HashMap<String, Host>>>,
    host: String,
    semaphore: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for HostTurn {
    fn drop(&mut self) {
        // Before the place: who finds no entry makes a new semaphore, with all its permits.
        self.permit = None;
        let mut hosts = lock(&self.hosts);
        if let Some(entry) = hosts.get_mut(&self.host) {
            entry.places -= 1;
            if entry.places == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// Nothing under this lock can panic halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    // CIMD-11, A-CIMDX-15
    #[tokio::test]
    async fn turns_are_bounded_for_each_host_and_over_all() {
        let turns = Turns::new(3, 2, SOON);
        let first = turns.take("a").await.unwrap();
        let _second = turns.take("a").await.unwrap();
        assert!(matches!(turns.take("a").await, Err(FetchError::Busy)), "a third of one host");
        let _third = turns.take("b").await.unwrap();
        assert!(matches!(turns.take("c").await, Err(FetchError::Busy)), "a fourth of all");
        drop(first);
        assert!(turns.take("c").await.is_ok());
    }

    #[tokio::test]
    async fn who_queues_for_a_slow_host_takes_no_turn_from_others() {
        let turns = Arc::new(Turns::new(2, 1, SOON));
        let _slow = turns.take("slow").await.unwrap();
        let queued = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take("slow").await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(turns.take("quick").await.is_ok());
        assert!(!queued.await.unwrap());
    }

    // LIM-2
    #[tokio::test]
    async fn hosts_leave_no_trace() {
        let turns = Turns::new(4, 1, SOON);
        let held = turns.take("held").await.unwrap();
        assert!(turns.take("held").await.is_err());
        for host in 0..1000 {
            turns.take(&host.to_string()).await.unwrap();
        }
        assert_eq!(lock(&turns.hosts).len(), 1);
        drop(held);
        assert_eq!(lock(&turns.hosts).len(), 0);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_too() {
        let turns = Arc::new(Turns::new(1, 1, Duration::from_secs(3600)));
        let _held = turns.take("a").await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING_PER_TURN {
            let turns = Arc::clone(&turns);
            waiting.spawn(async move { turns.take("a").await.is_ok() });
        }
        tokio::task::yield_now().await;
        assert!(matches!(turns.take("a").await, Err(FetchError::Busy)), "at once, not in an hour");
    }
}
