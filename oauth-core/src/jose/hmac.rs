//! Shared secrets: for an issuer and a resource that trust each other with forging.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign, verify};
use serde::Serialize;

use crate::jose::algorithm::HmacAlgorithm;
use crate::jose::base64url;
use crate::jose::compact::Jws;
use crate::jose::set::SignatureFault;
use crate::jose::signing::{SigningFault, signing_input};

/// A secret that is shorter than its algorithm's hash can be searched for (RFC 7518 §3.2).
///
/// ```
/// use oauth_core::jose::{HmacAlgorithm, HmacKey};
/// let short = HmacKey::new(HmacAlgorithm::Hs256, b"secret").unwrap_err();
/// assert_eq!(short.to_string(), "the secret must have at least 32 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret must have at least {0} bytes")]
pub struct ShortSecret(pub usize);

/// A secret that signs and verifies, with one algorithm.
///
/// ```
/// use oauth_core::jose::{HmacAlgorithm, HmacKey, Jws};
///
/// let key = HmacKey::new(HmacAlgorithm::Hs256, &[7; 32])?;
/// let token = key.sign("at+jwt", &serde_json::json!({"sub": "alice"}))?;
/// assert!(key.verify(&Jws::parse(&token)?, |typ| typ == Some("at+jwt")).is_ok());
/// assert!(HmacKey::new(HmacAlgorithm::Hs256, &[8; 32])?.verify(&Jws::parse(&token)?, |_| true).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HmacKey {
    algorithm: HmacAlgorithm,
    key: Key,
}

impl HmacKey {
    /// A key of at least [`HmacAlgorithm::min_secret`] random bytes.
    ///
    /// # Errors
    /// [`ShortSecret`].
    pub fn new(algorithm: HmacAlgorithm, secret: &[u8]) -> Result<Self, ShortSecret> {
        let least = algorithm.min_secret();
        if secret.len() < least {
            return Err(ShortSecret(least));
        }
        let hash = match algorithm {
            HmacAlgorithm::Hs256 => HMAC_SHA256,
            HmacAlgorithm::Hs384 => HMAC_SHA384,
            HmacAlgorithm::Hs512 => HMAC_SHA512,
        };
        Ok(Self { algorithm, key: Key::new(hash, secret) })
    }

    /// Verifies a token: its type as `is_type` judges it, its algorithm, which must be this key's, its signature.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(
        &self,
        jws: &Jws<'_>,
        is_type: impl Fn(Option<&str>) -> bool,
    ) -> Result<(), SignatureFault> {
        let header = jws.header()?;
        if !is_type(header.typ.as_deref()) {
            return Err(SignatureFault::Type);
        }
        if header.alg.parse() != Ok(self.algorithm) {
            return Err(SignatureFault::Algorithm);
        }
        verify(&self.key, jws.signing_input(), jws.signature()).map_err(|_| SignatureFault::Signature)
    }

    /// A token of this type with these claims.
    ///
    /// # Errors
    /// [`SigningFault`] if the claims are no JSON object.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningFault> {
        let mut token = signing_input(self.algorithm.as_str(), None, typ, claims)?;
        let tag = sign(&self.key, token.as_bytes());
        token.push('.');
        token.push_str(&base64url::encode(tag.as_ref()));
        Ok(token)
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({})", self.algorithm.as_str())
    }
}
