//! A clock that stands still until it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// A clock that stands still until it is told. Cloning shares it: who holds a clone moves the server's time.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::Clock;
/// use oauth_core::testing::FixedClock;
///
/// let clock = FixedClock::default();
/// let before = clock.clone().now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct FixedClock {
    millis: Arc<AtomicU64>,
}

impl FixedClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { millis: Arc::new(AtomicU64::new(now.as_millis())) }
    }

    /// Sets it, back too.
    pub fn set(&self, now: Timestamp) {
        self.millis.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Moves it back, as when a machine's clock is set (A-FAULT-5).
    pub fn step_back(&self, by: Duration) {
        self.set(self.now().before(by));
    }
}

impl Default for FixedClock {
    /// Shows 2023-11-14T22:13:20Z: 1,700,000,000 seconds since the epoch.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_700_000_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }
}
