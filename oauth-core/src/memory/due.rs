//! What is due when: a purge asks for what is due by now, and looks at little else.

use std::mem;
use std::time::Duration;

use crate::id::GrantId;
use crate::time::Timestamp;

/// Grants, each under a moment. Entering one appends to a list, and most of what a purge does not take it does not touch: a radix heap.
///
/// A list holds the moments whose difference to `floor` (exclusive or) has the same highest bit. So all that lies in a list before that of
/// some moment is earlier than it, and all that lies in a list after it is later.
#[derive(Default)]
pub(super) struct Queue {
    /// What was due before was taken out.
    floor: Timestamp,
    lists: Vec<Vec<Ticket>>,
}

/// That a grant is to be looked at once a moment is past.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    pub(super) at: Timestamp,
    pub(super) id: GrantId,
}

/// By how much clocks may go back before everything is put in order anew.
const MOST_BACK: Duration = Duration::from_secs(3600);

impl Queue {
    pub(super) fn enter(&mut self, ticket: Ticket) {
        let list = self.list(ticket.at);
        if list >= self.lists.len() {
            self.lists.resize_with(list + 1, Vec::new);
        }
        self.lists[list].push(ticket);
    }

    /// Takes out what is due before then.
    pub(super) fn take(&mut self, before: Timestamp) -> Vec<Ticket> {
        if self.floor > before + MOST_BACK {
            // A clock was far ahead, and all that was entered since is in the first list.
            let all: Vec<_> = mem::take(&mut self.lists).into_iter().flatten().collect();
            self.floor = before;
            all.into_iter().for_each(|ticket| self.enter(ticket));
        }
        let reached = self.list(before);
        let near: Vec<_> = self.lists.iter_mut().take(reached + 1).map(mem::take).collect();
        self.floor = self.floor.max(before);
        let (due, later) = near.into_iter().flatten().partition(|ticket| ticket.at < before);
        let later: Vec<_> = later;
        // Nearer to the floor than before: after as many times as a time has bits it is due.
        later.into_iter().for_each(|ticket| self.enter(ticket));
        due
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Of what is past, whenever, the first.
    fn list(&self, at: Timestamp) -> usize {
        let apart = at.max(self.floor).as_millis() ^ self.floor.as_millis();
        (u64::BITS - apart.leading_zeros()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_was_far_ahead_does_not_crowd_one_list_for_ever() {
        let now = Timestamp::from_secs(1_800_000_000);
        let mut queue = Queue::default();
        queue.take(Timestamp::MAX);
        for hours in 1..100 {
            queue.enter(Ticket {
                at: now + Duration::from_secs(hours * 3600),
                id: GrantId::generate(&OsEntropy),
            });
        }
        assert!(queue.take(now).is_empty());
        assert_eq!((queue.lists[0].len(), queue.len()), (0, 99));
    }

    proptest! {
        #[test]
        fn what_is_due_is_taken_once_and_nothing_else(
            acts in proptest::collection::vec((any::<bool>(), 0_u64..3000), 1..200),
            // Milliseconds, or hours: some clocks go back by more than others.
            unit in prop_oneof![Just(1), Just(1_000_000)],
        ) {
            let (mut queue, mut kept) = (Queue::default(), Vec::new());
            for (enters, at) in acts {
                let at = Timestamp::from_millis(at * unit);
                if enters {
                    let id = GrantId::generate(&OsEntropy);
                    queue.enter(Ticket { at, id });
                    kept.push((at, id));
                } else {
                    let mut taken: Vec<_> = queue.take(at).iter().map(|ticket| (ticket.at, ticket.id)).collect();
                    let mut due: Vec<_> = kept.extract_if(.., |(due, _)| *due < at).collect();
                    taken.sort_unstable();
                    due.sort_unstable();
                    prop_assert_eq!(taken, due);
                }
                prop_assert_eq!(queue.len(), kept.len());
            }
        }
    }
}
