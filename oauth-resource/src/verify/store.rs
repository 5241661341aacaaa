//! Tokens of the server that shares a store with this resource.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Claims, CredentialKey, CredentialKind, CredentialStatus, GrantStore, Issuer, Revocations, StoreError,
    Timestamp, TokenVerifier, VerifyFault, async_trait,
};

/// After how long to ask again when the store cannot be asked.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Looks opaque tokens up in the ledger. Revocation counts at once, or within the cache's time for other processes.
///
/// ```
/// use oauth_core::{Stores, Timestamp, TokenVerifier, VerifyFault};
/// use oauth_resource::StoreVerifier;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let verifier = StoreVerifier::new(Stores::memory().grants.into(), &"https://as.example".parse()?);
/// let refused = verifier.verify("mcp_at_something", Timestamp::from_secs(1)).await.unwrap_err();
/// assert!(matches!(refused, VerifyFault::Unrecognized));
/// # Ok::<(), oauth_core::UrlError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct StoreVerifier {
    grants: Arc<dyn GrantStore>,
    issuer: Arc<str>,
}

impl StoreVerifier {
    /// Tokens in `grants`, all issued by `issuer`.
    #[must_use]
    pub fn new(grants: Arc<dyn GrantStore>, issuer: &Issuer) -> Self {
        Self::of(grants, issuer.as_str())
    }

    pub(crate) fn of(grants: Arc<dyn GrantStore>, issuer: &str) -> Self {
        Self { grants, issuer: issuer.into() }
    }
}

#[async_trait]
impl TokenVerifier for StoreVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        let key = CredentialKey::of(token).ok_or(VerifyFault::Unrecognized)?;
        let found = self.grants.find(&key).await.map_err(unavailable)?.ok_or(VerifyFault::Invalid)?;
        // A refresh token or a code opens nothing here.
        if found.credential.kind != CredentialKind::AccessToken || found.credential.key != key {
            return Err(VerifyFault::Invalid);
        }
        match found.status(now) {
            CredentialStatus::Live => {}
            CredentialStatus::Expired => return Err(VerifyFault::Expired),
            // No access token is ever spent; one that is belongs to no story that ends well.
            _ => return Err(VerifyFault::Revoked),
        }
        let (grant, credential) = (found.grant, found.credential);
        let expires_at = credential.expires_at.min(grant.expires_at);
        let mut claims = Claims::new(&self.issuer, grant.subject, grant.client_id, expires_at)
            .with_audience(credential.resources.as_slice().iter().map(|resource| resource.as_str()))
            .with_scopes(credential.scopes);
        claims.issuer = self.issuer.clone();
        claims.subject_kind = grant.subject_kind;
        claims.issued_at = Some(credential.issued_at);
        claims.binding = credential.binding;
        claims.auth_time = grant.auth_time;
        claims.grant = Some(grant.id);
        Ok(claims)
    }

    fn revocations(&self) -> Option<&Revocations> {
        self.grants.revocations()
    }
}

fn unavailable(error: StoreError) -> VerifyFault {
    VerifyFault::Unavailable { retry_after: RETRY_AFTER, source: Box::new(error) }
}

impl fmt::Debug for StoreVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreVerifier").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
