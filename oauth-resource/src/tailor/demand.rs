//! What a tool found out that its caller needs.

use std::sync::{Arc, Mutex, PoisonError};

use oauth_core::ScopeSet;

/// Stands in the extensions of a request, for what is called to write into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand(Arc<Mutex<ScopeSet>>);

impl Demand {
    /// Adds scopes. What several calls of a batch ask for is told together (RS-22).
    #[cfg(any(feature = "rmcp", test))]
    pub(crate) fn add(&self, scopes: &ScopeSet) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.union(scopes);
    }

    pub(super) fn take(&self) -> ScopeSet {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
