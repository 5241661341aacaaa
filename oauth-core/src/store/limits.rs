//! How often something may happen.

use std::time::Duration;

use async_trait::async_trait;

use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Counts what may not happen too often (LIM-1).
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{LimitKey, Quota, Stores, Timestamp, Verdict};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let limits = Stores::memory().limits;
/// let (key, quota) = (LimitKey::new("wrong-secret", "app"), Quota::new(1, Duration::from_secs(60)));
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert_eq!(limits.hit(&key, quota, now).await?, Verdict::Allowed);
/// assert!(matches!(limits.hit(&key, quota, now).await?, Verdict::Limited { .. }));
/// limits.reset(&key).await?;
/// assert_eq!(limits.hit(&key, quota, now).await?, Verdict::Allowed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Counts one event under `key`, if `quota` has room for it.
    ///
    /// Atomic: no more than the quota's burst passes at once, whatever runs beside it. Which way to be wrong: limited. The generic
    /// cell rate algorithm needs one number a key, the time at which the quota is whole again; [`Quota::admit`] computes it. Store
    /// it whatever the verdict is.
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError>;

    /// Whether [`hit`](Self::hit) would pass, counting nothing.
    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError>;

    /// Forgets what was counted under `key`: after a success, say.
    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError>;

    /// Forgets keys whose quota is whole again since before `before`. How many.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// Under what an event is counted: a hash, so that neither addresses nor names are stored.
///
/// ```
/// use oauth_core::LimitKey;
/// assert_ne!(LimitKey::new("token", "client a"), LimitKey::new("register", "client a"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LimitKey(TokenHash);

impl LimitKey {
    /// A kind of event, and whose it is.
    #[must_use]
    pub fn new(kind: &str, whose: &str) -> Self {
        Self(TokenHash::of(&format!("{kind}\0{whose}")))
    }

    /// The key as bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// How many events in how long: `burst` at once, and as many again, evenly, in `per`.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Quota, Timestamp, Verdict};
///
/// let quota = Quota::new(2, Duration::from_secs(60));
/// let now = Timestamp::from_secs(1_700_000_000);
/// let (first, verdict) = quota.admit(None, now);
/// assert_eq!(verdict, Verdict::Allowed);
/// let (second, verdict) = quota.admit(Some(first), now);
/// assert_eq!(verdict, Verdict::Allowed);
/// let (_, verdict) = quota.admit(Some(second), now);
/// assert_eq!(verdict, Verdict::Limited { retry_after: Duration::from_secs(30) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many at once.
    pub burst: u32,
    /// In how long as many again; zero: without limit. At most one event a millisecond is told apart.
    pub per: Duration,
}

impl Quota {
    /// `burst` events in `per`. Zero is taken as one: a quota that nothing passes is a switch, not a quota.
    #[must_use]
    pub const fn new(burst: u32, per: Duration) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, per }
    }

    /// The generic cell rate algorithm: from the time at which the quota is whole again, if it is not, to the next such time.
    ///
    /// Store that time with [`Verdict::Limited`], too. It counts no event then, but it is earlier than the one before when the
    /// clock has stepped back: who keeps the old one locks everybody out until the clock is there again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_core::{Quota, Timestamp, Verdict};
    ///
    /// let quota = Quota::new(1, Duration::from_secs(60));
    /// let now = Timestamp::from_secs(1_700_000_000);
    /// let (stored, _) = quota.admit(None, now);
    /// let back = now.before(Duration::from_secs(86_400));
    /// let (stored, verdict) = quota.admit(Some(stored), back);
    /// assert!(matches!(verdict, Verdict::Limited { .. }));
    /// let (_, verdict) = quota.admit(Some(stored), back + Duration::from_secs(60));
    /// assert_eq!(verdict, Verdict::Allowed);
    /// ```
    pub fn admit(&self, whole_at: Option<Timestamp>, now: Timestamp) -> (Timestamp, Verdict) {
        if self.per.is_zero() {
            return (now, Verdict::Allowed);
        }
        // Time is told in milliseconds: what is faster than that would not be limited at all.
        let step = (self.per / self.burst.max(1)).max(Duration::from_millis(1));
        // A clock that stepped back must not lock anybody out for longer than the quota's own time.
        let whole_at = whole_at.unwrap_or(now).max(now).min(now + self.per);
        let next = whole_at + step;
        let over = next.since(now).saturating_sub(self.per);
        if over.is_zero() {
            (next, Verdict::Allowed)
        } else {
            (whole_at, Verdict::Limited { retry_after: over })
        }
    }
}

/// Whether an event may happen.
///
/// ```
/// use oauth_core::Verdict;
/// assert_ne!(Verdict::Allowed, Verdict::Limited { retry_after: std::time::Duration::from_secs(1) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not: 429.
    Limited {
        /// When to try again (`Retry-After`).
        retry_after: Duration,
    },
}
