//! Texts that must not be seen, and the hashes by which they are known.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, random};

/// A secret text: a token, a code, a password. Wiped from memory when dropped.
///
/// It is neither `Clone`, `Display`, `PartialEq` nor `Serialize`, and its `Debug` shows nothing. [`Secret::expose`]
/// is the one way in, so that every use is easy to find.
///
/// ```
/// use oauth_core::Secret;
///
/// let secret = Secret::new("correct horse".to_owned());
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), "correct horse");
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes charge of a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 256 random bits, written with `A–Z a–z 0–9 - _` alone (TOK-13, CAUTH-4).
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let bytes = Zeroizing::new(random::<32>(entropy));
        Self::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The SHA-256 of a secret text: what stores hold of a token, a code or a client secret (TOK-14).
///
/// The texts are 256 random bits, so a plain hash cannot be searched. What people choose themselves goes through
/// a password hash instead.
///
/// ```
/// use oauth_core::TokenHash;
///
/// let stored = TokenHash::of("mcp_rt_secret");
/// assert!(stored.matches("mcp_rt_secret"));
/// assert!(!stored.matches("mcp_rt_other"));
/// assert!(!format!("{stored:?}").contains("secret"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// A hash read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash as bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the hash of `text`, in a time that does not tell where they differ.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.equals(&Self::of(text))
    }

    /// Whether both are hashes of one text, in a time that does not tell where they differ.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Shows the first four bytes: enough to follow one credential through a log, too little to look it up.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))
    }
}
