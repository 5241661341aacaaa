//! What a store promises of what it acknowledged, and what was found of it.

use std::fmt;

#[cfg(doc)]
use super::history::Outcome;

/// What an engine promises of what it acknowledged.
///
/// ```
/// use oauth_stores::testing::Promise;
/// assert_ne!(Promise::Keeps, Promise::MayForget);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What was acknowledged is there: a loss is a violation.
    Keeps,
    /// The last of it may be lost, as when a replica takes over that had not heard of it: losses are counted, and what survives is
    /// held to everything else.
    MayForget,
}

/// What the checker found.
///
/// ```
/// use oauth_stores::testing::Verdict;
/// let verdict = Verdict::default();
/// assert!(verdict.violations.is_empty());
/// assert!(verdict.to_string().contains("0 exchanges"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Grants that were opened, acknowledged.
    pub opened: usize,
    /// Exchanges that were asked for.
    pub exchanges: usize,
    /// Of these, [`Outcome::Done`].
    pub done: usize,
    /// [`Outcome::Retried`].
    pub retried: usize,
    /// [`Outcome::Replayed`].
    pub replayed: usize,
    /// [`Outcome::Gone`].
    pub gone: usize,
    /// [`Outcome::Unavailable`]: said to be an outage.
    pub unavailable: usize,
    /// Nobody lived to hear the answer.
    pub unheard: usize,
    /// Revocations that were acknowledged.
    pub revoked: usize,
    /// Of those without an acknowledgement, how many the store had done all the same.
    pub done_unheard: usize,
    /// Acknowledged and not there, where that [may be](Promise::MayForget).
    pub lost: usize,
    /// What broke a promise.
    pub violations: Vec<String>,
}

impl Verdict {
    /// # Panics
    /// If a promise was broken.
    pub fn assert_sound(&self) {
        assert!(
            self.violations.is_empty(),
            "{self}\n{:#?}",
            &self.violations[..self.violations.len().min(10)]
        );
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, exchanges, done, retried, replayed, gone, unavailable, unheard, revoked, .. } =
            self;
        write!(
            f,
            "{opened} grants, {exchanges} exchanges ({done} done, {retried} retried, {replayed} replayed, {gone} gone, {unavailable} \
             unavailable, {unheard} unheard), {revoked} revoked, {} done though nobody heard, {} lost, {} violations",
            self.done_unheard,
            self.lost,
            self.violations.len()
        )
    }
}
