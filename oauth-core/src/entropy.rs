//! Where random bytes come from.

use std::sync::Arc;

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
///
/// One source may be shared:
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::{Entropy, OsEntropy};
///
/// fn takes_a_source(_: impl Entropy) {}
/// let shared: Arc<dyn Entropy> = Arc::new(OsEntropy);
/// takes_a_source(shared.clone());
/// takes_a_source(Box::new(shared) as Box<dyn Entropy>);
/// ```
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` from a cryptographically secure generator.
    ///
    /// An implementation that cannot must panic: a predictable secret is worse than a dead request.
    fn fill(&self, bytes: &mut [u8]);
}

#[deny(clippy::missing_trait_methods)]
impl<E: Entropy + ?Sized> Entropy for Arc<E> {
    fn fill(&self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}

#[deny(clippy::missing_trait_methods)]
impl<E: Entropy + ?Sized> Entropy for Box<E> {
    fn fill(&self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
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
