//! Tokens of upstream servers, sealed.

use async_trait::async_trait;

use crate::id::{ProviderId, Subject};
use crate::store::error::StoreError;

/// Keeps what was sealed elsewhere: the store never sees an upstream token in clear (UP-10).
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Keeps `sealed` in place of what was there. Atomic; the last writer wins.
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError>;

    /// What is kept.
    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Forgets it. Whether there was something.
    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError>;
}

/// Whose tokens, at which provider.
///
/// ```
/// use oauth_core::VaultKey;
/// let key = VaultKey { subject: "alice".parse()?, provider: "github".parse()? };
/// assert_eq!(key.provider.as_str(), "github");
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultKey {
    /// Whose.
    pub subject: Subject,
    /// At which provider.
    pub provider: ProviderId,
}
