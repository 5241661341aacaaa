//! Tokens that were accepted, by a keyed hash, for a short time.
//!
//! The hash is POLYVAL (RFC 8452 §3) under a random key of this process: for an opaque token and for a JWT alike a tenth of what SHA-256
//! takes. Nobody without the key makes two tokens that meet: for a pair of texts that do not depend on the key the chance is their length in
//! blocks by 2^128. No tag is ever shown, so nobody learns anything of the key by trying.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use oauth_core::{Epoch, OsEntropy, Revocations, Timestamp, random};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash as _;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::authorized::Authorized;
use crate::bearer::recent::{self, CacheId};
use crate::span::Span;

/// How many accepted tokens are remembered unless it is said otherwise.
pub(crate) const DEFAULT_CAPACITY: usize = 10_000;
/// For how long unless it is said otherwise: a revocation in another process reaches this one as late as that.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(10);

/// How many bytes POLYVAL takes in one step: four blocks, for little more than one costs by itself.
const STEP: usize = 64;

type Entries = Cache<TokenTag, Entry, UnitWeighter, ByHash, DefaultLifecycle<TokenTag, Entry>>;

/// What a token is known by within this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenTag([u8; 16]);

/// Accepted tokens. Bounded in number and in time; what is revoked in this process counts no more at once.
pub(crate) struct Accepted {
    entries: Option<Entries>,
    capacity: usize,
    ttl: Duration,
    hash: Polyval,
    id: CacheId,
}

/// Somebody who was let in, and for how long that counts.
#[derive(Clone)]
pub(super) struct Entry {
    authorized: Authorized,
    fresh: Span,
    epoch: Epoch,
}

impl Entry {
    /// Who was let in, if that still counts.
    pub(super) fn authorized(&self, now: Timestamp, revocations: &Revocations) -> Option<&Authorized> {
        (self.fresh.holds(now) && revocations.is_current(self.epoch)).then_some(&self.authorized)
    }

    /// The same, in memory of its own.
    pub(super) fn copied(&self) -> Self {
        Self { authorized: self.authorized.copied(), ..*self }
    }
}

impl TokenTag {
    /// Where it belongs among so many places.
    pub(super) fn place(&self, places: usize) -> usize {
        usize::from(self.0[15]) % places
    }
}

impl Accepted {
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Self {
        let entries = (capacity > 0 && !ttl.is_zero()).then(|| {
            let options = OptionsBuilder::new()
                // Nothing is set aside for them: it grows as it fills. But by this number those are remembered that were put out, without
                // which a server that has seen many tokens keeps the dead ones and none of those that come again.
                .estimated_items_capacity(capacity)
                // A token is good for minutes: that it was asked for lately says more than how often it was, so half of the room is for
                // those that came last, and as many as there are entries are remembered that were put out.
                .hot_allocation(0.5)
                .ghost_allocation(1.0)
                .weight_capacity(capacity as u64)
                .build()
                .expect("both capacities are given");
            Cache::with_options(options, UnitWeighter, ByHash, DefaultLifecycle::default())
        });
        Self {
            entries,
            capacity,
            ttl,
            hash: Polyval::new(&random::<16>(&OsEntropy).into()),
            id: CacheId::next(),
        }
    }

    /// As large, for as long, with nothing in it.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.capacity, self.ttl)
    }

    /// What a token is known by.
    pub(crate) fn tag(&self, token: &[u8]) -> TokenTag {
        let mut hash = self.hash.clone();
        let (steps, rest) = token.as_chunks::<STEP>();
        hash.update_padded(steps.as_flattened());
        // What is left, zeros, and how long it all is: texts that differ in the zeros at their end are two.
        let mut last = [0; 2 * STEP];
        last[..rest.len()].copy_from_slice(rest);
        let length = (token.len() as u64).to_le_bytes();
        let end = if rest.len() + length.len() <= STEP { STEP } else { 2 * STEP };
        last[end - length.len()..end].copy_from_slice(&length);
        hash.update_padded(&last[..end]);
        TokenTag(hash.finalize().into())
    }

    /// What was accepted and still counts.
    pub(crate) fn get(
        &self,
        tag: &TokenTag,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Option<Authorized> {
        let entries = self.entries.as_ref()?;
        recent::get(self.id, tag, now, revocations).or_else(|| {
            let entry = entries.get(tag)?;
            recent::found(self.id, tag, &entry);
            entry.authorized(now, revocations).cloned()
        })
    }

    /// Remembers until `ends` or for the short time, whichever is less. `epoch` was read before the token was verified.
    pub(crate) fn put(
        &self,
        tag: TokenTag,
        authorized: Authorized,
        ends: Timestamp,
        epoch: Epoch,
        now: Timestamp,
    ) {
        if let Some(entries) = &self.entries {
            let fresh = Span { since: now, until: ends.min(now + self.ttl) };
            entries.insert(tag, Entry { authorized, fresh, epoch });
        }
    }

    /// Forgets a token that is not good any more.
    pub(crate) fn forget(&self, tag: &TokenTag) {
        if let Some(entries) = &self.entries {
            entries.remove(tag);
        }
    }
}

