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
//! 4. Half of the turns that are kept for many at once are for callers from networks that have not just sent many tokens nobody knows: whoever
//!    floods from a few of them stands in the way of nobody else.
//!
//! One time is kept, however many tokens come, and one for each of the last [`SOURCES`] networks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oauth_core::{Quota, SourceNetwork, Timestamp, Verdict};
use quick_cache::unsync::Cache;

/// A thousand at once, and two hundred a second then: all who come after a start, and what an authorization server can bear. How many are
/// under way at a time is the fetcher's to limit ([in the examples](crate::IntrospectionVerifierBuilder::fetch)).
pub(super) const DEFAULT: Quota = Quota::new(1000, Duration::from_secs(5));

/// How many of a network's tokens may be unknown before it is one that sends many. Behind one address there may be many users, whose tokens
/// come to an end as all do.
const FORGIVEN: Quota = Quota::new(100, Duration::from_secs(60));

/// Of how many networks it is known.
const SOURCES: usize = 4096;

/// The turns that there are.
pub(super) struct Unknown {
    all: Quota,
    /// What those may use who send many.
    common: Quota,
    state: Mutex<State>,
}

struct State {
    whole_at: Option<Timestamp>,
    sources: Cache<SourceNetwork, Timestamp>,
}

impl Unknown {
    pub(super) fn new(all: Quota) -> Self {
        let half = all.burst.div_ceil(2);
        let common = Quota::new(half, all.per / all.burst.max(1) * half);
        let state = State { whole_at: None, sources: Cache::new(SOURCES) };
        Self { all, common, state: Mutex::new(state) }
    }

    /// A turn for who came from `source`, or after how long there may be one again.
    pub(super) fn turn(&self, source: Option<SourceNetwork>, now: Timestamp) -> Result<Turn<'_>, Duration> {
        let mut state = self.lock();
        let sent = source.map(|source| FORGIVEN.admit(state.sources.get(&source).copied(), now));
        let sends_many = matches!(sent, Some((_, Verdict::Limited { .. })));
        // Whichever half it is of, they are the same turns: a clock that was set back is noticed for all.
        let whole_at = state.whole_at.map(|whole_at| whole_at.min(now + self.all.per));
        let quota = if sends_many { self.common } else { self.all };
        let (next, verdict) = quota.admit(whole_at, now);
        if let (Some(source), Some((next, _))) = (source, sent)
            && (sends_many || verdict == Verdict::Allowed)
        {
            state.sources.insert(source, next);
        }
        match verdict {
            Verdict::Allowed => {
                state.whole_at = Some(next);
                Ok(Turn { of: self, source })
            }
            Verdict::Limited { retry_after } => {
                state.whole_at = whole_at;
                Err(retry_after.max(whole_at.map_or(Duration::ZERO, |whole| whole.since(now + quota.per))))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that was taken. One that is dropped stays so: the endpoint may have been asked.
#[must_use = "a turn counts unless it is given back"]
pub(super) struct Turn<'a> {
    of: &'a Unknown,
    source: Option<SourceNetwork>,
}

impl Turn<'_> {
    /// The token was good.
    pub(super) fn give_back(self) {
        let mut state = self.of.lock();
        state.whole_at = state.whole_at.map(|whole_at| whole_at.before(step(self.of.all)));
        if let Some(source) = self.source
            && let Some(mut sent) = state.sources.get_mut(&source)
        {
            *sent = sent.before(step(FORGIVEN));
        }
    }
}

/// By how much one turn moves the time at which all are there again.
fn step(quota: Quota) -> Duration {
    (quota.per / quota.burst.max(1)).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn turns_come_again_with_time_and_by_being_given_back() {
        let unknown = Unknown::new(Quota::new(2, Duration::from_secs(2)));
        for _ in 0..100 {
            unknown.turn(None, NOW).unwrap().give_back();
        }
        drop((unknown.turn(None, NOW).unwrap(), unknown.turn(None, NOW).unwrap()));
        assert_eq!(unknown.turn(None, NOW).err(), Some(Duration::from_secs(1)));
        let later = NOW + Duration::from_secs(1);
        unknown.turn(None, later).unwrap().give_back();
        drop(unknown.turn(None, later).unwrap());
        assert!(unknown.turn(None, later).is_err());
        // Never more than there are, however long nobody came.
        let later = NOW + Duration::from_secs(3600);
        drop((unknown.turn(None, later).unwrap(), unknown.turn(None, later).unwrap()));
        assert!(unknown.turn(None, later).is_err());
        // Set back, the clock locks nobody out.
        let before = NOW.before(Duration::from_secs(3600));
        assert!(unknown.turn(None, before).is_err());
        assert!(unknown.turn(None, before + Duration::from_secs(2)).is_ok());
    }

    #[test]
    fn without_time_there_is_no_limit() {
        let unknown = Unknown::new(Quota::new(1, Duration::ZERO));
        for _ in 0..1000 {
            drop(unknown.turn(None, NOW).unwrap());
        }
    }

    #[test]
    fn who_sends_many_that_nobody_knows_leaves_half_to_others() {
        // A-INTRO-3
        let of = |last: u8| Some(SourceNetwork::of([192, 0, 2, last].into()));
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        let take = |source, now| unknown.turn(source, now).map(drop).is_ok();
        let flood = |now| (0..2000).filter(|_| take(of(1), now)).count();
        assert_eq!(flood(NOW), 500);
        // Two hundred a second come again, and are there for whoever asks; half of them stay for others.
        let later = NOW + Duration::from_secs(1);
        assert_eq!(flood(later), 200);
        let others =
            |now| (0..2000).filter(|number| take(of(2 + u8::try_from(number / 100).unwrap()), now)).count();
        assert_eq!(others(later), 500);
        assert_eq!(unknown.turn(of(1), later).err(), Some(Duration::from_millis(2500)));
        // Nobody knows who it is: as those of whom nothing is known.
        assert_eq!((0..2000).filter(|_| take(None, NOW + Duration::from_secs(6))).count(), 1000);
        // It is forgotten in a minute.
        let later = NOW + Duration::from_secs(120);
        assert_eq!(flood(later), 500);
    }

    #[test]
    fn a_network_of_many_users_is_none_that_sends_many() {
        let office = Some(SourceNetwork::of([192, 0, 2, 1].into()));
        let unknown = Unknown::new(Quota::new(10, Duration::from_secs(10)));
        for _ in 0..1000 {
            unknown.turn(office, NOW).unwrap().give_back();
        }
        assert_eq!((0..20).filter(|_| unknown.turn(office, NOW).map(drop).is_ok()).count(), 10);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_no_network_out() {
        let source = Some(SourceNetwork::of([192, 0, 2, 1].into()));
        let unknown = Unknown::new(Quota::new(400, Duration::from_secs(4)));
        let flood = |source, now| (0..1000).filter(|_| unknown.turn(source, now).map(drop).is_ok()).count();
        assert_eq!(flood(source, NOW), 200);
        assert_eq!(flood(None, NOW), 200);
        let before = NOW.before(Duration::from_secs(86_400));
        assert_eq!((flood(source, before), flood(None, before)), (0, 0));
        let later = before + Duration::from_secs(70);
        for _ in 0..200 {
            drop(unknown.turn(None, later).unwrap());
        }
        assert_eq!(flood(source, later), 100, "it is one of which nothing is known");
    }
}
