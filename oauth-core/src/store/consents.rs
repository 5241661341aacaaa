//! What users agreed to.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, Subject};
use crate::resource::ResourceSet;
use crate::scope::ScopeSet;
use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Keeps, for each user and client, what the user last agreed to (AS-68).
///
/// A whole implementation, for one process:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Mutex, MutexGuard, PoisonError};
/// use oauth_core::{ClientId, Consent, ConsentStore, StoreError, Subject, Timestamp, async_trait};
///
/// #[derive(Default)]
/// struct Consents(Mutex<HashMap<(Subject, ClientId), Consent>>);
///
/// impl Consents {
///     fn all(&self) -> MutexGuard<'_, HashMap<(Subject, ClientId), Consent>> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// #[async_trait]
/// impl ConsentStore for Consents {
///     async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
///         self.all().insert((consent.subject.clone(), consent.client_id.clone()), consent.clone());
///         Ok(())
///     }
///     async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
///         Ok(self.all().get(&(subject.clone(), client.clone())).cloned())
///     }
///     async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
///         Ok(self.all().values().filter(|consent| consent.subject == *subject).cloned().collect())
///     }
///     async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
///         Ok(self.all().remove(&(subject.clone(), client.clone())).is_some())
///     }
///     async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
///         let mut all = self.all();
///         let kept = all.len();
///         all.retain(|_, consent| consent.expires_at >= before);
///         Ok((kept - all.len()) as u64)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let client = oauth_core::Client::public("app".parse()?, ["https://app.example/cb".parse()?]);
/// # let now = Timestamp::from_secs(1_700_000_000);
/// # let consent = Consent {
/// #     subject: "alice".parse()?, client_id: client.id.clone(), client_fingerprint: client.consent_fingerprint("https://app.example/cb"),
/// #     scopes: "notes:read".parse()?, resources: "https://mcp.example/mcp".parse::<oauth_core::ResourceUri>()?.into(),
/// #     given_at: now, expires_at: now + std::time::Duration::from_secs(60),
/// # };
/// let store = Consents::default();
/// store.remember(&consent).await?;
/// assert_eq!(store.find(&consent.subject, &consent.client_id).await?.as_ref(), Some(&consent));
/// assert!(store.forget(&consent.subject, &consent.client_id).await?);
/// assert!(store.of_subject(&consent.subject).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait ConsentStore: Send + Sync + 'static {
    /// Remembers a consent in place of the one before for the same subject and client. Atomic; the last writer wins.
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError>;

    /// What the subject agreed to for the client, expired ones included.
    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError>;

    /// All that the subject agreed to. A person has few; there are no pages.
    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError>;

    /// Forgets a consent. Whether there was one.
    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError>;

    /// Forgets consents that expired before `before`. How many.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// What a user agreed to: this client, in this state and answered at this address, for these scopes at these resources.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Client, Consent, ResourceUri, Timestamp};
///
/// let client = Client::public("app".parse()?, ["https://app.example/cb".parse()?]);
/// let now = Timestamp::from_secs(1_700_000_000);
/// let consent = Consent {
///     subject: "alice".parse()?,
///     client_id: client.id.clone(),
///     client_fingerprint: client.consent_fingerprint("https://app.example/cb"),
///     scopes: "notes:read".parse()?,
///     resources: "https://mcp.example/mcp".parse::<ResourceUri>()?.into(),
///     given_at: now,
///     expires_at: now + Duration::from_secs(180 * 86_400),
/// };
/// let shown = client.consent_fingerprint("https://app.example/cb");
/// let covers = |scopes: &str| consent.covers(&shown, &scopes.parse().unwrap(), &consent.resources, now);
/// assert!(covers("notes:read"));
/// assert!(!covers("notes:read notes:write"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who agreed.
    pub subject: Subject,
    /// To which client.
    pub client_id: ClientId,
    /// In which state, and answered where: [`Client::consent_fingerprint`](crate::Client::consent_fingerprint).
    pub client_fingerprint: TokenHash,
    /// To what.
    pub scopes: ScopeSet,
    /// Where.
    pub resources: ResourceSet,
    /// When.
    pub given_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

impl Consent {
    /// Whether it covers a request of the same client: same state, same address, nothing more, in time.
    #[must_use]
    pub fn covers(
        &self,
        fingerprint: &TokenHash,
        scopes: &ScopeSet,
        resources: &ResourceSet,
        now: Timestamp,
    ) -> bool {
        self.client_fingerprint == *fingerprint
            && now < self.expires_at
            && scopes.is_subset(&self.scopes)
            && resources.is_subset(&self.resources)
    }
}
