//! Who is signed in at which browser.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::Subject;
use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Keeps browser sign-ins. The cookie's value is a secret; the store has its hash.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Begins a session. A taken hash is a [`StoreError::Conflict`].
    async fn begin(&self, session: &Session) -> Result<(), StoreError>;

    /// Finds a session, expired ones included.
    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError>;

    /// Ends a session. Whether there was one.
    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError>;

    /// Ends all sessions of a subject. How many.
    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError>;

    /// Forgets sessions that expired before `before`. How many.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// A browser at which somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The hash of the cookie's value.
    pub key: TokenHash,
    /// Who signed in.
    pub subject: Subject,
    /// When they proved who they are.
    pub auth_time: Timestamp,
    /// When the session ends.
    pub expires_at: Timestamp,
}
