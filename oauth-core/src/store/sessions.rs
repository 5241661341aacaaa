//! Who is signed in at which browser.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::Subject;
use crate::secret::TokenHash;
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Keeps browser sign-ins. The cookie's value is a secret; the store has its hash.
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{OsEntropy, Secret, Session, Stores, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let sessions = Stores::memory().sessions;
/// let (cookie, now) = (Secret::generate(&OsEntropy), Timestamp::from_secs(1_700_000_000));
/// let session = Session { key: cookie.hash(), subject: "alice".parse()?, auth_time: now, expires_at: now + Duration::from_secs(43_200) };
/// sessions.begin(&session).await?;
/// assert_eq!(sessions.find(&cookie.hash()).await?, Some(session));
/// assert!(sessions.end(&cookie.hash()).await?);
/// assert_eq!(sessions.find(&cookie.hash()).await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
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
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{OsEntropy, Secret, Session, Timestamp};
///
/// let cookie = Secret::generate(&OsEntropy);
/// let now = Timestamp::from_secs(1_700_000_000);
/// let session = Session { key: cookie.hash(), subject: "alice".parse()?, auth_time: now, expires_at: now + Duration::from_secs(60) };
/// // The store has the hash: whoever reads it cannot make the cookie.
/// assert!(session.key.matches(cookie.expose()));
/// # Ok::<(), oauth_core::IdError>(())
/// ```
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
