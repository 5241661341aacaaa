//! What the documentation of `GrantStore` promises, as the smallest thing that can be written down.

use oauth_core::{CredentialKind, Timestamp};

use crate::act::{Instant, Name, grant};

/// What the grant was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Root {
    /// An authorization code: it has no grace window.
    Code,
    /// A refresh token.
    Refresh,
}

/// How many names there are, to depth 3.
const NAMES: usize = 40;

/// What is known of a refresh token or code, and of the access token of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Slot {
    pub(crate) issued: Option<Instant>,
    pub(crate) is_gone: bool,
    pub(crate) access_is_gone: bool,
    pub(crate) spent: Option<Spent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spent {
    pub(crate) at: Instant,
    pub(crate) by: usize,
    /// The store has met a time after the window: the reply may be gone.
    reply_may_be_gone: bool,
}

/// The answers of an exchange, without the reply's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// With the reply that was made for this caller's exchange.
    Retried(usize),
    Replayed,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) root: Root,
    pub(crate) slots: [Slot; NAMES],
    pub(crate) revoked: Option<Instant>,
    pub(crate) is_gone: bool,
}

/// Whether two callers ask for the same: the last one never does.
fn same_request(one: usize, other: usize) -> bool {
    let asks = |caller: usize| caller == crate::act::CALLERS - 1;
    asks(one) == asks(other)
}

impl Reference {
    pub(crate) fn new(root: Root) -> Self {
        let mut slots = [Slot::default(); NAMES];
        slots[0].issued = Some(Instant::default());
        Self { root, slots, revoked: None, is_gone: false }
    }

    pub(crate) fn slot(&self, name: Name) -> &Slot {
        &self.slots[usize::from(name.0)]
    }

    fn slot_mut(&mut self, name: Name) -> &mut Slot {
        &mut self.slots[usize::from(name.0)]
    }

    /// Whether `find` shows it.
    pub(crate) fn shows(&self, name: Name) -> bool {
        let slot = self.slot(name);
        !self.is_gone && slot.issued.is_some() && !slot.is_gone
    }

    /// Whether `find` shows the access token of that name.
    pub(crate) fn shows_access(&self, name: Name) -> bool {
        let slot = self.slot(name);
        !self.is_gone && slot.issued.is_some() && name != Name::ROOT && !slot.access_is_gone
    }

    /// What a server makes of the snapshot: whether it goes on to exchange.
    pub(crate) fn admits(&self, name: Name, now: Instant) -> bool {
        let slot = self.slot(name);
        let ends = slot.issued.map(|issued| issued.time() + name.life(self.root));
        let is_over = ends.is_none_or(|ends| now.time() >= ends) || now.time() >= grant().expires_at;
        self.shows(name) && self.revoked.is_none() && (slot.spent.is_some() || !is_over)
    }

    /// What an exchange may answer. More than one: where the documentation leaves it open.
    pub(crate) fn allowed(&self, name: Name, caller: usize, now: Instant) -> Vec<Answer> {
        if !self.shows(name) || self.revoked.is_some() {
            return vec![Answer::Gone];
        }
        let Some(spent) = self.slot(name).spent else { return vec![Answer::Done] };
        let has_grace = name.kind(self.root) == CredentialKind::RefreshToken;
        let successor = self.slot(name.successor(spent.by));
        let is_retry = has_grace
            && now.is_within_grace_of(spent.at)
            && same_request(caller, spent.by)
            && successor.spent.is_none();
        match is_retry {
            false => vec![Answer::Replayed],
            // In doubt a replay: a reply past any grace, a successor that may have been spent.
            true if spent.reply_may_be_gone || successor.is_gone => {
                vec![Answer::Retried(spent.by), Answer::Replayed]
            }
            true => vec![Answer::Retried(spent.by)],
        }
    }

    /// What it means that an exchange was answered so.
    pub(crate) fn exchanged(&mut self, name: Name, caller: usize, now: Instant, answer: Answer) {
        match answer {
            Answer::Done => {
                self.met(now);
                self.slot_mut(name).spent = Some(Spent { at: now, by: caller, reply_may_be_gone: false });
                self.slot_mut(name.successor(caller)).issued = Some(now);
            }
            Answer::Replayed => self.revoke(now),
            Answer::Retried(_) | Answer::Gone => {}
        }
    }

    pub(crate) fn revoke(&mut self, now: Instant) {
        if !self.is_gone {
            self.revoked.get_or_insert(now);
        }
    }

    pub(crate) fn purge(&mut self, before: Instant) {
        self.met(before);
        let over = |ends: Timestamp| ends < before.time();
        self.is_gone |= over(grant().expires_at) || self.revoked.is_some_and(|revoked| revoked < before);
        let root = self.root;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(issued) = slot.issued else { continue };
            let name = Name(at as u8);
            slot.is_gone |= over(issued.time() + name.life(root));
            slot.access_is_gone |= over(name.access(issued).expires_at);
        }
        let names = (0..NAMES as u8).map(Name);
        let is_empty = names.clone().all(|name| !self.shows(name) && !self.shows_access(name));
        self.is_gone |= is_empty;
    }

    /// The store has met this time.
    fn met(&mut self, time: Instant) {
        for spent in self.slots.iter_mut().filter_map(|slot| slot.spent.as_mut()) {
            spent.reply_may_be_gone |= time > spent.at && !time.is_within_grace_of(spent.at);
        }
    }
}
