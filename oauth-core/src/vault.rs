//! Upstream tokens, sealed before a store sees them and opened after it gave them back (UP-10).
//!
//! Each value is `1 ‖ length of the key's id ‖ id ‖ nonce ‖ AES-256-GCM`. The id, subject and provider are authenticated along: what somebody moves
//! to another row, or marks with another key, does not open.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, OsEntropy};
use crate::seal;
use crate::secret::Secret;
use crate::store::{StoreError, Vault, VaultKey};

const FORMAT: u8 = 1;
/// How often is tried again to replace what somebody else only seals anew.
const ATTEMPTS: usize = 8;
const LABEL: &[u8] = b"oauth vault v1";

/// The keys of a [`SealedVault`], from configuration, each with an id. The first seals; all open.
///
/// To rotate: put a new key before the old one, on all servers; once [`SealedVault::seal_anew`] has been asked of every place, or the old values are
/// of no use any more, take the old one away.
///
/// ```
/// use oauth_core::{Secret, VaultKeyring};
///
/// let keys = VaultKeyring::new("2026-11", &[7; 32])?.with_earlier("2025-11", &[3; 32])?;
/// assert_eq!(format!("{keys:?}"), r#"VaultKeyring(["2026-11", "2025-11"])"#);
///
/// // As it stands in a file or a variable of the environment: id and 32 bytes in base64url, the newest first.
/// let text = Secret::new("2026-11:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".into());
/// assert!(VaultKeyring::parse(&text).is_ok());
/// assert!(VaultKeyring::parse(&Secret::new("2026-11:short".into())).is_err());
/// # Ok::<(), oauth_core::VaultKeyringError>(())
/// ```
pub struct VaultKeyring {
    // the first seals
    keys: Vec<(Box<str>, Zeroizing<[u8; 32]>)>,
}

impl VaultKeyring {
    /// One key of 256 random bits. Its id is 1 to 64 letters, digits and `-_.`.
    ///
    /// # Errors
    /// [`VaultKeyringError::BadId`].
    pub fn new(id: &str, key: &[u8; 32]) -> Result<Self, VaultKeyringError> {
        Self { keys: Vec::new() }.with_earlier(id, key)
    }

    /// Also opens what was sealed with an earlier key.
    ///
    /// # Errors
    /// [`VaultKeyringError::BadId`], or [`VaultKeyringError::Twice`] if the id is taken.
    pub fn with_earlier(mut self, id: &str, key: &[u8; 32]) -> Result<Self, VaultKeyringError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(VaultKeyringError::BadId { id: id.into() });
        }
        if self.find(id.as_bytes()).is_some() {
            return Err(VaultKeyringError::Twice { id: id.into() });
        }
        self.keys.push((id.into(), Zeroizing::new(*key)));
        Ok(self)
    }

    /// Reads `id:key`, several separated by commas or white space: each key 32 bytes in base64url without padding.
    ///
    /// # Errors
    /// [`VaultKeyringError`] names the id, never the key.
    pub fn parse(text: &Secret) -> Result<Self, VaultKeyringError> {
        let mut keyring = Self { keys: Vec::new() };
        let words = text.expose().split(|c: char| c == ',' || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            let (id, key) = word.split_once(':').ok_or(VaultKeyringError::NoId)?;
            let mut bytes = Zeroizing::new([0; 32]);
            let length = URL_SAFE_NO_PAD.decode_slice(key, bytes.as_mut_slice());
            if !length.is_ok_and(|length| length == 32) {
                return Err(VaultKeyringError::BadKey { id: id.into() });
            }
            keyring = keyring.with_earlier(id, &bytes)?;
        }
        if keyring.keys.is_empty() { Err(VaultKeyringError::NoId) } else { Ok(keyring) }
    }

    fn find(&self, id: &[u8]) -> Option<&Zeroizing<[u8; 32]>> {
        self.keys.iter().find(|(own, _)| own.as_bytes() == id).map(|(_, key)| key)
    }

    fn seal(&self, place: &VaultKey, plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let (id, key) = &self.keys[0];
        let mut sealed = header(id.as_bytes());
        let body =
            seal::seal(&seal::derive(key.as_slice(), LABEL), &bound_to(&sealed, place), plain, entropy);
        sealed.extend_from_slice(&body);
        sealed
    }

    /// What was sealed, and whether with the newest key.
    fn open(&self, place: &VaultKey, sealed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, bool), VaultFault> {
        let (id, body) = split(sealed).ok_or(VaultFault::Damaged)?;
        let unknown = || VaultFault::UnknownKey { id: String::from_utf8_lossy(id).into() };
        let key = self.find(id).ok_or_else(unknown)?;
        let plain = seal::open(&seal::derive(key.as_slice(), LABEL), &bound_to(&header(id), place), body);
        let is_newest = self.keys[0].0.as_bytes() == id;
        plain.map(|plain| (Zeroizing::new(plain), is_newest)).ok_or(VaultFault::Damaged)
    }
}

