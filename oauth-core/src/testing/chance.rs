//! Chance that falls the same way every time.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::entropy::Entropy;

/// Bytes that look random, differ from call to call, and are the same in every run: for tests alone, whoever knows the seed
/// knows every secret.
///
/// ```
/// use oauth_core::random;
/// use oauth_core::testing::SeededEntropy;
///
/// let (one, same) = (SeededEntropy::new(7), SeededEntropy::new(7));
/// let first = random::<32>(&one);
/// assert_eq!(random::<32>(&same), first);
/// assert_ne!(random::<32>(&one), first);
/// ```
#[derive(Debug, Default)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// The chance that `seed` stands for.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(32) {
            let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(drawn.to_be_bytes())
                .finalize();
            piece.copy_from_slice(&block[..piece.len()]);
        }
    }
}
