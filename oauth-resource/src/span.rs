//! For how long something counts that is remembered of a token.

use oauth_core::Timestamp;

/// From the moment on at which it was found out.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Span {
    /// A clock that is set back makes no short time a long one.
    pub(crate) fn holds(self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}
