//! Proof Key for Code Exchange, [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636), by `S256` alone.

use std::fmt;
use std::str::FromStr;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Why a challenge or a verifier was refused.
///
/// ```
/// use oauth_core::{CodeChallenge, PkceError};
/// assert_eq!("short".parse::<CodeChallenge>(), Err(PkceError::Challenge));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkceError {
    /// An `S256` challenge has 43 characters of base64url.
    #[error("code_challenge must be 43 characters of base64url without padding")]
    Challenge,
    /// RFC 7636 §4.1: 43 to 128 unreserved characters.
    #[error("code_verifier must be 43 to 128 unreserved characters")]
    Verifier,
}

/// A `code_challenge` of method `S256`. There is no other method: `plain` has no variant (AS-37).
///
/// ```
/// use oauth_core::{CodeChallenge, CodeVerifier};
///
/// // RFC 7636 appendix B
/// let challenge: CodeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".parse()?;
/// let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")?;
/// assert!(challenge.is_met_by(&verifier));
/// # Ok::<(), oauth_core::PkceError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// A challenge read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The challenge as bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `verifier` is the one this challenge was made from, in constant time (A-PKCE-11).
    #[must_use]
    pub fn is_met_by(&self, verifier: &CodeVerifier<'_>) -> bool {
        self.0.ct_eq(&Sha256::digest(verifier.0.as_bytes())).into()
    }
}

impl FromStr for CodeChallenge {
    type Err = PkceError;

    fn from_str(text: &str) -> Result<Self, PkceError> {
        if text.len() != 43 {
            return Err(PkceError::Challenge);
        }
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) => bytes.try_into().map(Self).map_err(|_| PkceError::Challenge),
            // RFC 7636 §4.2 allows any 43 characters. No hash is written like this, so no verifier meets it: the colon is in none.
            Err(DecodeError::InvalidLastSymbol { .. }) => {
                Ok(Self(Sha256::digest(format!("met by none: {text}")).into()))
            }
            Err(_) => Err(PkceError::Challenge),
        }
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeChallenge({self})")
    }
}

impl Serialize for CodeChallenge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CodeChallenge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A `code_verifier` of the right form (A-PKCE-8). It is a secret: `Debug` shows nothing.
///
/// ```
/// use oauth_core::CodeVerifier;
/// assert!(CodeVerifier::parse("too-short").is_err());
/// ```
pub struct CodeVerifier<'a>(&'a str);

impl<'a> CodeVerifier<'a> {
    /// Reads a verifier.
    ///
    /// # Errors
    /// [`PkceError::Verifier`] unless it has 43 to 128 of the characters `A–Z a–z 0–9 - . _ ~`.
    pub fn parse(text: &'a str) -> Result<Self, PkceError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Self(text))
        } else {
            Err(PkceError::Verifier)
        }
    }

    /// The challenge that this verifier meets.
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for CodeVerifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_form_of_s256_is_a_challenge() {
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        // AS-38, A-PKCE-10
        for bad in [
            "",
            &good[..42],
            &format!("{good}A"),
            &good.replace('-', "+"),
            &good.replace('M', "="),
            &"a".repeat(10240),
        ] {
            assert_eq!(bad.parse::<CodeChallenge>(), Err(PkceError::Challenge), "{bad}");
        }
        assert_eq!(good.parse::<CodeChallenge>().unwrap().to_string(), good);
        // The last character has bits that no hash has: a challenge by its form, and met by none.
        let odd = format!("{}N", &good[..42]);
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert!(good.parse::<CodeChallenge>().unwrap().is_met_by(&verifier));
        for (challenge, verifier) in [(&*odd, verifier), (&*odd, CodeVerifier::parse(&odd).unwrap())] {
            assert!(!challenge.parse::<CodeChallenge>().unwrap().is_met_by(&verifier), "{challenge}");
        }
        assert!("a".repeat(43).parse::<CodeChallenge>().is_ok());
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        // A-PKCE-8
        for (text, good) in [
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(42), false),
            ("a".repeat(129), false),
            (format!("{}!", "a".repeat(50)), false),
            (format!("{}é", "a".repeat(50)), false),
            (format!("{}\n", "a".repeat(50)), false),
        ] {
            assert_eq!(CodeVerifier::parse(&text).is_ok(), good, "{text}");
        }
    }
}
