//! A store that fails when it is told to: each call of a server to its store is a place where an outage can hit (LIM-3).

mod ports;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oauth_core::StoreError;

/// A store around another, which it asks unless its [`Faults`] say otherwise.
///
/// Calls are known by port and method: `grants.exchange`, `clients.find`.
///
/// ```
/// use oauth_core::{GrantFilter, GrantStore, MemoryStore, StoreError, Stores};
/// use oauth_testing::FaultyStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (store, faults) = FaultyStore::new(MemoryStore::default());
/// let stores = Stores::new(store);
///
/// faults.fail_next("grants.count");
/// assert!(matches!(stores.grants.count(GrantFilter::All).await, Err(StoreError::Unavailable(_))));
/// assert_eq!(stores.grants.count(GrantFilter::All).await.unwrap(), 0);
/// assert_eq!(faults.calls(), ["grants.count", "grants.count"]);
/// # });
/// ```
#[derive(Debug)]
pub struct FaultyStore<B> {
    inner: Arc<B>,
    faults: Faults,
}

/// Another connection to the same store: what a second process has.
impl<B> Clone for FaultyStore<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), faults: self.faults.clone() }
    }
}

impl<B> FaultyStore<B> {
    /// A store around `inner`, and what makes it fail.
    #[must_use]
    pub fn new(inner: B) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { inner: Arc::new(inner), faults: faults.clone() }, faults)
    }

    async fn call<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.faults.next(name) {
            None => work.await,
            Some(Fault::Refuse) => Err(outage(name)),
            Some(Fault::LoseReply) => {
                work.await?;
                Err(outage(name))
            }
        }
    }
}

fn outage(name: &'static str) -> StoreError {
    StoreError::unavailable(format!("a fault was injected into {name}"))
}

/// What makes a [`FaultyStore`] fail. Cloning shares it.
///
/// To hit every call site of a flow, run it once to count its [`calls`](Self::calls), and then once for each, failing the n-th:
///
/// ```
/// use oauth_core::{GrantFilter, GrantStore as _, MemoryStore, ReplayGuard as _, StoreError, Stores, Timestamp, TokenHash};
/// use oauth_testing::{Faults, FaultyStore};
///
/// /// Something that asks the store twice.
/// async fn flow(stores: &Stores) -> Result<(), StoreError> {
///     stores.grants.count(GrantFilter::All).await?;
///     stores.replay.first_use(&TokenHash::of("x"), Timestamp::from_secs(9), Timestamp::from_secs(1)).await?;
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fresh = || {
///     let (store, faults) = FaultyStore::new(MemoryStore::default());
///     (Stores::new(store), faults)
/// };
/// let (stores, faults) = fresh();
/// flow(&stores).await.unwrap();
/// for (n, name) in faults.calls().into_iter().enumerate() {
///     let (stores, faults) = fresh();
///     faults.fail_nth(n);
///     assert!(flow(&stores).await.is_err(), "{name}");
/// }
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<&'static str>,
    all: Option<Fault>,
    nth: BTreeMap<usize, Fault>,
    named: Vec<(String, Fault)>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing happens.
    Refuse,
    /// It happens, and nobody hears of it.
    LoseReply,
}

impl Faults {
    /// Fails the next call of this name, and does nothing.
    pub fn fail_next(&self, name: &str) {
        self.plan().named.push((name.to_owned(), Fault::Refuse));
    }

    /// Fails the next call of this name *after* doing it: the reply is lost, as when a connection breaks off.
    pub fn lose_next(&self, name: &str) {
        self.plan().named.push((name.to_owned(), Fault::LoseReply));
    }

    /// Fails the n-th call from now on, counted from 0.
    pub fn fail_nth(&self, n: usize) {
        let mut plan = self.plan();
        let at = plan.calls.len() + n;
        plan.nth.insert(at, Fault::Refuse);
    }

    /// Loses the reply of the n-th call from now on, counted from 0.
    pub fn lose_nth(&self, n: usize) {
        let mut plan = self.plan();
        let at = plan.calls.len() + n;
        plan.nth.insert(at, Fault::LoseReply);
    }

    /// Fails every call, or none but those that were named.
    pub fn fail_all(&self, on: bool) {
        self.plan().all = on.then_some(Fault::Refuse);
    }

    /// The calls so far, failed ones too.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.plan().calls.clone()
    }

    /// Forgets the calls and all plans.
    pub fn reset(&self) {
        *self.plan() = Plan::default();
    }

    fn next(&self, name: &'static str) -> Option<Fault> {
        let mut plan = self.plan();
        let at = plan.calls.len();
        plan.calls.push(name);
        let named = plan.named.iter().position(|(own, _)| own == name);
        let named = named.map(|at| plan.named.remove(at).1);
        named.or(plan.nth.remove(&at)).or(plan.all)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{MemoryStore, ReplayGuard as _, Timestamp, TokenHash};

    use super::*;

    async fn first_use(store: &FaultyStore<MemoryStore>) -> Result<bool, StoreError> {
        store.first_use(&TokenHash::of("x"), Timestamp::from_secs(9), Timestamp::from_secs(1)).await
    }

    #[tokio::test]
    async fn a_lost_reply_is_done_all_the_same() {
        let (store, faults) = FaultyStore::new(MemoryStore::default());
        faults.lose_next("replay.first_use");
        assert!(first_use(&store).await.is_err());
        assert!(!first_use(&store).await.unwrap());
    }

    #[tokio::test]
    async fn a_refused_call_does_nothing() {
        let (store, faults) = FaultyStore::new(MemoryStore::default());
        faults.fail_nth(0);
        faults.fail_next("grants.open");
        assert!(first_use(&store).await.is_err());
        assert!(first_use(&store).await.unwrap());
    }

    #[tokio::test]
    async fn an_outage_lasts_until_it_ends() {
        let (store, faults) = FaultyStore::new(MemoryStore::default());
        faults.fail_all(true);
        for _ in 0..3 {
            assert!(first_use(&store).await.is_err());
        }
        faults.fail_all(false);
        assert!(first_use(&store).await.unwrap());
        assert_eq!(faults.calls().len(), 4);
        faults.reset();
        assert!(faults.calls().is_empty());
    }
}
