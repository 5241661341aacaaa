//! What may happen once.

use async_trait::async_trait;

use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Remembers what was used: tickets, assertions, proofs.
#[async_trait]
pub trait ReplayGuard: Send + Sync + 'static {
    /// Whether this is the first use of `key`. It is remembered until `until`.
    ///
    /// One atomic step: of any number at once, one gets `true`. Which way to be wrong: `false`, somebody repeats a step; `true`
    /// twice is a replay. An entry whose `until` has passed at `now` may be forgotten, and a clock that steps back must not
    /// revive it: keep it until a `purge`. SQL: `INSERT … ON CONFLICT DO NOTHING`, judged by the number of rows.
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError>;

    /// Forgets what need not be remembered since before `before`. How many.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}
