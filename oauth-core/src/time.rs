//! Points in time and where they come from.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates: no sum overflows and no difference is negative.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::Timestamp;
///
/// let issued = Timestamp::from_secs(1_700_000_000);
/// let expires = issued + Duration::from_secs(60);
/// assert_eq!(expires.since(issued), Duration::from_secs(60));
/// assert_eq!(issued.since(expires), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest point in time that every store can hold (a signed 64-bit number of milliseconds).
    pub const MAX: Self = Self(i64::MAX as u64);

    /// From whole seconds since the epoch, the unit of RFC 7519's `NumericDate`.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whether this is at `begin` or after, by less than `time`. What counts for a time is asked so: a clock that was set back makes no short time
    /// a long one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_core::Timestamp;
    ///
    /// let (begin, minute) = (Timestamp::from_secs(1_700_000_000), Duration::from_secs(60));
    /// assert!(begin.is_within(begin, minute) && !(begin + minute).is_within(begin, minute));
    /// assert!(!begin.before(minute).is_within(begin, minute));
    /// ```
    #[must_use]
    pub fn is_within(self, begin: Self, time: Duration) -> bool {
        begin <= self && self.since(begin) < time
    }

    /// This point moved back by `by`, not before the epoch.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(by)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

/// Where the time comes from. A request reads it once, at the door.
///
/// ```
/// use oauth_core::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::from_secs(1_700_000_000));
/// ```
///
/// A clock that is set elsewhere is shared:
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::{Clock, SystemClock};
///
/// fn takes_a_clock(_: impl Clock) {}
/// let shared: Arc<dyn Clock> = Arc::new(SystemClock);
/// takes_a_clock(shared.clone());
/// takes_a_clock(Box::new(shared) as Box<dyn Clock>);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time now. May step back when the machine's clock is set.
    fn now(&self) -> Timestamp;
}

#[deny(clippy::missing_trait_methods)]
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<C: Clock + ?Sized> Clock for Box<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The machine's clock.
///
/// ```
/// use oauth_core::{Clock, SystemClock};
/// assert!(SystemClock.now().as_secs() > 0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(millis(since))
    }
}
