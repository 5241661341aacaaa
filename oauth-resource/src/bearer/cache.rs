//! Tokens that were accepted, by their hash, for a short time.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use oauth_core::{Epoch, Revocations, Timestamp, TokenHash};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::authorized::Authorized;

/// How many accepted tokens are remembered unless it is said otherwise.
pub(crate) const DEFAULT_CAPACITY: usize = 10_000;
/// For how long unless it is said otherwise: a revocation in another process reaches this one as late as that.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(10);

type Entries = Cache<TokenHash, Entry, UnitWeighter, ByHash, DefaultLifecycle<TokenHash, Entry>>;

/// Accepted tokens. Bounded in number and in time; what is revoked in this process counts no more at once.
pub(crate) struct Accepted {
    entries: Option<Entries>,
    ttl: Duration,
}

#[derive(Clone)]
struct Entry {
    authorized: Authorized,
    until: Timestamp,
    epoch: Epoch,
}

impl Accepted {
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Self {
        let entries = (capacity > 0 && !ttl.is_zero()).then(|| {
            let options = OptionsBuilder::new()
                // Grows as it fills: a personal server has three tokens.
                .estimated_items_capacity(capacity.min(256))
                .weight_capacity(capacity as u64)
                .build()
                .expect("both capacities are given");
            Cache::with_options(options, UnitWeighter, ByHash, DefaultLifecycle::default())
        });
        Self { entries, ttl }
    }

    /// What was accepted and still counts.
    pub(crate) fn get(
        &self,
        hash: &TokenHash,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Option<Authorized> {
        let entry = self.entries.as_ref()?.get(hash)?;
        (now < entry.until && revocations.is_current(entry.epoch)).then_some(entry.authorized)
    }

    /// Remembers until `ends` or for the short time, whichever is less. `epoch` was read before the token was verified.
    pub(crate) fn put(
        &self,
        hash: TokenHash,
        authorized: Authorized,
        ends: Timestamp,
        epoch: Epoch,
        now: Timestamp,
    ) {
        if let Some(entries) = &self.entries {
            entries.insert(hash, Entry { authorized, until: ends.min(now + self.ttl), epoch });
        }
    }

    /// Forgets a token that is not good any more.
    pub(crate) fn forget(&self, hash: &TokenHash) {
        if let Some(entries) = &self.entries {
            entries.remove(hash);
        }
    }
}

/// The key is a SHA-256: any of its bytes are as good as a hash of them. Nobody chooses them who has not been issued the token.
#[derive(Clone, Copy, Default)]
struct ByHash;

#[derive(Default)]
struct FirstBytes(u64);

impl BuildHasher for ByHash {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes::default()
    }
}

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length that precedes an array's bytes.
    fn write_usize(&mut self, _: usize) {}
}
