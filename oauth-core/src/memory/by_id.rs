//! Maps by grants' identifiers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::id::GrantId;

pub(super) type ById<T> = HashMap<GrantId, T, BuildHasherDefault<IdHasher>>;

/// Hashes identifiers, which are random already: no key is needed to spread them.
///
/// Nobody makes such a map slow from outside. What is *in* it got its identifier from this server's own chance. A stranger chooses what is
/// *looked up*, and that walks at most past those identifiers that happen to lie together.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        // A shard's identifiers begin alike, so all bits have a part in all others: the map looks at the first and the last of them.
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            let word = self.0 ^ u64::from_le_bytes(*word);
            let high = (u128::from(word) * u128::from(ODD)) >> 64;
            self.0 = word.wrapping_mul(ODD) ^ high as u64;
        }
    }

    // All are of one length.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn identifiers_that_differ_in_a_few_bits_are_spread_too() {
        let hash = |id: &GrantId| BuildHasherDefault::<IdHasher>::default().hash_one(id);
        for byte in 0..16 {
            let ids = (0..=255).map(|value| {
                let mut bytes = [7; 16];
                bytes[byte] = value;
                hash(&GrantId::from_bytes(bytes))
            });
            let (low, high): (HashSet<_>, HashSet<_>) = ids.map(|hash| (hash & 0xff, hash >> 57)).unzip();
            // Of 256 throws into 256 places some 162 are hit, into 128 some 111.
            assert!(low.len() > 120 && high.len() > 80, "byte {byte}: {} and {}", low.len(), high.len());
        }
    }
}
