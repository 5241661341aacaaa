//! Outages are told to the operator once a second, however many requests meet them: a flood is no flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};

use oauth_core::Timestamp;

/// In which second an outage was last told.
pub(crate) struct Outages(AtomicU64);

impl Outages {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    /// Whether this one is to be told. Others are for who looks closely.
    pub(crate) fn is_news(&self, now: Timestamp) -> bool {
        self.0.swap(now.as_secs(), Ordering::Relaxed) != now.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_outage_is_told_once_a_second() {
        let outages = Outages::new();
        let second = |at: u64| Timestamp::from_secs(1_700_000_000) + Duration::from_millis(at);
        let told = (0..5000).filter(|at| outages.is_news(second(*at))).count();
        assert_eq!(told, 5);
        assert!(outages.is_news(second(0)), "a clock that was set back");
    }
}