/// A tag's bytes are as good as a hash of them: nobody chooses them who does not have the key.
#[derive(Clone, Copy, Default)]
struct ByHash;

#[derive(Default)]
struct FirstBytes(u64);

impl BuildHasher for ByHash {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes::default()
    }
}

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length that precedes an array's bytes.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use oauth_core::{Claims, GrantId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn authorized(name: &str) -> Authorized {
        let (subject, client) = (name.parse().unwrap(), "app".parse().unwrap());
        Authorized::assertion(Claims::new("https://as.example", subject, client, Timestamp::MAX))
    }

    /// A cache with a token in it that this thread has a copy of.
    fn busy(revocations: &Revocations, grant: &GrantId) -> (Accepted, TokenTag) {
        let cache = Accepted::new(100, DEFAULT_TTL);
        let tag = cache.tag(b"token");
        cache.put(tag, authorized("alice"), Timestamp::MAX, revocations.epoch(Some(grant)), NOW);
        for _ in 0..3 {
            assert_eq!(cache.get(&tag, NOW, revocations).unwrap().subject().as_str(), "alice");
        }
        (cache, tag)
    }

    #[test]
    fn a_copy_counts_no_longer_than_what_it_is_a_copy_of() {
        // RS-71
        let (revocations, grant) = (Revocations::default(), GrantId::generate(&OsEntropy));
        let (cache, tag) = busy(&revocations, &grant);
        let last = NOW + (DEFAULT_TTL - Duration::from_secs(1));
        assert!(cache.get(&tag, last, &revocations).is_some());
        assert!(cache.get(&tag, NOW + DEFAULT_TTL, &revocations).is_none());
        assert!(cache.get(&tag, NOW.before(Duration::from_secs(1)), &revocations).is_none(), "set back");
        for _ in 0..3 {
            assert!(cache.get(&tag, NOW, &revocations).is_some());
        }
        revocations.announce(Some(&grant));
        assert!(cache.get(&tag, last, &revocations).is_none());
        // What takes its place counts, and is copied anew.
        cache.put(tag, authorized("alice"), Timestamp::MAX, revocations.epoch(Some(&grant)), NOW);
        for _ in 0..3 {
            assert!(cache.get(&tag, NOW, &revocations).is_some());
        }
        revocations.announce(None);
        assert!(cache.get(&tag, NOW, &revocations).is_none());
    }

    #[test]
    fn copies_of_one_cache_are_none_of_another() {
        let (revocations, grant) = (Revocations::default(), GrantId::generate(&OsEntropy));
        let (cache, tag) = busy(&revocations, &grant);
        let fresh = cache.fresh();
        assert!(fresh.get(&tag, NOW, &revocations).is_none());
        fresh.put(tag, authorized("bob"), Timestamp::MAX, revocations.epoch(None), NOW);
        for _ in 0..3 {
            assert_eq!(fresh.get(&tag, NOW, &revocations).unwrap().subject().as_str(), "bob");
            assert_eq!(cache.get(&tag, NOW, &revocations).unwrap().subject().as_str(), "alice");
        }
    }

    #[test]
    fn tags_tell_tokens_apart_and_are_of_one_cache() {
        let (one, other) = (Accepted::new(1, DEFAULT_TTL), Accepted::new(1, DEFAULT_TTL));
        assert!(one.tag(b"token") == one.tag(b"token"));
        for differs in [&b"token\0"[..], b"toke", b"Token", b"", b"token0123456789abcdef"] {
            assert!(one.tag(b"token") != one.tag(differs));
        }
        // Of every length around those that are taken at once, with zeros at either end, and with another last byte.
        let texts = (0..200).flat_map(|length| {
            let mut text = vec![0; length];
            let zeros = text.clone();
            if let Some(last) = text.last_mut() {
                *last = 1;
            }
            [zeros, text]
        });
        let tags: HashSet<TokenTag> = texts.map(|text| one.tag(&text)).collect();
        assert_eq!(tags.len(), 2 * 200 - 1, "all but the two that are empty");
        assert!(one.tag(b"token") != other.tag(b"token"));
    }

    #[test]
    fn nothing_is_remembered_where_nothing_shall_be() {
        let cache = Accepted::new(0, DEFAULT_TTL);
        let (tag, revocations) = (cache.tag(b"token"), Revocations::default());
        cache.put(tag, authorized("alice"), Timestamp::MAX, revocations.epoch(None), NOW);
        assert!(cache.get(&tag, NOW, &revocations).is_none());
    }
}
