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

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}
