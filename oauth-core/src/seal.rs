//! Sealing: authenticated encryption of what leaves our hands and comes back.
//!
//! AES-256-GCM with a random nonce. Keys are derived by HKDF-SHA-256 with a label for each purpose, so that what was
//! sealed for one never opens as another (KEY-6).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, random};
use crate::secret::{Secret, TokenHash};
use crate::store::{KeyPurpose, KeyStore, StoreError, StoredKey};
use crate::time::Timestamp;

struct Aes256;

impl KeyType for Aes256 {
    fn len(&self) -> usize {
        32
    }
}

pub(crate) fn derive(material: &[u8], label: &[u8]) -> LessSafeKey {
    let mut key = Zeroizing::new([0; 32]);
    // Neither can fail: 32 bytes are far below HKDF's limit, and are what AES-256 takes.
    Salt::new(HKDF_SHA256, &[])
        .extract(material)
        .expand(&[label], Aes256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .expect("hkdf yields 32 bytes");
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("aes-256 takes 32 bytes"))
}

pub(crate) fn seal(key: &LessSafeKey, aad: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = random(entropy);
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + 16);
    sealed.extend_from_slice(&nonce);
    let mut body = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
        .expect("a text of ours is far below the limit of aes-gcm");
    sealed.extend_from_slice(&body);
    sealed
}

pub(crate) fn open(key: &LessSafeKey, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let length = key.open_in_place(nonce, Aad::from(aad), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// The reply that a spent credential bought, sealed under a key that only the spent credential's text yields: the store
/// that keeps it cannot open it.
///
/// It remembers for which request it was made. A retry that asks for something else is no retry.
///
/// ```
/// use oauth_core::{OsEntropy, SealedReply, Secret, TokenHash};
///
/// let (spent, request) = (Secret::generate(&OsEntropy), TokenHash::of("client, scope, resource"));
/// let reply = SealedReply::seal(&spent, request, b"the token response", &OsEntropy);
/// assert_eq!(reply.open(&spent).unwrap(), b"the token response");
/// assert!(reply.open(&Secret::generate(&OsEntropy)).is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SealedReply {
    request: TokenHash,
    sealed: Arc<[u8]>,
}

const REPLY_LABEL: &[u8] = b"oauth reply v1";

impl SealedReply {
    /// Seals `reply` for whoever presents `spent` again with the same `request`.
    #[must_use]
    pub fn seal(spent: &Secret, request: TokenHash, reply: &[u8], entropy: &dyn Entropy) -> Self {
        let key = derive(spent.expose().as_bytes(), REPLY_LABEL);
        Self { request, sealed: seal(&key, request.as_bytes(), reply, entropy).into() }
    }

    /// The reply, if `spent` is the text it was sealed with.
    #[must_use]
    pub fn open(&self, spent: &Secret) -> Option<Vec<u8>> {
        open(&derive(spent.expose().as_bytes(), REPLY_LABEL), self.request.as_bytes(), &self.sealed)
    }

    /// A reply read back from a store.
    #[must_use]
    pub fn from_parts(request: TokenHash, sealed: impl Into<Arc<[u8]>>) -> Self {
        Self { request, sealed: sealed.into() }
    }

    /// What was asked: client, key, scope, resource. Stores compare it, byte for byte.
    #[must_use]
    pub fn request(&self) -> &TokenHash {
        &self.request
    }

    /// The sealed bytes, to be stored.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

impl fmt::Debug for SealedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedReply({} bytes)", self.sealed.len())
    }
}

/// Seals texts that travel through a browser: tickets, cookies, nonces. Holds the current key and earlier ones that still open.
///
/// ```
/// use oauth_core::{OsEntropy, Sealer};
///
/// let sealer = Sealer::new(&[7; 32]);
/// let ticket = sealer.seal("ticket", b"browser 1", b"what was asked", &OsEntropy);
/// assert_eq!(sealer.open("ticket", b"browser 1", &ticket).unwrap(), b"what was asked");
/// // Neither another purpose nor another browser opens it.
/// assert!(sealer.open("cookie", b"browser 1", &ticket).is_none());
/// assert!(sealer.open("ticket", b"browser 2", &ticket).is_none());
/// ```
pub struct Sealer {
    // the first seals
    keys: Vec<Zeroizing<[u8; 32]>>,
}

