//! How often the endpoint is asked about tokens that it never called active.
//!
//! Whoever can send a request can send a token that nobody knows, another one each time, and each is one more question to the authorization
//! server. So those are counted:
//!
//! 1. A token takes a turn before it is asked about, unless the endpoint has called it active before.
//! 2. If it is active, the turn is given back: however many users come after a start, they are asked about as fast as the endpoint answers.
//! 3. Without a turn it is not asked about, and the caller is told to come again. A token of which nobody knows whether it is good is never
//!    refused: its client would throw it away.
//!
//! One time is kept, however many tokens come.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oauth_core::{Quota, Timestamp, Verdict};

/// A thousand at once, and two hundred a second then: all who come after a start, and what an authorization server can bear. How many are
/// under way at a time is the fetcher's to limit ([in the examples](crate::IntrospectionVerifierBuilder::fetch)).
pub(super) const DEFAULT: Quota = Quota::new(1000, Duration::from_secs(5));

/// The turns that there are.
pub(super) struct Unknown {
    quota: Quota,
    whole_at: Mutex<Option<Timestamp>>,
}

impl Unknown {
    pub(super) const fn new(quota: Quota) -> Self {
        Self { quota, whole_at: Mutex::new(None) }
    }

    /// A turn, or after how long there may be one again.
    pub(super) fn turn(&self, now: Timestamp) -> Result<Turn<'_>, Duration> {
        let mut whole_at = self.lock();
        let (next, verdict) = self.quota.admit(*whole_at, now);
        *whole_at = Some(next);
        match verdict {
            Verdict::Allowed => Ok(Turn(self)),
            Verdict::Limited { retry_after } => Err(retry_after),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.whole_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that was taken. One that is dropped stays so: the endpoint may have been asked.
#[must_use = "a turn counts unless it is given back"]
pub(super) struct Turn<'a>(&'a Unknown);

impl Turn<'_> {
    /// The token was good.
    pub(super) fn give_back(self) {
        let Quota { burst, per } = self.0.quota;
        let step = (per / burst.max(1)).max(Duration::from_millis(1));
        let mut whole_at = self.0.lock();
        *whole_at = whole_at.map(|whole_at| whole_at.before(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn turns_come_again_with_time_and_by_being_given_back() {
        let unknown = Unknown::new(Quota::new(2, Duration::from_secs(2)));
        for _ in 0..100 {
            unknown.turn(NOW).unwrap().give_back();
        }
        drop((unknown.turn(NOW).unwrap(), unknown.turn(NOW).unwrap()));
        assert_eq!(unknown.turn(NOW).err(), Some(Duration::from_secs(1)));
        let later = NOW + Duration::from_secs(1);
        unknown.turn(later).unwrap().give_back();
        drop(unknown.turn(later).unwrap());
        assert!(unknown.turn(later).is_err());
        // Never more than there are, however long nobody came.
        let later = NOW + Duration::from_secs(3600);
        drop((unknown.turn(later).unwrap(), unknown.turn(later).unwrap()));
        assert!(unknown.turn(later).is_err());
        // Set back, the clock locks nobody out.
        let before = NOW.before(Duration::from_secs(3600));
        assert!(unknown.turn(before).is_err());
        assert!(unknown.turn(before + Duration::from_secs(2)).is_ok());
    }

    #[test]
    fn without_time_there_is_no_limit() {
        let unknown = Unknown::new(Quota::new(1, Duration::ZERO));
        for _ in 0..1000 {
            drop(unknown.turn(NOW).unwrap());
        }
    }
}
