//! Keys that servers over one store share.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Keeps keys, so that what one server sealed or signed another opens and verifies (KEY-7).
///
/// The material is as secret as the store's file: whoever reads it can forge. Restrict who may.
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read.
///
/// ```
/// use oauth_core::{KeyPurpose, OsEntropy, StoredKey, Stores, Timestamp, random};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let keys = Stores::memory().keys;
/// let candidate = || StoredKey::new("1", KeyPurpose::Seal, "A256GCM", random::<32>(&OsEntropy).to_vec(), Timestamp::from_secs(1));
/// // Two servers start; both go on with one key.
/// let first = keys.first(&candidate()).await?;
/// let second = keys.first(&candidate()).await?;
/// assert_eq!(first.material, second.material);
/// assert_eq!(keys.keys(KeyPurpose::Seal).await?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// The keys of a purpose, newest first, retired ones included until they are removed.
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError>;

    /// Adds `candidate` if its purpose has no key yet, and returns the newest key there is afterwards.
    ///
    /// Atomic: of two servers that start at once, both go on with one key.
    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError>;

    /// Adds a key beside those that are there. A taken id is a [`StoreError::Conflict`].
    async fn add(&self, key: &StoredKey) -> Result<(), StoreError>;

    /// Marks a key as retired from `at`, earlier or later than what may be marked already: the last one counts. Whether there is such a key.
    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// Removes a key: what it made does not count any more. Whether there was one.
    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError>;
}

/// What a key is for. One key, one purpose (KEY-6).
///
/// ```
/// use oauth_core::KeyPurpose;
/// assert_eq!(KeyPurpose::Seal.as_str(), "seal");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyPurpose {
    /// Sealing tickets and nonces: 256 random bits.
    Seal,
    /// Signing tokens.
    Sign,
}

impl KeyPurpose {
    /// A stable name, for stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Sign => "sign",
        }
    }
}

/// A key with its material, which `Debug` does not show (KEY-4).
///
/// ```
/// use oauth_core::{KeyPurpose, StoredKey, Timestamp};
/// let key = StoredKey::new("1", KeyPurpose::Seal, "A256GCM", vec![7; 32], Timestamp::from_secs(1));
/// assert!(!format!("{key:?}").contains('7'));
/// ```
#[derive(Clone)]
pub struct StoredKey {
    /// Its identifier among the keys of its purpose.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// With which algorithm (`ES256`, `A256GCM`, …).
    pub algorithm: String,
    /// The secret bytes: raw for sealing, PKCS#8 for signing.
    pub material: Zeroizing<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when nothing new is made with it.
    pub retired_at: Option<Timestamp>,
}

impl StoredKey {
    /// A key in use.
    #[must_use]
    pub fn new(
        id: &str,
        purpose: KeyPurpose,
        algorithm: &str,
        material: Vec<u8>,
        created_at: Timestamp,
    ) -> Self {
        let material = Zeroizing::new(material);
        Self {
            id: id.to_owned(),
            purpose,
            algorithm: algorithm.to_owned(),
            material,
            created_at,
            retired_at: None,
        }
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}
