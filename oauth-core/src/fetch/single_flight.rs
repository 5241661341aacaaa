//! One piece of work for all who want its outcome at the same time.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Makes one of many concurrent pieces of work under one key: the first caller does it, the others wait and get a
/// clone of its outcome. Nothing is kept once it is done: that is a cache's business.
///
/// No caller is bound to another's patience. If the one who does the work is dropped, one of those who wait does its
/// own; if one who waits is dropped, nobody notices. No task is spawned and no runtime needed.
///
/// ```
/// use oauth_core::fetch::SingleFlight;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), oauth_core::fetch::TooManyFlights> {
/// let flights = SingleFlight::new(1024);
/// let (first, second) = tokio::join!(
///     flights.run("https://app.example/client.json", async { tokio::task::yield_now().await; "fetched once" }),
///     flights.run("https://app.example/client.json", async { unreachable!("the first one fetches") }),
/// );
/// assert_eq!((first?, second?), ("fetched once", "fetched once"));
/// # Ok(())
/// # }
/// ```
pub struct SingleFlight<K, V> {
    capacity: usize,
    board: Mutex<HashMap<K, Entry<V>>>,
}

/// As many different pieces of work are under way as the [`SingleFlight`] allows.
///
/// ```
/// use oauth_core::fetch::{SingleFlight, TooManyFlights};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let none_at_all = SingleFlight::new(0);
/// assert_eq!(none_at_all.run("key", async {}).await, Err(TooManyFlights));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many different fetches at once")]
pub struct TooManyFlights;

impl From<TooManyFlights> for super::FetchError {
    fn from(_: TooManyFlights) -> Self {
        Self::Busy
    }
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Room for work under so many different keys at once. Those who wait under one key are not counted.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, board: Mutex::new(HashMap::new()) }
    }

    /// The outcome of the work under this key: that of `work`, or of the equal work that is under way already. In the
    /// latter case `work` is dropped without having been polled.
    ///
    /// # Errors
    ///
    /// [`TooManyFlights`] if there is no room for another key.
    pub async fn run(&self, key: K, work: impl Future<Output = V>) -> Result<V, TooManyFlights> {
        let passenger = self.board(key)?;
        match passenger.seat().await {
            Seat::Landed(value) => Ok(value),
            Seat::Pilot(controls) => {
                let value = work.await;
                // Off the board before the outcome is told: who comes from here on wants newer work.
                passenger.leave_board();
                controls.land(value.clone());
                Ok(value)
            }
        }
    }

    /// How many different pieces of work are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.board).len()
    }

    fn board(&self, key: K) -> Result<Passenger<'_, K, V>, TooManyFlights> {
        let mut board = lock(&self.board);
        if board.len() >= self.capacity && !board.contains_key(&key) {
            return Err(TooManyFlights);
        }
        let entry = board
            .entry(key.clone())
            .or_insert_with(|| Entry { flight: Arc::new(Flight::new()), passengers: 0 });
        entry.passengers += 1;
        let flight = Arc::clone(&entry.flight);
        drop(board);
        let ticket = flight.ticket();
        Ok(Passenger { board: &self.board, key, flight, ticket })
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("capacity", &self.capacity)
            .field("in_flight", &lock(&self.board).len())
            .finish_non_exhaustive()
    }
}

struct Entry<V> {
    flight: Arc<Flight<V>>,
    passengers: usize,
}

struct Flight<V> {
    progress: Mutex<Progress<V>>,
}

struct Progress<V> {
    state: State<V>,
    next_ticket: u64,
    /// By the ticket of each who waits, so that one who gives up leaves nothing behind.
    waiting: HashMap<u64, Waker>,
}

enum State<V> {
    Unpiloted,
    Piloted,
    Landed(V),
}

enum Seat<'a, V> {
    Pilot(Controls<'a, V>),
    Landed(V),
}

impl<V> Flight<V> {
    fn new() -> Self {
        let progress = Progress { state: State::Unpiloted, next_ticket: 0, waiting: HashMap::new() };
        Self { progress: Mutex::new(progress) }
    }

    fn ticket(&self) -> u64 {
        let mut progress = lock(&self.progress);
        progress.next_ticket += 1;
        progress.next_ticket
    }

