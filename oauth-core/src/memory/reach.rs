//! What many grants and credentials have in common, kept once in a shard.

use std::collections::HashSet;
use std::sync::Arc;

use crate::resource::ResourceSet;
use crate::scope::ScopeSet;

/// What a grant or a credential reaches. A server hands out a few of these, over and over.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Reach {
    pub(super) scopes: ScopeSet,
    pub(super) resources: ResourceSet,
}

/// The reaches of a shard. Not of all shards: cores that work on several would wait for each other at the counters of a few texts.
#[derive(Default)]
pub(super) struct Reaches(HashSet<Arc<Reach>>);

impl Reaches {
    /// The kept copy of a reach.
    pub(super) fn enter(&mut self, scopes: &ScopeSet, resources: &ResourceSet) -> Arc<Reach> {
        let reach = Reach { scopes: scopes.clone(), resources: resources.clone() };
        if let Some(kept) = self.0.get(&reach) {
            return kept.clone();
        }
        let kept = Arc::new(reach);
        self.0.insert(kept.clone());
        kept
    }

    /// Forgets those that nothing has any more.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|reach| Arc::strong_count(reach) > 1);
        self.0.shrink_to_fit();
    }
}
