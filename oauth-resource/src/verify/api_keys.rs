//! Static keys for scripts and services.

use std::fmt;
use std::sync::Arc;

use oauth_core::{
    Claims, ClientId, Entropy, Issuer, ResourceUri, ScopeSet, Secret, Subject, SubjectKind, Timestamp,
    TokenHash, TokenVerifier, VerifyFault, async_trait,
};

/// A key and what it is good for. The key itself is not in it: only its hash is configured.
///
/// ```
/// use oauth_core::OsEntropy;
/// use oauth_resource::ApiKey;
///
/// // Once, on the command line: the key for whoever uses it, the hash for the configuration.
/// let secret = ApiKey::generate(&OsEntropy);
/// assert!(secret.expose().starts_with("mcp_key_"));
/// let hash = secret.hash();
///
/// let key = ApiKey::new("reports", hash)?.with_scopes("notes:read".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ApiKey {
    subject: Subject,
    client_id: ClientId,
    hash: TokenHash,
    scopes: ScopeSet,
    kind: SubjectKind,
    expires_at: Timestamp,
}

/// By this secret scanners find keys that have got into the open.
const PREFIX: &str = "mcp_key_";

impl ApiKey {
    /// A new key of 256 random bits: one that can be guessed must not be stored as a plain hash.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Secret {
        Secret::new(format!("{PREFIX}{}", Secret::generate(entropy).expose()))
    }

    /// A key of this service, by the hash of a [generated](Self::generate) key. Two keys of one name may live at once, so that one can take
    /// the other's place.
    ///
    /// # Errors
    /// If the name is none.
    pub fn new(name: &str, hash: TokenHash) -> Result<Self, oauth_core::IdError> {
        Ok(Self {
            subject: name.parse()?,
            client_id: name.parse()?,
            hash,
            scopes: ScopeSet::empty(),
            kind: SubjectKind::Client,
            expires_at: Timestamp::MAX,
        })
    }

    /// What it is good for. Without it, for what needs no scope.
    #[must_use]
    pub fn with_scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = scopes;
        self
    }

    /// Until when.
    #[must_use]
    pub const fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// On behalf of whom. Without it, for itself.
    #[must_use]
    pub fn with_user(mut self, user: Subject) -> Self {
        self.subject = user;
        self.kind = SubjectKind::User;
        self
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Accepts static keys, for what cannot sign in. They do not leave this resource: they are good here and nowhere else.
///
/// Their issuer is whoever hands them out. Where that is not the authorization server that clients are sent to, name it by
/// [`unlisted_issuer`](crate::ProtectedResourceBuilder::unlisted_issuer).
///
/// ```
/// use oauth_core::{OsEntropy, Timestamp, TokenVerifier};
/// use oauth_resource::{ApiKey, ApiKeys};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (old, new) = (ApiKey::generate(&OsEntropy), ApiKey::generate(&OsEntropy));
/// let keys = ApiKeys::new(&"https://mcp.example".parse()?, &"https://mcp.example/mcp".parse()?)
///     .with(ApiKey::new("reports", old.hash())?.with_expiry(Timestamp::from_secs(1_700_000_000)))
///     .with(ApiKey::new("reports", new.hash())?);
/// let later = Timestamp::from_secs(1_700_000_001);
/// assert!(keys.verify(old.expose(), later).await.is_err());
/// assert_eq!(keys.verify(new.expose(), later).await?.client_id.as_str(), "reports");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ApiKeys {
    issuer: Arc<str>,
    audience: Arc<str>,
    keys: Vec<ApiKey>,
}

impl ApiKeys {
    /// No keys yet, issued by `issuer`, for `resource`.
    #[must_use]
    pub fn new(issuer: &Issuer, resource: &ResourceUri) -> Self {
        Self { issuer: issuer.as_str().into(), audience: resource.as_str().into(), keys: Vec::new() }
    }

    /// Accepts this key too.
    #[must_use]
    pub fn with(mut self, key: ApiKey) -> Self {
        self.keys.push(key);
        self
    }
}

#[async_trait]
impl TokenVerifier for ApiKeys {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        // Every key is compared, each in constant time: how long it takes says nothing but how many there are.
        let presented = TokenHash::of(token);
        let mut found = None;
        for key in &self.keys {
            if key.hash.equals(&presented) {
                found = Some(key);
            }
        }
        let key = found.ok_or(VerifyFault::Unrecognized)?;
        if now >= key.expires_at {
            return Err(VerifyFault::Expired);
        }
        let mut claims =
            Claims::of(self.issuer.clone(), key.subject.clone(), key.client_id.clone(), key.expires_at)
                .with_scopes(key.scopes.clone());
        claims.audience = vec![self.audience.clone()];
        claims.subject_kind = key.kind;
        Ok(claims)
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}
