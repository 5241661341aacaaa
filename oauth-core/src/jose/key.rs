//! A public key, parsed once, ready to verify.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::signature::ParsedPublicKey;

use crate::jose::algorithm::Algorithm;
use crate::jose::compact::Jws;

/// A public key in the form that verifies fastest. It verifies with the algorithms that it was made for, and with no other (RS-43).
///
/// ```
/// use oauth_core::jose::{Algorithm, Jws, SigningKey};
///
/// let signing = SigningKey::generate_es256();
/// let token = signing.sign("JWT", &serde_json::json!({}))?;
/// let key = signing.public_jwk().verifying_key(&Algorithm::ALL).unwrap();
/// let jws = Jws::parse(&token)?;
/// assert!(key.verifies(Algorithm::Es256, &jws));
/// assert!(!key.verifies(Algorithm::EdDsa, &jws));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VerifyingKey {
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
    /// The first header under which a token of this key was good: the next one's is most likely the same, byte for byte.
    pub(super) known: OnceLock<Known>,
}

/// A header that was read before.
pub(super) struct Known {
    pub(super) segment: Box<str>,
    pub(super) algorithm: Algorithm,
    pub(super) typ: Option<Box<str>>,
    pub(super) kid: Option<Box<str>>,
}

impl VerifyingKey {
    pub(super) fn new(parsed: Vec<(Algorithm, ParsedPublicKey)>) -> Self {
        Self { parsed, known: OnceLock::new() }
    }

    /// Whether it can verify with `algorithm`.
    #[must_use]
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.parsed.iter().any(|(own, _)| *own == algorithm)
    }

    /// Whether the signature is this key's, made with `algorithm`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, jws: &Jws<'_>) -> bool {
        let Some((_, key)) = self.parsed.iter().find(|(own, _)| *own == algorithm) else { return false };
        key.verify_sig(jws.signing_input(), jws.signature()).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parsed.iter().map(|(algorithm, _)| algorithm)).finish()
    }
}
