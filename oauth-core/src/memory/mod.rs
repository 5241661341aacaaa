//! Every port in memory: for tests, and for servers that may forget.

mod accounts;
mod clients;
mod consents;
mod due;
mod entry;
mod grants;
mod index;
mod keys;
mod limits;
mod reach;
mod replay;
mod sessions;
mod shard;
mod vault;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// Every port in memory. Cloning shares what is stored; dropping the last clone forgets it.
///
/// Also the shortest text on what the ports mean: one lock over a shard is what a transaction is elsewhere.
///
/// What is over is forgotten at [`purge`](crate::Stores::purge). A process that never purges stays bounded all the same: now
/// and then a write sweeps out what ended more than two hours ago (LIM-2).
///
/// ```
/// use oauth_core::{Account, AccountStore, Identity, MemoryStore, Timestamp};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let account = Account { subject: "owner".parse()?, name: None, created_at: Timestamp::from_secs(1), disabled: false };
/// let identity = Identity { provider: "passphrase".parse()?, id: "owner".into() };
/// store.clone().open(&account, &identity).await?;
/// assert_eq!(store.find_by_identity(&identity).await?, Some(account));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    grants: Arc<grants::Ledger>,
    clients: Arc<clients::Clients>,
    consents: Arc<consents::Consents>,
    accounts: Arc<accounts::Accounts>,
    sessions: Arc<sessions::Sessions>,
    replay: Arc<replay::Seen>,
    limits: Arc<limits::Limits>,
    keys: Arc<keys::Keys>,
    vault: Arc<vault::Sealed>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Locks. No code of ours panics between two writes that belong together, so a poisoned lock guards whole records.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For how long after its end a record is kept if nobody purges: longer than any clock steps back (A-FAULT-5).
const KEPT: Duration = Duration::from_secs(2 * 3600);

/// When a write should sweep as well: after as many writes as the last sweep left records. So a sweep costs each write a
/// constant, and a table holds at most twice what it must.
#[derive(Default)]
struct Sweep {
    writes: usize,
    left: usize,
}

impl Sweep {
    /// Counts a write at `now`. The time before which to forget, if it is time to.
    fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.writes += 1;
        (self.writes >= self.left.max(256)).then(|| now.before(KEPT))
    }

    /// A sweep left that many records.
    fn done(&mut self, left: usize) {
        (self.writes, self.left) = (0, left);
    }
}

/// Whether a table that holds `len` and has room for `capacity` should give room back.
const fn is_roomy(len: usize, capacity: usize) -> bool {
    capacity > 64 && len < capacity / 4
}