fn header(id: &[u8]) -> Vec<u8> {
    // An id has at most 64 bytes.
    let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
    [&[FORMAT, length], id].concat()
}

fn split(sealed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = sealed.split_at_checked(2)?;
    let (id, body) = rest.split_at_checked(usize::from(head[1]))?;
    (head[0] == FORMAT).then_some((id, body))
}

/// What is authenticated along: no two places, and no two headers, have the same.
fn bound_to(header: &[u8], place: &VaultKey) -> Vec<u8> {
    let subject = place.subject.as_str().as_bytes();
    let length = (subject.len() as u64).to_be_bytes();
    [header, &length, subject, place.provider.as_str().as_bytes()].concat()
}

impl fmt::Debug for VaultKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|(id, _)| id).collect();
        write!(f, "VaultKeyring({ids:?})")
    }
}

/// Why keys cannot be used. None shows a key.
///
/// ```
/// use oauth_core::{VaultKeyring, VaultKeyringError};
/// assert_eq!(VaultKeyring::new("", &[7; 32]).unwrap_err(), VaultKeyringError::BadId { id: "".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultKeyringError {
    /// There is none, or it has no id.
    #[error("a key of the vault is written as id:key")]
    NoId,
    /// An id that cannot be one.
    #[error("invalid id {id:?} of a key of the vault: it must be 1 to 64 letters, digits and -_.")]
    BadId {
        /// The id.
        id: Box<str>,
    },
    /// A key that is none.
    #[error("the vault's key {id:?} is not 32 bytes in base64url without padding")]
    BadKey {
        /// Its id.
        id: Box<str>,
    },
    /// Two keys with one id.
    #[error("the vault has two keys {id:?}")]
    Twice {
        /// Their id.
        id: Box<str>,
    },
}

/// Why something is not to be had from a [`SealedVault`].
///
/// ```
/// use oauth_core::VaultFault;
/// assert!(VaultFault::UnknownKey { id: "2024".into() }.to_string().contains("2024"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was sealed with a key that is not configured any more.
    #[error("a sealed token names the key {id:?}, which is not among the vault's")]
    UnknownKey {
        /// The key's id.
        id: Box<str>,
    },
    /// It was changed, or moved here from another place, or sealed with another key of that id.
    #[error("a sealed token does not open: it was changed or moved, or its key is another one")]
    Damaged,
}

