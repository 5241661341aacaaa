//! Which grants a subject gave, and which a client holds; and what many grants have in common, kept once.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use crate::id::{ClientId, GrantId, Subject};
use crate::memory::lock;
use crate::resource::ResourceSet;
use crate::scope::ScopeSet;

/// What a grant or a credential reaches. A server hands out a few of these, over and over.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Reach {
    pub(super) scopes: ScopeSet,
    pub(super) resources: ResourceSet,
}

/// The ways to a grant other than by its identifier.
///
/// Its lock is taken while a shard's is held, never the other way round.
#[derive(Default)]
pub(super) struct Index {
    ways: Mutex<Ways>,
    reaches: Mutex<HashSet<Arc<Reach>>>,
}

// Ordered sets of pairs: pages come in order, and room is given back grant by grant.
#[derive(Default)]
struct Ways {
    by_subject: BTreeSet<(Subject, GrantId)>,
    by_client: BTreeSet<(ClientId, GrantId)>,
}

const FIRST: GrantId = GrantId::from_bytes([0; 16]);

fn ids<K: Ord + Clone>(
    ways: &BTreeSet<(K, GrantId)>,
    key: &K,
    after: Option<GrantId>,
) -> impl Iterator<Item = GrantId> {
    let start = (key.clone(), after.unwrap_or(FIRST));
    ways.range(start..)
        .take_while(move |(own, _)| own == key)
        .map(|(_, id)| *id)
        .filter(move |id| after != Some(*id))
}

/// The copy of `key` that is kept already, so that its text is kept once.
fn shared<K: Ord + Clone>(ways: &BTreeSet<(K, GrantId)>, key: &K) -> K {
    let near = ways.range((key.clone(), FIRST)..).next();
    near.map(|(kept, _)| kept).filter(|kept| *kept == key).unwrap_or(key).clone()
}

impl Index {
    /// Enters a grant, and gives back the kept copies of its subject and its client.
    pub(super) fn enter(&self, subject: &Subject, client: &ClientId, id: GrantId) -> (Subject, ClientId) {
        let mut ways = lock(&self.ways);
        let subject = shared(&ways.by_subject, subject);
        let client = shared(&ways.by_client, client);
        ways.by_subject.insert((subject.clone(), id));
        ways.by_client.insert((client.clone(), id));
        (subject, client)
    }

    /// Strikes a grant out.
    pub(super) fn strike(&self, subject: Subject, client: ClientId, id: GrantId) {
        let mut ways = lock(&self.ways);
        ways.by_subject.remove(&(subject, id));
        ways.by_client.remove(&(client, id));
    }

    /// At most `limit` grants of a subject, in order, from the one after `after` on.
    pub(super) fn of_subject(&self, subject: &Subject, after: Option<GrantId>, limit: usize) -> Vec<GrantId> {
        ids(&lock(&self.ways).by_subject, subject, after).take(limit).collect()
    }

    /// At most `limit` grants to a client, in order, from the one after `after` on.
    pub(super) fn of_client(&self, client: &ClientId, after: Option<GrantId>, limit: usize) -> Vec<GrantId> {
        ids(&lock(&self.ways).by_client, client, after).take(limit).collect()
    }

    /// How many grants a subject gave.
    pub(super) fn count_subject(&self, subject: &Subject) -> usize {
        ids(&lock(&self.ways).by_subject, subject, None).count()
    }

    /// How many grants a client holds.
    pub(super) fn count_client(&self, client: &ClientId) -> usize {
        ids(&lock(&self.ways).by_client, client, None).count()
    }

    /// The kept copy of a reach.
    pub(super) fn reach(&self, scopes: &ScopeSet, resources: &ResourceSet) -> Arc<Reach> {
        let reach = Reach { scopes: scopes.clone(), resources: resources.clone() };
        let mut reaches = lock(&self.reaches);
        if let Some(kept) = reaches.get(&reach) {
            return kept.clone();
        }
        let kept = Arc::new(reach);
        reaches.insert(kept.clone());
        kept
    }

    /// Forgets the reaches that nothing has any more.
    pub(super) fn tidy(&self) {
        let mut reaches = lock(&self.reaches);
        reaches.retain(|reach| Arc::strong_count(reach) > 1);
        reaches.shrink_to_fit();
    }
}
