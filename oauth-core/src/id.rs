//! Identifiers: of clients, of subjects, of grants.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::entropy::{Entropy, random};

/// Why a text is no identifier.
///
/// ```
/// use oauth_core::ClientId;
/// assert_eq!("".parse::<ClientId>().unwrap_err().to_string(), "client_id must not be empty");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing is no identifier.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// Longer than the limit.
    #[error("{name} must have at most {limit} characters")]
    TooLong {
        /// What was read.
        name: &'static str,
        /// How many characters it may have.
        limit: usize,
    },
    /// A character outside the printable ASCII range.
    #[error("{0} must consist of printable ascii characters")]
    Charset(&'static str),
    /// Not the form that this server writes.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

fn check(name: &'static str, text: &str, limit: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty(name));
    }
    if text.len() > limit {
        return Err(IdError::TooLong { name, limit });
    }
    // VSCHAR of RFC 6749 appendix A.
    if !text.bytes().fold(true, |good, byte| good & (0x20..=0x7e).contains(&byte)) {
        return Err(IdError::Charset(name));
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $type:ident, $name:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// How many characters it may have.
            pub const MAX_LENGTH: usize = $limit;

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check($name, text, Self::MAX_LENGTH)?;
                Ok(Self(text.into()))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($type), &self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// A client's identifier (RFC 6749 §2.2): configured, handed out at registration, or the URL of a metadata document.
    ///
    /// Compared as a string, never normalised (CIMD-2).
    ///
    /// ```
    /// use oauth_core::ClientId;
    ///
    /// let id: ClientId = "https://app.example/client.json".parse()?;
    /// assert!(id.is_url());
    /// assert_ne!(id, "https://APP.example/client.json".parse()?);
    /// # Ok::<(), oauth_core::IdError>(())
    /// ```
    ClientId, "client_id", 2048
}

impl ClientId {
    /// A new identifier of 128 random bits: `c_` and 22 characters. Never looks like a URL (DCR-16).
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(format!("c_{}", URL_SAFE_NO_PAD.encode(random::<16>(entropy))).into())
    }

    /// Whether it has the form of a metadata document's URL.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://") || self.0.starts_with("http://")
    }
}

text_id! {
    /// Who a grant is about: a user, or a client that acts for itself. Stable, never used again (OIDC-5).
    ///
    /// ```
    /// use oauth_core::Subject;
    /// assert_eq!("owner".parse::<Subject>()?.as_str(), "owner");
    /// # Ok::<(), oauth_core::IdError>(())
    /// ```
    Subject, "subject", 255
}

impl Subject {
    /// A new subject of 128 random bits: `u_` and 22 characters.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(format!("u_{}", URL_SAFE_NO_PAD.encode(random::<16>(entropy))).into())
    }
}

text_id! {
    /// A way to sign in, as it stands in a path: lower-case letters, digits and `-`.
    ///
    /// ```
    /// use oauth_core::ProviderId;
    /// assert!("passphrase".parse::<ProviderId>().is_ok());
    /// ```
    ProviderId, "provider", 32
}

/// A grant's identifier: 128 random bits. Every secret issued under the grant carries it, so that all rows of a grant
/// live on one shard.
///
/// ```
/// use oauth_core::{GrantId, OsEntropy};
///
/// let id = GrantId::generate(&OsEntropy);
/// assert_eq!(id.to_string().parse::<GrantId>()?, id);
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId([u8; 16]);

impl GrantId {
    /// A new identifier.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(random(entropy))
    }

    /// An identifier read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The identifier as bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

impl FromStr for GrantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed("grant id");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed.clone())?;
        bytes.try_into().map(Self).map_err(|_| malformed)
    }
}

impl Serialize for GrantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GrantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
