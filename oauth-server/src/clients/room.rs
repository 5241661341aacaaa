//! Room in a full table of clients: looked for now and then, not by each who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oauth_core::{ClientStore, StoreError, Timestamp};

/// How long after a look for room there is none again: a flood at a full table must not make the store go through it at each request. Who
/// comes within this time is refused, or was known before.
const PAUSE: Duration = Duration::from_secs(10);

/// That nobody has looked yet.
const NEVER: u64 = u64::MAX;

/// When this process last looked for room.
pub(super) struct Room(AtomicU64);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicU64::new(NEVER))
    }
}

impl Room {
    /// Forgets the clients that have ended, unless that was done a moment ago. Whether it was done now.
    pub(super) async fn make(&self, clients: &dyn ClientStore, now: Timestamp) -> Result<bool, StoreError> {
        if !self.is_due(now) {
            return Ok(false);
        }
        clients.purge(now).await?;
        Ok(true)
    }

    /// Of all who ask at once it is due for one.
    fn is_due(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let now = now.as_millis();
        // After the clock was set back, what was last is yet to come, and does not count.
        let is_recent = last <= now && u128::from(now - last) < PAUSE.as_millis();
        !is_recent && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_in_a_while_whatever_the_clock_does() {
        // DCR-10, LIM-4
        let room = Room::default();
        let at = |secs: u64| Timestamp::from_secs(1_700_000_000 + secs);
        for (now, due) in
            [(100, true), (100, false), (109, false), (110, true), (119, false), (50, true), (59, false)]
        {
            assert_eq!(room.is_due(at(now)), due, "{now}");
        }
    }
}
