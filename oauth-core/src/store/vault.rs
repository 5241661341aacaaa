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
///     async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
///         let mut all = self.all();
///         let Some(kept) = all.get_mut(key).filter(|kept| *kept == read) else { return Ok(false) };
///         *kept = sealed.to_vec();
///         Ok(true)
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
/// assert!(vault.replace(&key, b"sealed elsewhere", b"sealed anew").await?);
/// assert!(!vault.replace(&key, b"sealed elsewhere", b"too late").await?);
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

    /// Keeps `sealed` in place of `read`, if that is still what is kept. Whether it was.
    ///
    /// Atomic: of two that read the same, one replaces it. So nobody who seals anew, or who renewed a token at its provider, puts back
    /// what another has replaced meanwhile. SQL: `UPDATE … WHERE sealed = …`.
    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError>;

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