impl Sealer {
    /// Seals and opens with one key of 256 random bits.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { keys: vec![Zeroizing::new(*key)] }
    }

    /// Also opens what was sealed with an earlier key.
    #[must_use]
    pub fn with_earlier(mut self, key: &[u8; 32]) -> Self {
        self.keys.push(Zeroizing::new(*key));
        self
    }

    /// The sealer of all servers over one store (KEY-7). It seals with the newest key that is not retired, which is made if there is none, and
    /// opens with all there are, retired ones too, until they are removed.
    ///
    /// It knows the keys that are there at `now`: to rotate, add a key and start all servers anew, then retire the one before.
    ///
    /// ```
    /// use oauth_core::{OsEntropy, Sealer, Stores, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (keys, now) = (Stores::memory().keys, Timestamp::from_secs(1_700_000_000));
    /// let one = Sealer::shared(&*keys, &OsEntropy, now).await?;
    /// let other = Sealer::shared(&*keys, &OsEntropy, now).await?;
    /// let sealed = one.seal("label", b"", b"text", &OsEntropy);
    /// assert_eq!(other.open("label", b"", &sealed).unwrap(), b"text");
    /// # Ok::<(), oauth_core::StoreError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As the store's; a key of another length is [`StoreError::Corrupt`].
    pub async fn shared(
        keys: &dyn KeyStore,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let candidate =
            |id: &str| StoredKey::new(id, KeyPurpose::Seal, "A256GCM", random::<32>(entropy).to_vec(), now);
        keys.first(&candidate("1")).await?;
        for _ in 0..ATTEMPTS {
            let kept = keys.keys(KeyPurpose::Seal).await?;
            let is_retired = |key: &StoredKey| key.retired_at.is_some_and(|at| at <= now);
            if let Some(newest) = kept.iter().position(|key| !is_retired(key)) {
                let mut own = kept.iter().map(material).collect::<Result<Vec<_>, _>>()?;
                own.swap(0, newest);
                return Ok(Self { keys: own });
            }
            // All servers that start now choose the same name, so that one of them makes the key for all.
            let free = (1_u64..).map(|id| id.to_string()).find(|id| kept.iter().all(|key| key.id != *id));
            match keys.add(&candidate(&free.unwrap_or_default())).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::unavailable("the sealing keys change faster than they can be read"))
    }

    /// Seals `plain` for a purpose (`label`) and a context (`aad`), both needed to open it. Base64url.
    #[must_use]
    pub fn seal(&self, label: &str, aad: &[u8], plain: &[u8], entropy: &dyn Entropy) -> String {
        URL_SAFE_NO_PAD.encode(seal(&derive(self.keys[0].as_slice(), label.as_bytes()), aad, plain, entropy))
    }

    /// Opens what [`seal`](Self::seal) made. `None`: not ours, or for another purpose or context.
    #[must_use]
    pub fn open(&self, label: &str, aad: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        self.keys.iter().find_map(|key| open(&derive(key.as_slice(), label.as_bytes()), aad, &sealed))
    }
}

/// How often the keys are read again because a new one was made.
const ATTEMPTS: usize = 4;

