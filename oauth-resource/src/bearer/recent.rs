//! Accepted tokens that come again and again, beside the thread that they come to.
//!
//! The table that all threads share is behind locks, and what it hands out is counted by all of them: two threads with one busy token wait for
//! each other more than they work. So each keeps a copy of its own of those few that it is asked for all the time. A copy counts exactly as
//! long as what it is a copy of.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use oauth_core::{Revocations, Timestamp};

use crate::authorized::Authorized;
use crate::bearer::cache::{Entry, TokenTag};

/// How many tokens a thread keeps copies of.
const SLOTS: usize = 64;

thread_local! {
    static RECENT: RefCell<[Slot; SLOTS]> = const { RefCell::new([const { Slot::EMPTY }; SLOTS]) };
}

/// What came to a place last, and a copy once it has come twice in a row: one among thousands is not worth copying.
struct Slot {
    of: Option<(CacheId, TokenTag)>,
    copy: Option<Entry>,
}

/// Which cache: a process may have several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheId(u64);

impl CacheId {
    /// One that no other cache has.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Slot {
    const EMPTY: Self = Self { of: None, copy: None };
}

/// The copy of this thread, if it has one that still counts.
pub(super) fn get(
    cache: CacheId,
    tag: &TokenTag,
    now: Timestamp,
    revocations: &Revocations,
) -> Option<Authorized> {
    at(tag, |slot| {
        if slot.of != Some((cache, *tag)) {
            return None;
        }
        let authorized = slot.copy.as_ref()?.authorized(now, revocations).cloned();
        if authorized.is_none() {
            slot.copy = None;
        }
        authorized
    })
}

/// What was found in the table for all.
pub(super) fn found(cache: CacheId, tag: &TokenTag, entry: &Entry) {
    at(tag, |slot| {
        if slot.of == Some((cache, *tag)) {
            slot.copy = Some(entry.copied());
        } else {
            *slot = Slot { of: Some((cache, *tag)), copy: None };
        }
        None
    });
}

fn at(tag: &TokenTag, act: impl FnOnce(&mut Slot) -> Option<Authorized>) -> Option<Authorized> {
    // A thread that ends has none any more.
    RECENT.try_with(|slots| act(&mut slots.borrow_mut()[tag.place(SLOTS)])).ok().flatten()
}
