//! Which grants of a shard a subject gave, and which a client holds.

use std::collections::{BTreeSet, HashMap, hash_map};
use std::hash::Hash;
use std::ops::Bound;

use crate::id::{ClientId, GrantId, Subject};
use crate::memory::is_roomy;

/// The ways to a grant other than by its identifier.
///
/// Grants that are gone are struck out many at a time: each by itself would be a walk through memory of its own. So whoever follows a way looks
/// whether the grant is there, and whose it is.
#[derive(Default)]
pub(super) struct Index {
    by_subject: HashMap<Subject, Ids>,
    by_client: HashMap<ClientId, Ids>,
    entered: usize,
}

/// Grants of one subject or client: most subjects have one, some clients all.
#[allow(clippy::box_collection, reason = "in place it would make room for itself where there is one")]
enum Ids {
    One(GrantId),
    // In order, for pages.
    Many(Box<BTreeSet<GrantId>>),
}

impl Index {
    /// Enters a grant, and gives back the kept copies of its subject and its client.
    pub(super) fn enter(&mut self, subject: &Subject, client: &ClientId, id: GrantId) -> (Subject, ClientId) {
        self.entered += 1;
        (enter(&mut self.by_subject, subject, id), enter(&mut self.by_client, client, id))
    }

    /// Those that were grants of a subject, in order, from the one after `after` on.
    pub(super) fn of_subject(
        &self,
        subject: &Subject,
        after: Option<GrantId>,
    ) -> impl Iterator<Item = GrantId> {
        self.by_subject.get(subject).into_iter().flat_map(move |ids| ids.after(after))
    }

    /// Those that were grants to a client, in order, from the one after `after` on.
    pub(super) fn of_client(
        &self,
        client: &ClientId,
        after: Option<GrantId>,
    ) -> impl Iterator<Item = GrantId> {
        self.by_client.get(client).into_iter().flat_map(move |ids| ids.after(after))
    }

    /// Strikes out what is not there any more, once that is more than the `left` that are.
    pub(super) fn tidy(&mut self, left: usize, is_there: impl Fn(&GrantId) -> bool) {
        if self.entered > 2 * left {
            strike(&mut self.by_subject, &is_there);
            strike(&mut self.by_client, &is_there);
            self.entered = left;
        }
    }
}

/// The copy of `key` that is kept, so that its text is kept once.
fn enter<K: Eq + Hash + Clone>(ways: &mut HashMap<K, Ids>, key: &K, id: GrantId) -> K {
    match ways.entry(key.clone()) {
        hash_map::Entry::Occupied(mut known) => {
            known.get_mut().add(id);
            known.key().clone()
        }
        hash_map::Entry::Vacant(new) => {
            let kept = new.key().clone();
            new.insert(Ids::One(id));
            kept
        }
    }
}

fn strike<K: Eq + Hash>(ways: &mut HashMap<K, Ids>, is_there: impl Fn(&GrantId) -> bool) {
    ways.retain(|_, ids| match ids {
        Ids::One(id) => is_there(id),
        Ids::Many(ids) => {
            ids.retain(&is_there);
            !ids.is_empty()
        }
    });
    if is_roomy(ways.len(), ways.capacity()) {
        ways.shrink_to_fit();
    }
}

impl Ids {
    fn add(&mut self, id: GrantId) {
        match self {
            Self::One(one) => *self = Self::Many(Box::new(BTreeSet::from([*one, id]))),
            Self::Many(ids) => {
                ids.insert(id);
            }
        }
    }

    fn after(&self, after: Option<GrantId>) -> impl Iterator<Item = GrantId> {
        let (one, many) = match self {
            Self::One(id) => (Some(id).filter(|id| after.is_none_or(|after| **id > after)), None),
            Self::Many(ids) => {
                (None, Some(ids.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))))
            }
        };
        one.into_iter().chain(many.into_iter().flatten()).copied()
    }
}
