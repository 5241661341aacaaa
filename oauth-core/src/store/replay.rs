//! What may happen once.

use async_trait::async_trait;

use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Remembers what was used: tickets, assertions, proofs.
///
/// A whole implementation, for one process:
///
/// ```
/// use std::collections::HashMap;
/// use std::collections::hash_map::Entry;
/// use std::sync::{Mutex, PoisonError};
/// use oauth_core::{ReplayGuard, StoreError, Timestamp, TokenHash, async_trait};
///
/// #[derive(Default)]
/// struct Seen(Mutex<HashMap<TokenHash, Timestamp>>);
///
/// #[async_trait]
/// impl ReplayGuard for Seen {
///     async fn first_use(&self, key: &TokenHash, until: Timestamp, _now: Timestamp) -> Result<bool, StoreError> {
///         let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let Entry::Vacant(entry) = seen.entry(*key) else { return Ok(false) };
///         entry.insert(until);
///         Ok(true)
///     }
///     async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
///         let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let kept = seen.len();
///         seen.retain(|_, until| *until >= before);
///         Ok((kept - seen.len()) as u64)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (seen, ticket, now) = (Seen::default(), TokenHash::of("a ticket"), Timestamp::from_secs(1_700_000_000));
/// assert!(seen.first_use(&ticket, now, now).await?);
/// assert!(!seen.first_use(&ticket, now, now).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
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
