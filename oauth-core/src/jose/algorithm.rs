//! What tokens are signed with. `none` has no variant.

use std::fmt;
use std::str::FromStr;

/// An asymmetric signature algorithm. Names are compared letter by letter (RS-42).
///
/// ```
/// use oauth_core::jose::Algorithm;
///
/// assert_eq!("ES256".parse(), Ok(Algorithm::Es256));
/// // Two labels, one algorithm (RFC 9864): both are read, one is written (RS-59).
/// assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
/// assert_eq!(Algorithm::EdDsa.as_str(), "EdDSA");
/// for none in ["none", "None", "HS256", "es256", "RS1", ""] {
///     assert!(none.parse::<Algorithm>().is_err());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// Ed25519, under the label `EdDSA` or `Ed25519`. Other curves are none of it.
    EdDsa,
}

/// No algorithm of this family: the text is not kept, a stranger wrote it.
///
/// ```
/// use oauth_core::jose::Algorithm;
/// assert_eq!("none".parse::<Algorithm>().unwrap_err().to_string(), "not an algorithm that is known here");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm that is known here")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All of them, the shortest signatures first.
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::EdDsa,
        Self::Es384,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Ok(match text {
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return Err(UnknownAlgorithm),
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A symmetric algorithm, for deployments that share a secret. Never in one place with an [`Algorithm`].
///
/// ```
/// use oauth_core::jose::HmacAlgorithm;
/// assert_eq!("HS256".parse(), Ok(HmacAlgorithm::Hs256));
/// assert!("RS256".parse::<HmacAlgorithm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl HmacAlgorithm {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// How many bytes its key must have at least: as many as its hash (RFC 7518 §3.2).
    #[must_use]
    pub const fn min_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

impl FromStr for HmacAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Ok(match text {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            _ => return Err(UnknownAlgorithm),
        })
    }
}