fn material(key: &StoredKey) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let bytes: Result<[u8; 32], _> = key.material.as_slice().try_into();
    bytes.map(Zeroizing::new).map_err(|_| StoreError::corrupt("a sealing key does not have 32 bytes"))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::entropy::OsEntropy;
    use crate::memory::MemoryStore;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn key(id: &str, byte: u8, created_at: u64) -> StoredKey {
        StoredKey::new(id, KeyPurpose::Seal, "A256GCM", vec![byte; 32], Timestamp::from_secs(created_at))
    }

    async fn retire(keys: &dyn KeyStore, id: &str, at: Timestamp) {
        assert!(keys.retire(KeyPurpose::Seal, id, at).await.unwrap());
    }

    fn opens(sealer: &Sealer, sealed: &str) -> bool {
        sealer.open("label", b"", sealed).is_some()
    }

    #[tokio::test]
    async fn a_retired_key_opens_and_never_seals() {
        // KEY-7
        let keys = MemoryStore::default();
        keys.add(&key("old", 1, 1)).await.unwrap();
        let before =
            Sealer::shared(&keys, &OsEntropy, NOW).await.unwrap().seal("label", b"", b"x", &OsEntropy);
        // The newest of all is retired; one that is retired later is not yet.
        keys.add(&key("leaked", 2, 2)).await.unwrap();
        retire(&keys, "leaked", NOW).await;
        retire(&keys, "old", NOW + std::time::Duration::from_secs(1)).await;
        let sealer = Sealer::shared(&keys, &OsEntropy, NOW).await.unwrap();
        let sealed = sealer.seal("label", b"", b"x", &OsEntropy);
        let (old, leaked) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        assert!(opens(&old, &sealed) && !opens(&leaked, &sealed));
        assert!(opens(&sealer, &before) && opens(&sealer, &leaked.seal("label", b"", b"x", &OsEntropy)));
        assert_eq!(keys.keys(KeyPurpose::Seal).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn where_all_are_retired_a_new_one_is_made_once() {
        // KEY-7
        let keys = MemoryStore::default();
        keys.add(&key("1", 1, 1)).await.unwrap();
        retire(&keys, "1", NOW).await;
        let one = Sealer::shared(&keys, &OsEntropy, NOW).await.unwrap();
        let sealed = one.seal("label", b"", b"x", &OsEntropy);
        assert!(!opens(&Sealer::new(&[1; 32]), &sealed));
        let other = Sealer::shared(&keys, &OsEntropy, NOW).await.unwrap();
        assert!(opens(&other, &sealed));
        assert!(opens(&other, &Sealer::new(&[1; 32]).seal("label", b"", b"x", &OsEntropy)));
        assert_eq!(keys.keys(KeyPurpose::Seal).await.unwrap().len(), 2);
    }

    /// Another server makes its key between the first look at the keys and the next.
    struct Faster(MemoryStore, Mutex<Option<StoredKey>>);

    #[async_trait]
    impl KeyStore for Faster {
        async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
            let seen = self.0.keys(purpose).await?;
            let others = self.1.lock().unwrap().take();
            if let Some(key) = others {
                self.0.add(&key).await?;
            }
            Ok(seen)
        }

        async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
            self.0.first(candidate).await
        }

        async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
            self.0.add(key).await
        }

        async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
            self.0.retire(purpose, id, at).await
        }

        async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
            self.0.remove(purpose, id).await
        }
    }

    #[tokio::test]
    async fn servers_that_start_at_once_go_on_with_one_key() {
        // KEY-7
        let keys = Faster(MemoryStore::default(), Mutex::new(Some(key("2", 9, 2))));
        keys.add(&key("1", 1, 1)).await.unwrap();
        retire(&keys, "1", NOW).await;
        let sealer = Sealer::shared(&keys, &OsEntropy, NOW).await.unwrap();
        assert!(opens(&Sealer::new(&[9; 32]), &sealer.seal("label", b"", b"x", &OsEntropy)));
    }

    #[tokio::test]
    async fn a_key_of_another_length_is_corrupt() {
        let keys = MemoryStore::default();
        keys.add(&StoredKey::new("1", KeyPurpose::Seal, "A256GCM", vec![1; 31], NOW)).await.unwrap();
        assert!(matches!(Sealer::shared(&keys, &OsEntropy, NOW).await, Err(StoreError::Corrupt(_))));
    }
}
