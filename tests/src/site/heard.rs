//! The audit, as text.

use std::sync::{Arc, Mutex, PoisonError};

use oauth_core::{Event, EventSink};

/// Keeps every event as its line. Cloning shares it.
///
/// ```
/// use oauth_core::{Event, EventKind, EventSink as _, Timestamp};
/// use oauth_testing::Heard;
///
/// let heard = Heard::default();
/// heard.clone().record(&Event::new(EventKind::SignedIn, Timestamp::from_secs(1)));
/// assert_eq!(heard.all(), ["signed_in"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// All lines so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl EventSink for Heard {
    fn record(&self, event: &Event<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_string());
    }
}
