//! Where random bytes come from.

/// A source of unpredictable bytes. Every identifier and secret of the family is drawn from one.
///
/// ```
/// use oauth_core::{Entropy, OsEntropy};
///
/// let (mut a, mut b) = ([0; 32], [0; 32]);
/// OsEntropy.fill(&mut a);
/// OsEntropy.fill(&mut b);
/// assert_ne!(a, b);
/// ```
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` from a cryptographically secure generator.
    ///
    /// An implementation that cannot must panic: a predictable secret is worse than a dead request.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
///
/// ```
/// use oauth_core::{OsEntropy, random};
/// assert_ne!(random::<16>(&OsEntropy), [0; 16]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Once seeded, which is long before any server starts, the generator of a supported system does not fail.
        getrandom::fill(bytes).expect("the operating system has a random generator");
    }
}

/// `N` random bytes.
///
/// ```
/// use oauth_core::{OsEntropy, random};
/// assert_eq!(random::<32>(&OsEntropy).len(), 32);
/// ```
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
