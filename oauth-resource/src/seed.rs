//! The inner service of one that hands it on with a request whose body is still to be read.

use std::sync::{Mutex, OnceLock, PoisonError};

/// Where another inner service comes from if the one that is polled has left. Made when the first one leaves: no clone is made that nobody
/// calls, and most hosts, which clone a service for each request, never need one.
pub(crate) struct Seed<S>(OnceLock<Mutex<S>>);

impl<S> Default for Seed<S> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<S: Clone> Seed<S> {
    /// The one that is polled.
    pub(crate) fn of<'a>(&self, polled: &'a mut Option<S>) -> &'a mut S {
        polled.get_or_insert_with(|| {
            let seed = self.0.get().expect("whoever took the service left a seed");
            seed.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// The one that is ready, to go with a request.
    pub(crate) fn take(&self, polled: &mut Option<S>) -> S {
        self.of(polled);
        let ready = polled.take().expect("it was put there if it was not");
        self.0.get_or_init(|| Mutex::new(ready.clone()));
        ready
    }
}
