//! How often the endpoint is asked about tokens that it never called active.
//!
//! Whoever can send a request can send a token that nobody knows, another one each time, and each is one more question to the authorization
//! server. So those are counted:
//!
//! 1. A token takes a turn before it is asked about, unless the endpoint has called it active before.
//! 2. If it is active, the turn is given back: however many users come after a start, they are asked about as fast as the endpoint answers.
//! 3. Without a turn it is not asked about, and the caller is told to come again. A token of which nobody knows whether it is good is never
//!    refused: its client would throw it away.
//! 4. Who comes from a network that has just sent many tokens that nobody knows may use turns only while more than half of them are left, and
//!    few at a time: a flood from some networks stands in the way of nobody else.
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
const OF_NETWORK: Quota = Quota::new(100, Duration::from_secs(60));

/// How many of all the networks of a site. Who has an IPv6 /48 has 65,536 networks, and moving about among them would never be one that sends
/// many.
const OF_SITE: Quota = Quota::new(400, Duration::from_secs(60));

/// Of how many networks and sites it is known.
const SOURCES: usize = 4096;

/// How many turns are under way at a time for all who send many: so many of the fetcher's lanes are theirs, however slow the endpoint.
const AT_A_TIME: u32 = 2;

/// After how long to ask again while those are under way.
const SOON: Duration = Duration::from_secs(1);

/// The turns that there are.
pub(super) struct Unknown {
    all: Quota,
    /// What those may use who send many.
    common: Quota,
    state: Mutex<State>,
}

struct State {
    whole_at: Option<Timestamp>,
    sources: Cache<Counted, Timestamp>,
    /// Turns of those who send many.
    under_way: u32,
}

/// Whom unknown tokens are counted for. A network may be written as its site is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Network(SourceNetwork),
    Site(SourceNetwork),
}

impl Counted {
    fn of(source: SourceNetwork) -> [(Self, Quota); 2] {
        [(Self::Network(source), OF_NETWORK), (Self::Site(source.site()), OF_SITE)]
    }
}

impl State {
    /// Whether it has sent many that nobody knew.
    fn sends_many(&self, source: SourceNetwork, now: Timestamp) -> bool {
        Counted::of(source).iter().any(|(counted, quota)| {
            let (_, verdict) = quota.admit(self.known(counted, quota, now), now);
            verdict != Verdict::Allowed
        })
    }

    /// A time beyond what can be is one from before the clock was set back.
    fn known(&self, counted: &Counted, quota: &Quota, now: Timestamp) -> Option<Timestamp> {
        self.sources.get(counted).copied().filter(|whole_at| *whole_at <= now + quota.per)
    }

    fn count(&mut self, source: SourceNetwork, now: Timestamp) {
        for (counted, quota) in Counted::of(source) {
            let (next, _) = quota.admit(self.known(&counted, &quota, now), now);
            self.sources.insert(counted, next);
        }
    }
}

impl Unknown {
    pub(super) fn new(all: Quota) -> Self {
        let half = all.burst.div_ceil(2);
        let common = Quota::new(half, all.per / all.burst.max(1) * half);
        let state = State { whole_at: None, sources: Cache::new(SOURCES), under_way: 0 };
        Self { all, common, state: Mutex::new(state) }
    }