    /// All of them: to wake one only would strand the rest if that one is being dropped right now.
    fn change(&self, change: impl FnOnce(&mut State<V>)) {
        let waiting = {
            let mut progress = lock(&self.progress);
            change(&mut progress.state);
            std::mem::take(&mut progress.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }
}

impl<V: Clone> Flight<V> {
    fn poll_seat(&self, ticket: u64, cx: &Context<'_>) -> Poll<Seat<'_, V>> {
        let mut progress = lock(&self.progress);
        match &progress.state {
            State::Landed(value) => Poll::Ready(Seat::Landed(value.clone())),
            State::Unpiloted => {
                progress.state = State::Piloted;
                Poll::Ready(Seat::Pilot(Controls { flight: self }))
            }
            State::Piloted => {
                progress.waiting.insert(ticket, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// One caller's place in a flight. The last one to leave takes it off the board.
struct Passenger<'a, K: Eq + Hash, V> {
    board: &'a Mutex<HashMap<K, Entry<V>>>,
    key: K,
    flight: Arc<Flight<V>>,
    ticket: u64,
}

impl<K: Eq + Hash, V: Clone> Passenger<'_, K, V> {
    async fn seat(&self) -> Seat<'_, V> {
        poll_fn(|cx| self.flight.poll_seat(self.ticket, cx)).await
    }
}

impl<K: Eq + Hash, V> Passenger<'_, K, V> {
    fn leave_board(&self) {
        self.at_board(|entry| entry.passengers = 0);
    }

    /// Changes the flight's entry, if it is still there, and removes it when nobody is left: the key may by now stand
    /// for a later flight.
    fn at_board(&self, change: impl FnOnce(&mut Entry<V>)) {
        let mut board = lock(self.board);
        if let Some(entry) = board.get_mut(&self.key).filter(|entry| Arc::ptr_eq(&entry.flight, &self.flight))
        {
            change(entry);
            if entry.passengers == 0 {
                board.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash, V> Drop for Passenger<'_, K, V> {
    fn drop(&mut self) {
        lock(&self.flight.progress).waiting.remove(&self.ticket);
        self.at_board(|entry| entry.passengers -= 1);
    }
}

/// Held by the one who does the work. Dropped before landing, it hands over to one of those who wait.
struct Controls<'a, V> {
    flight: &'a Flight<V>,
}

impl<V> Controls<'_, V> {
    fn land(self, value: V) {
        self.flight.change(|state| *state = State::Landed(value));
    }
}

impl<V> Drop for Controls<'_, V> {
    fn drop(&mut self) {
        self.flight.change(|state| {
            if let State::Piloted = state {
                *state = State::Unpiloted;
            }
        });
    }
}

/// Nothing under these locks can panic halfway through a change, so a poisoned one holds no half state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::oneshot;
    use tokio::task::{JoinSet, yield_now};

    // CIMD-11
    #[tokio::test]
    async fn a_hundred_callers_make_one_piece_of_work() {
        let flights = Arc::new(SingleFlight::new(8));
        let runs = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..100 {
            let (flights, runs) = (Arc::clone(&flights), Arc::clone(&runs));
            callers.spawn(async move {
                let work = async {
                    yield_now().await;
                    runs.fetch_add(1, Ordering::SeqCst)
                };
                flights.run("key", work).await
            });
        }
        assert!(callers.join_all().await.into_iter().all(|outcome| outcome == Ok(0)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!(flights.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_follower_takes_over_when_the_leader_is_dropped() {
        let flights = Arc::new(SingleFlight::new(8));
        let never = std::future::pending::<&str>();
        let leader = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(1, never).await }
        });
        yield_now().await;
        // One follower gives up as well; the other gets through.
        let gives_up = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(1, std::future::pending()).await }
        });
        let stays = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(1, async { "by the follower" }).await }
        });
        yield_now().await;
        gives_up.abort();
        leader.abort();
        assert_eq!(stays.await.unwrap(), Ok("by the follower"));
        assert_eq!(flights.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_follower_takes_over_when_the_leader_panics() {
        let flights = Arc::new(SingleFlight::new(8));
        let (go, gone) = oneshot::channel::<()>();
        let leader = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move {
                let work = async move {
                    gone.await.unwrap();
                    panic!("on purpose")
                };
                flights.run(1, work).await
            }
        });
        yield_now().await;
        let follower = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(1, async { 7 }).await }
        });
        yield_now().await;
        go.send(()).unwrap();
        assert!(leader.await.unwrap_err().is_panic());
        assert_eq!(follower.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn who_comes_later_gets_newer_work() {
        let flights = SingleFlight::new(8);
        assert_eq!(flights.run("key", async { 1 }).await, Ok(1));
        assert_eq!(flights.run("key", async { 2 }).await, Ok(2));
    }

    // LIM-2
    #[tokio::test]
    async fn the_number_of_keys_is_bounded_and_room_comes_back() {
        let flights = Arc::new(SingleFlight::new(2));
        let mut leaders = JoinSet::new();
        for key in 0..2 {
            let flights = Arc::clone(&flights);
            leaders.spawn(async move { flights.run(key, std::future::pending::<()>()).await });
        }
        yield_now().await;
        assert_eq!(flights.in_flight(), 2);
        assert_eq!(flights.run(2, async {}).await, Err(TooManyFlights));
        leaders.shutdown().await;
        assert_eq!(flights.in_flight(), 0);
        assert_eq!(flights.run(2, async {}).await, Ok(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_is_stranded_when_leaders_come_and_go() {
        let flights = Arc::new(SingleFlight::new(4));
        for _ in 0..200 {
            let mut callers = JoinSet::new();
            for caller in 0..8 {
                let flights = Arc::clone(&flights);
                callers.spawn(async move {
                    let work = async {
                        yield_now().await;
                        yield_now().await;
                    };
                    if caller % 2 == 0 {
                        // Gives up at a moment of its own.
                        tokio::select! { biased; () = yield_now() => {}, _ = flights.run("key", work) => {} }
                    } else {
                        flights.run("key", work).await.unwrap();
                    }
                });
            }
            callers.join_all().await;
            assert_eq!(flights.in_flight(), 0);
        }
    }
}
