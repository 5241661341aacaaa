//! Metadata that its resource has signed ([RFC 9728 §2.2](https://www.rfc-editor.org/rfc/rfc9728#section-2.2)).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::Timestamp;
use oauth_core::metadata::ProtectedResourceMetadata;
use serde_json::{Map, Value, json};

/// The key (P-256) with which a resource signs its metadata, by `ES256` (RS-16). Not one that signs tokens: who holds it speaks for the
/// resource, not for the authorization server.
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
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MetadataKey {
    pair: Arc<EcdsaKeyPair>,
    id: Arc<str>,
}

/// A key that is none, or that cannot sign.
///
/// ```
/// use oauth_resource::MetadataKey;
/// assert_eq!(MetadataKey::from_pkcs8(b"no key").unwrap_err().to_string(), "not a key for ES256");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key for ES256")]
pub struct MetadataKeyError;

impl From<aws_lc_rs::error::Unspecified> for MetadataKeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
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
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| MetadataKeyError)?;
        Ok(Self::new(pair))
    }

    /// A new key, of this process alone: clients that know the one before read the address of the keys again.
    ///
    /// # Errors
    /// [`MetadataKeyError`]: the system has no random bytes.
    pub fn generate() -> Result<Self, MetadataKeyError> {
        Ok(Self::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?))
    }

    fn new(pair: EcdsaKeyPair) -> Self {
        let (x, y) = point(&pair);
        // RFC 7638 §3: the members in the order of their names, without a space.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint.as_bytes()));
        Self { pair: Arc::new(pair), id: id.into() }
    }

    /// The public key, as a JWK Set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let (x, y) = point(&self.pair);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": &*self.id,
        }] })
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
        document.signed_metadata = Some(self.jwt(claims)?);
        Ok(document)
    }

    fn jwt(&self, claims: Map<String, Value>) -> Result<String, MetadataKeyError> {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": &*self.id });
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(Value::Object(claims).to_string(), &mut text);
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

/// The coordinates of the public key, which stands there as 4, x, y (SEC 1 §2.3.3).
fn point(pair: &EcdsaKeyPair) -> (String, String) {
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

impl fmt::Debug for MetadataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataKey").field("id", &self.id).finish_non_exhaustive()
    }
}