    /// A turn for who came from `source`, or after how long there may be one again.
    pub(super) fn turn(&self, source: Option<SourceNetwork>, now: Timestamp) -> Result<Turn<'_>, Duration> {
        let mut state = self.lock();
        let sends_many = source.is_some_and(|source| state.sends_many(source, now));
        if sends_many && state.under_way >= AT_A_TIME {
            return Err(SOON);
        }
        // Whoever takes one, they are the same turns.
        let quota = if sends_many { self.common } else { self.all };
        let (next, verdict) = quota.admit(state.whole_at, now);
        match verdict {
            Verdict::Allowed => {
                state.whole_at = Some(next);
                state.under_way += u32::from(sends_many);
                Ok(Turn { of: self, source, sends_many, taken: now })
            }
            // It is theirs again once half of the turns are, and that time is no other for it.
            Verdict::Limited { retry_after } if sends_many => {
                let half = state.whole_at.map_or(Duration::ZERO, |whole_at| whole_at.since(now + quota.per));
                Err(retry_after.max(half))
            }
            Verdict::Limited { retry_after } => {
                state.whole_at = Some(next);
                Err(retry_after)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that was taken. One that is dropped stays so, and its token counts as unknown: the endpoint may have been asked, and who goes away
/// before the answer has sent it all the same.
#[must_use = "a turn counts unless it is given back"]
pub(super) struct Turn<'a> {
    of: &'a Unknown,
    /// For whom the token counts as unknown.
    source: Option<SourceNetwork>,
    sends_many: bool,
    taken: Timestamp,
}

impl Turn<'_> {
    /// The token was good.
    pub(super) fn give_back(mut self) {
        self.source = None;
        let Quota { burst, per } = self.of.all;
        let step = (per / burst.max(1)).max(Duration::from_millis(1));
        let mut state = self.of.lock();
        state.whole_at = state.whole_at.map(|whole_at| whole_at.before(step));
    }

    /// The endpoint was asked and is down: that says nothing of the token.
    pub(super) fn keep(mut self) {
        self.source = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.under_way -= u32::from(self.sends_many);
        if let Some(source) = self.source {
            state.count(source, self.taken);
        }
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

    fn of(last: u8) -> Option<SourceNetwork> {
        Some(SourceNetwork::of([192, 0, 2, last].into()))
    }

    fn flood(unknown: &Unknown, source: Option<SourceNetwork>, now: Timestamp) -> usize {
        (0..2000).filter(|_| unknown.turn(source, now).map(drop).is_ok()).count()
    }

    #[test]
    fn who_sends_many_that_nobody_knows_leaves_half_to_others() {
        // A-INTRO-3
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        assert_eq!(flood(&unknown, of(1), NOW), 500);
        // Two hundred a second come again, and are there for whoever asks; half of them stay for others.
        let later = NOW + Duration::from_secs(1);
        assert_eq!(flood(&unknown, of(1), later), 200);
        assert_eq!(unknown.turn(of(1), later).err(), Some(Duration::from_millis(5)));
        let others = (2..=21).map(|last| flood(&unknown, of(last), later));
        assert_eq!(others.collect::<Vec<_>>(), [[100; 5].as_slice(), &[0; 15]].concat());
        assert_eq!(unknown.turn(of(1), later).err(), Some(Duration::from_millis(2500)));
        // Nobody knows who it is: as those of whom nothing is known.
        assert_eq!(flood(&unknown, None, NOW + Duration::from_secs(6)), 1000);
        // It is forgotten in a minute.
        let later = NOW + Duration::from_secs(120);
        for _ in 0..500 {
            drop(unknown.turn(None, later).unwrap());
        }
        assert_eq!(flood(&unknown, of(1), later), 100);
    }

    #[test]
    fn a_network_of_many_users_is_none_that_sends_many() {
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        // One after the other, and all at the same time.
        for _ in 0..5000 {
            unknown.turn(of(1), NOW).unwrap().give_back();
        }
        let turns: Vec<Turn<'_>> = (0..1000).map(|_| unknown.turn(of(1), NOW).unwrap()).collect();
        turns.into_iter().for_each(Turn::give_back);
        // Nor is one that came while the endpoint was down.
        let turns: Vec<Turn<'_>> = (0..500).map(|_| unknown.turn(of(1), NOW).unwrap()).collect();
        turns.into_iter().for_each(Turn::keep);
        assert_eq!(flood(&unknown, of(1), NOW), 100);
        assert_eq!(flood(&unknown, None, NOW), 400, "an outage keeps its turns");
    }

    #[test]
    fn a_good_token_takes_back_nothing_of_what_others_of_its_network_sent() {
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        let taken = |now| (0..2000).filter(|_| unknown.turn(of(1), now).map(drop).is_ok()).count();
        assert_eq!(taken(NOW), 500);
        let later = NOW + Duration::from_secs(5);
        for _ in 0..1000 {
            unknown.turn(of(1), later).unwrap().give_back();
        }
        for _ in 0..500 {
            drop(unknown.turn(None, later).unwrap());
        }
        assert_eq!(taken(later), 8, "five seconds of a hundred a minute");
    }

    #[test]
    fn who_sends_many_has_few_under_way() {
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        let first: Vec<Turn<'_>> = (0..100).map(|_| unknown.turn(of(1), NOW).unwrap()).collect();
        drop(first);
        let slow = [unknown.turn(of(1), NOW).unwrap(), unknown.turn(of(1), NOW).unwrap()];
        assert_eq!(unknown.turn(of(1), NOW).err(), Some(SOON));
        unknown.turn(of(2), NOW).unwrap().give_back();
        drop(slow);
        unknown.turn(of(1), NOW).unwrap().give_back();
        unknown.turn(of(1), NOW).unwrap().keep();
        assert!(unknown.turn(of(1), NOW).is_ok());
    }

    #[test]
    fn who_moves_about_a_site_is_one_sender() {
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(5)));
        let of = |site: u16, number: u16| {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, site, number, 0, 0, 0, 1);
            Some(SourceNetwork::of(address.into()))
        };
        let got = |site, number| unknown.turn(of(site, number), NOW).map(drop).is_ok();
        let moving = [0, 1, 2].map(|site| (0..2000).filter(|number| got(site, *number)).count());
        assert_eq!(moving, [500, 400, 100]);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_no_network_out() {
        let unknown = Unknown::new(Quota::new(1000, Duration::from_secs(10)));
        assert_eq!((flood(&unknown, of(1), NOW), flood(&unknown, None, NOW)), (500, 500));
        let before = NOW.before(Duration::from_secs(86_400));
        assert_eq!((flood(&unknown, of(1), before), flood(&unknown, None, before)), (0, 0));
        // Five seconds later there are five hundred again, and nothing is known of anybody.
        assert_eq!(flood(&unknown, of(1), before + Duration::from_secs(5)), 100);
    }
}
