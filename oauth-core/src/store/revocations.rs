//! How a revocation reaches the caches of its own process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::GrantId;

const SLOTS: u16 = 1024;

/// Counts revocations, in slots by grant. Who keeps a verified token keeps the [`Epoch`] of its grant beside it, and asks
/// again when it has moved on: one load on the hot path, no message, no lock.
///
/// ```
/// use oauth_core::{GrantId, OsEntropy, Revocations};
///
/// let revocations = Revocations::default();
/// let grant = GrantId::generate(&OsEntropy);
/// let epoch = revocations.epoch(Some(&grant));
/// assert!(revocations.is_current(epoch));
/// revocations.announce(Some(&grant));
/// assert!(!revocations.is_current(epoch));
/// ```
#[derive(Clone, Debug)]
pub struct Revocations {
    slots: Arc<[AtomicU64]>,
    all: Arc<AtomicU64>,
}

/// A moment in the history of revocations.
///
/// ```
/// use oauth_core::Revocations;
/// let revocations = Revocations::default();
/// assert!(revocations.is_current(revocations.epoch(None)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    slot: u16,
    count: u64,
    all: u64,
}

impl Revocations {
    /// The epoch of a grant; of no grant in particular: moved on by [`announce(None)`](Self::announce) alone. Read it *before* verifying.
    #[must_use]
    pub fn epoch(&self, grant: Option<&GrantId>) -> Epoch {
        let slot = grant.map_or(0, slot_of);
        Epoch {
            slot,
            count: self.slots[usize::from(slot)].load(Ordering::Acquire),
            all: self.all.load(Ordering::Acquire),
        }
    }

    /// Whether nothing that concerns `epoch` was revoked since.
    #[must_use]
    pub fn is_current(&self, epoch: Epoch) -> bool {
        self.slots[usize::from(epoch.slot)].load(Ordering::Acquire) == epoch.count
            && self.all.load(Ordering::Acquire) == epoch.all
    }

    /// Says that a grant was revoked; `None`: that many may have been.
    pub fn announce(&self, grant: Option<&GrantId>) {
        match grant {
            Some(grant) => self.slots[usize::from(slot_of(grant))].fetch_add(1, Ordering::AcqRel),
            None => self.all.fetch_add(1, Ordering::AcqRel),
        };
    }
}

fn slot_of(grant: &GrantId) -> u16 {
    // The identifier is random: any of its bits will do.
    let bytes = grant.as_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]]) % SLOTS
}

impl Default for Revocations {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), all: Arc::default() }
    }
}