/// Keeps upstream tokens in a [`Vault`], sealed for their subject and provider.
///
/// ```
/// use oauth_core::{SealedVault, Stores, VaultKey, VaultKeyring};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let stores = Stores::memory();
/// let vault = SealedVault::new(stores.vault.clone(), VaultKeyring::new("2026-11", &[7; 32])?);
/// let place = VaultKey { subject: "alice".parse()?, provider: "github".parse()? };
/// vault.put(&place, b"gho_secret").await?;
/// assert_eq!(vault.get(&place).await?.unwrap().as_slice(), b"gho_secret");
///
/// // What the store has says nothing, and opens nowhere else.
/// let sealed = stores.vault.get(&place).await?.unwrap();
/// assert!(!sealed.windows(10).any(|bytes| bytes == b"gho_secret"));
/// let elsewhere = VaultKey { subject: "bob".parse()?, ..place };
/// stores.vault.put(&elsewhere, &sealed).await?;
/// assert!(vault.get(&elsewhere).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SealedVault {
    vault: Arc<dyn Vault>,
    keys: Arc<VaultKeyring>,
    entropy: Arc<dyn Entropy>,
}

impl SealedVault {
    /// A vault whose values are sealed with the first of `keys`.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>, keys: VaultKeyring) -> Self {
        Self { vault, keys: Arc::new(keys), entropy: Arc::new(OsEntropy) }
    }

    /// With other chance.
    #[must_use]
    pub fn with_entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Keeps `plain` in place of what was there; the last writer wins.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(&self, place: &VaultKey, plain: &[u8]) -> Result<(), StoreError> {
        self.vault.put(place, &self.keys.seal(place, plain, &*self.entropy)).await
    }

    /// What is kept. What an earlier key sealed is sealed anew with the newest on the way; if that fails, it is the next reader's turn.
    ///
    /// # Errors
    /// [`VaultFault`]; nothing that does not open is changed.
    pub async fn get(&self, place: &VaultKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultFault> {
        let Some(sealed) = self.vault.get(place).await? else { return Ok(None) };
        let (plain, is_newest) = self.keys.open(place, &sealed)?;
        if !is_newest {
            // Only in place of what was read: somebody may have put something newer meanwhile.
            let _ = self.vault.replace(place, &sealed, &self.keys.seal(place, &plain, &*self.entropy)).await;
        }
        Ok(Some(plain))
    }

    /// Keeps `plain` in place of `read`, if that is still what is kept: of two servers that renew one token, one has the say. Whether
    /// it was.
    ///
    /// # Errors
    /// [`VaultFault`], as [`get`](Self::get).
    pub async fn replace(&self, place: &VaultKey, read: &[u8], plain: &[u8]) -> Result<bool, VaultFault> {
        for _ in 0..ATTEMPTS {
            let Some(sealed) = self.vault.get(place).await? else { return Ok(false) };
            if self.keys.open(place, &sealed)?.0.as_slice() != read {
                return Ok(false);
            }
            // Who has sealed the same anew meanwhile has changed nothing.
            if self.vault.replace(place, &sealed, &self.keys.seal(place, plain, &*self.entropy)).await? {
                return Ok(true);
            }
        }
        Err(VaultFault::Store(StoreError::unavailable("the value is sealed anew without end")))
    }

    /// Seals what an earlier key sealed with the newest. Whether there was something to do: a pass over all places is over when none says so.
    ///
    /// # Errors
    /// [`VaultFault`]; nothing that does not open is changed.
    pub async fn seal_anew(&self, place: &VaultKey) -> Result<bool, VaultFault> {
        let Some(sealed) = self.vault.get(place).await? else { return Ok(false) };
        let (plain, is_newest) = self.keys.open(place, &sealed)?;
        if is_newest {
            return Ok(false);
        }
        // Who replaced it meanwhile had a key as new as ours, or it is seen in the next pass.
        self.vault.replace(place, &sealed, &self.keys.seal(place, &plain, &*self.entropy)).await?;
        Ok(true)
    }

    /// Forgets it. Whether there was something.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, place: &VaultKey) -> Result<bool, StoreError> {
        self.vault.forget(place).await
    }
}

impl fmt::Debug for SealedVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedVault").field("keys", &self.keys).finish_non_exhaustive()
    }
}
