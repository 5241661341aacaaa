//! Tokens of upstream servers, sealed.

use async_trait::async_trait;

use crate::id::{ProviderId, Subject};
use crate::store::error::StoreError;

/// Keeps what was sealed elsewhere: the store never sees an upstream token in clear (UP-10).
///
/// A whole implementation, for one process:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Mutex, MutexGuard, PoisonError};
/// use oauth_core::{StoreError, Vault, VaultKey, async_trait};
///
/// #[derive(Default)]
/// struct Sealed(Mutex<HashMap<VaultKey, Vec<u8>>>);
///
/// impl Sealed {
///     fn all(&self) -> MutexGuard<'_, HashMap<VaultKey, Vec<u8>>> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// #[async_trait]
/// impl Vault for Sealed {
///     async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
///         self.all().insert(key.clone(), sealed.to_vec());
///         Ok(())
///     }
///     async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
///         Ok(self.all().get(key).cloned())
///     }
///     async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
///         Ok(self.all().remove(key).is_some())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let vault = Sealed::default();
/// let key = VaultKey { subject: "alice".parse()?, provider: "github".parse()? };
/// vault.put(&key, b"sealed elsewhere").await?;
/// assert_eq!(vault.get(&key).await?.as_deref(), Some(&b"sealed elsewhere"[..]));
/// assert!(vault.forget(&key).await? && vault.get(&key).await?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
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
