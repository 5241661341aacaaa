//! How long keys live.
//!
//! The server counts a key's lifetime from the moment of writing by its own clock; records end by the clock of whoever asks. So a
//! key gets what is left of its record, as the writer sees it, and [`MARGIN`] more:
//!
//! - A record is found for some time after its end, and can be refused for the right reason.
//! - Clocks may differ, and step back, by as much. Of what is forgotten after that nothing is revived: an unknown credential, session or
//!   client buys nothing. A key of the replay guard alone could be used again, by a server whose clock has gone back by more than
//!   the margin since.

use std::time::Duration;

use oauth_core::Timestamp;

/// For how much longer than its record a key lives.
pub(super) const MARGIN: Duration = Duration::from_secs(3600);

/// How long ago an entry of an index ended when somebody's clock strikes it out: longer than any server's clock is ahead, so that what is
/// live stays in it and a revocation by subject or client reaches it.
pub(super) const ENTRY_MARGIN: Duration = Duration::from_secs(86_400);

/// For how much longer than the grace window a sealed reply is kept: more than any two servers' clocks differ.
pub(super) const REPLY_MARGIN: Duration = Duration::from_secs(600);

/// What ends later than this is as good as without an end: a hundred years.
pub(super) const LONGEST: Duration = Duration::from_secs(3_155_760_000);

/// Up to here every number of milliseconds is exact where the server counts in floating point.
const EXACT: u64 = 1 << 53;

/// The lifetime, in milliseconds, of what is written at `now` and ends at `until`.
pub(super) fn lifetime(now: Timestamp, until: Timestamp) -> u64 {
    millis(until.since(now).min(LONGEST) + MARGIN)
}

/// The lifetime of a reply that may be asked for within `grace`.
pub(super) fn reply_lifetime(grace: Duration) -> u64 {
    millis(grace.min(LONGEST) + REPLY_MARGIN)
}

/// Where a member that ends at `until` stands in an index.
pub(super) fn score(until: Option<Timestamp>) -> u64 {
    until.map_or(EXACT, |until| until.as_millis().min(EXACT))
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_never_absolute_never_negative_and_never_too_long() {
        let now = Timestamp::from_secs(1_800_000_000);
        let hour = 3_600_000;
        for (until, expected) in [
            (now + Duration::from_secs(60), 60_000 + hour),
            (now, hour),
            (now.before(Duration::from_secs(86_400)), hour),
            (Timestamp::MAX, 3_155_760_000_000 + hour),
        ] {
            assert_eq!(lifetime(now, until), expected);
        }
        assert_eq!(score(Some(Timestamp::MAX)), EXACT);
    }
}
