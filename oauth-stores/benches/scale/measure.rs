//! What one operation costs when some callers do it at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oauth_core::{Credential, Exchange, Exchanged, Grant, GrantStore, Revocation};

use crate::ledger::{self, ENDED, NOW};

/// How many callers there are.
pub(crate) const CALLERS: usize = 16;

/// How many of each operation, at most; among few grants a part of the revocations.
pub(crate) const OPERATIONS: usize = 4000;

/// Microseconds an operation: of find, exchange, revoke, purge and a purge that finds nothing. Not a number: not measured.
#[derive(Clone, Copy)]
pub(crate) struct Costs(pub(crate) [f64; 5]);

impl Costs {
    /// Each cost's middle one.
    pub(crate) fn middle(runs: &[Self]) -> Self {
        Self(std::array::from_fn(|at| {
            let mut costs: Vec<_> = runs.iter().map(|run| run.0[at]).collect();
            costs.sort_by(f64::total_cmp);
            costs[costs.len() / 2]
        }))
    }

    pub(crate) fn over(&self, few: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] / few.0[at]))
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|cost| match cost {
            cost if cost.is_nan() => write!(f, " {:>10}", "-"),
            cost => write!(f, " {cost:>10.2}"),
        })
    }
}

/// Finds all over the ledger, exchanges at some grants, revokes others, purges what has ended, and purges when nothing has.
pub(crate) async fn measure(store: Arc<dyn GrantStore>, grants: usize) -> Costs {
    let live: Vec<usize> = spread(grants).filter(|number| !number.is_multiple_of(ENDED)).collect();
    let third = (live.len() / 3).min(OPERATIONS);
    let (warm, finds) = (&live[..third.min(200)], &live[..third]);
    let (exchanges, revocations) = (&live[third..2 * third], &live[2 * third..3 * third]);
    // Each connection prepares its statements first.
    each(&store, warm, 1, find).await;
    // As often among few as among many: else the few never see the log being written back.
    let times = OPERATIONS / third;
    let find = each(&store, finds, times, find).await;
    // Made beforehand: it would be made once for some exchanges among few, and for each among many.
    let exchanges: Vec<_> = exchanges.iter().map(|number| ledger::session(*number)).collect();
    let exchange = each(&store, &exchanges, times, exchange).await;
    let revoke = each(&store, revocations, 1, revoke).await;
    let began = Instant::now();
    let removed = store.purge(NOW + Duration::from_millis(1)).await.expect("the store answers");
    let purge = micros(began.elapsed()) / count(usize::try_from(removed).expect("there are few").max(1));
    let began = Instant::now();
    assert_eq!(store.purge(NOW + Duration::from_millis(1)).await.expect("the store answers"), 0);
    Costs([find, exchange, revoke, purge, micros(began.elapsed())])
}

/// All numbers once, each far from the one before.
pub(crate) fn spread(grants: usize) -> impl Iterator<Item = usize> {
    // A prime, so no divisor of any size that is asked for.
    const STEP: usize = 7_368_787;
    (0..grants).map(move |at| at * STEP % grants)
}

/// Does `work` for each of `those`, so many times, some at once. Microseconds for one.
pub(crate) async fn each<S, T, F>(
    store: &S,
    those: &[T],
    times: usize,
    work: impl Fn(S, T, usize) -> F + Copy + Send + 'static,
) -> f64
where
    S: Clone + Send + 'static,
    T: Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let shares: Vec<Vec<T>> =
        (0..CALLERS).map(|caller| those.iter().skip(caller).step_by(CALLERS).cloned().collect()).collect();
    let began = Instant::now();
    let callers: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let store = store.clone();
            tokio::spawn(async move {
                for one in share {
                    work(store.clone(), one, times).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller ends");
    }
    micros(began.elapsed()) / count(those.len() * times)
}

async fn find(store: Arc<dyn GrantStore>, number: usize, times: usize) {
    for _ in 0..times {
        assert!(store.find(&ledger::key(number)).await.expect("the store answers").is_some());
    }
}

/// A chain of refreshes.
async fn exchange(store: Arc<dyn GrantStore>, (grant, mut token): (Grant, Credential), times: usize) {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..times {
        let now = ledger::moment(DONE.fetch_add(1, Ordering::Relaxed));
        let issued = ledger::issued(&grant, now);
        let grace = Duration::from_secs(120);
        let act = Exchange { spent: &token.key, issued: &issued, reply: ledger::reply(), now, grace };
        assert_eq!(store.exchange(act).await.expect("the store answers"), Exchanged::Done);
        [_, token] = issued;
    }
}

async fn revoke(store: Arc<dyn GrantStore>, number: usize, _: usize) {
    let id = ledger::key(number).grant;
    assert_eq!(store.revoke(Revocation::Grant(&id), NOW).await.expect("the store answers"), 1);
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[allow(clippy::cast_precision_loss, reason = "there are few")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
