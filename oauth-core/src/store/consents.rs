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

/// What a user agreed to: this client, in this state, for these scopes at these resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who agreed.
    pub subject: Subject,
    /// To which client.
    pub client_id: ClientId,
    /// In which state: [`Client::consent_fingerprint`](crate::Client::consent_fingerprint).
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
    /// Whether it covers a request of the same client: same state, nothing more, in time.
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
