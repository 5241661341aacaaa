//! One look at a secret after the other: who looks knows what came of every look before, however many arrive at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oauth_core::LimitKey;
use tokio::sync::OwnedMutexGuard;

/// The lines in which looks stand, by what is looked at.
#[derive(Default)]
pub(super) struct Looks(Arc<Mutex<HashMap<LimitKey, Line>>>);

#[derive(Default)]
struct Line {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Who looks and who waits.
    places: usize,
}

/// A place in a line: without a turn while it waits, with one until it is dropped. The last to leave takes the line away, so that there are
/// never more lines than requests.
pub(crate) struct Look {
    lines: Arc<Mutex<HashMap<LimitKey, Line>>>,
    key: LimitKey,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Looks {
    /// Waits until nobody else looks at what `key` names.
    pub(super) async fn next(&self, key: LimitKey) -> Look {
        let (mut look, turn) = self.place(key);
        look.turn = Some(turn.lock_owned().await);
        look
    }

    fn place(&self, key: LimitKey) -> (Look, Arc<tokio::sync::Mutex<()>>) {
        let mut lines = lock(&self.0);
        let line = lines.entry(key).or_default();
        line.places += 1;
        (Look { lines: self.0.clone(), key, turn: None }, line.turn.clone())
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        // Before the place: who finds no line begins a new one.
        self.turn = None;
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get_mut(&self.key) {
            line.places -= 1;
            if line.places == 0 {
                lines.remove(&self.key);
            }
        }
    }
}

/// Nothing under this lock can panic halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn lines_are_apart_and_leave_no_trace() {
        // LIM-2, CAUTH-18
        let looks = Looks::default();
        let (one, other) = (LimitKey::new("wrong-secret", "one"), LimitKey::new("wrong-secret", "other"));
        let first = looks.next(one).await;
        assert!(looks.next(one).now_or_never().is_none(), "one at a time");
        assert!(looks.next(other).now_or_never().is_some());
        // Who gave up waiting has left.
        assert_eq!(lock(&looks.0).len(), 1);
        drop(first);
        assert_eq!(lock(&looks.0).len(), 0);
        assert!(looks.next(one).now_or_never().is_some());
    }
}
