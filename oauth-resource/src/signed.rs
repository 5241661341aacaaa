//! Metadata that its resource has signed ([RFC 9728 §2.2](https://www.rfc-editor.org/rfc/rfc9728#section-2.2)).

use std::fmt;
use std::sync::Arc;

use oauth_core::Timestamp;
use oauth_core::jose::{Algorithm, JwkSet, SigningFault, SigningKey};
use oauth_core::metadata::ProtectedResourceMetadata;
use serde_json::Value;

/// The key with which a resource signs its metadata (RS-16): a [`SigningKey`], for `ES256` unless another is given. Not one that signs tokens:
/// who holds it speaks for the resource, not for the authorization server.
///
/// ```
/// use oauth_core::Timestamp;
/// use oauth_core::metadata::ProtectedResourceMetadata;
/// use oauth_resource::MetadataKey;
///
/// let key = MetadataKey::generate()?;
/// let document = ProtectedResourceMetadata::new("https://mcp.example/mcp".parse()?, "https://as.example".parse()?);
/// let signed = key.sign(document, Timestamp::from_secs(1_700_000_000))?;
/// assert_eq!(signed.jwks_uri.as_deref(), Some("https://mcp.example/.well-known/oauth-protected-resource/mcp/jwks.json"));
/// assert_eq!(signed.signed_metadata.unwrap().split('.').count(), 3);
///
/// // Any key that signs will do.
/// let key = MetadataKey::from(oauth_core::jose::SigningKey::generate_ed25519());
/// assert_eq!(key.jwks()["keys"][0]["alg"], "EdDSA");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MetadataKey(Arc<SigningKey>);

/// A key that is none, or that cannot sign.
///
/// ```
/// use oauth_resource::MetadataKey;
/// assert_eq!(MetadataKey::from_pkcs8(b"no key").unwrap_err().to_string(), "not a key for ES256");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key for ES256")]
pub struct MetadataKeyError;

impl From<SigningFault> for MetadataKeyError {
    fn from(_: SigningFault) -> Self {
        Self
    }
}

impl From<SigningKey> for MetadataKey {
    fn from(key: SigningKey) -> Self {
        Self(Arc::new(key))
    }
}

/// What is put behind the metadata's own address to make that of the keys.
pub(crate) const KEYS: &str = "/jwks.json";

impl MetadataKey {
    /// A private key on P-256, as PKCS#8 in DER.
    ///
    /// # Errors
    /// [`MetadataKeyError`]: it is something else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, MetadataKeyError> {
        Ok(SigningKey::from_pkcs8(Algorithm::Es256, der)?.into())
    }

    /// A new key, of this process alone: clients that know the one before read the address of the keys again.
    ///
    /// # Errors
    /// [`MetadataKeyError`]: none by now; without random bytes [`SigningKey`] itself gives up.
    pub fn generate() -> Result<Self, MetadataKeyError> {
        Ok(SigningKey::generate_es256().into())
    }

    /// The public key, as a JWK Set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        JwkSet::of([self.0.public_jwk().clone()], &Algorithm::ALL).to_json()
    }

    /// The document with `signed_metadata`, which says all that the document says, and with `jwks_uri`, where the key is. The resource itself
    /// is the issuer of what it signs.
    ///
    /// # Errors
    /// [`MetadataKeyError`]: the key cannot sign.
    pub fn sign(
        &self,
        mut document: ProtectedResourceMetadata,
        now: Timestamp,
    ) -> Result<ProtectedResourceMetadata, MetadataKeyError> {
        document.jwks_uri = Some(format!("{}{KEYS}", document.resource.metadata_url()));
        // RFC 9728 §2.2: it does not contain itself.
        document.signed_metadata = None;
        let Ok(Value::Object(mut claims)) = serde_json::to_value(&document) else {
            return Err(MetadataKeyError);
        };
        claims.insert("iss".to_owned(), document.resource.as_str().into());
        claims.insert("iat".to_owned(), now.as_secs().into());
        document.signed_metadata = Some(self.0.sign("JWT", &claims)?);
        Ok(document)
    }
}

impl fmt::Debug for MetadataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataKey").field("id", &self.0.kid()).finish_non_exhaustive()
    }
}
