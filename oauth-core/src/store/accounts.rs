//! Users, and the identities by which they sign in.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::{ProviderId, Subject};
use crate::store::error::StoreError;
use crate::time::Timestamp;

/// Keeps users and their identities at providers.
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read.
///
/// ```
/// use oauth_core::{Account, Identity, StoreError, Stores, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let accounts = Stores::memory().accounts;
/// let github = Identity { provider: "github".parse()?, id: "583231".into() };
/// let account = Account { subject: "alice".parse()?, name: None, created_at: Timestamp::from_secs(1), disabled: false };
/// accounts.open(&account, &github).await?;
/// // Of two first sign-ins at once one wins, and the other finds the account.
/// assert!(matches!(accounts.open(&account, &github).await, Err(StoreError::Conflict)));
/// assert_eq!(accounts.find_by_identity(&github).await?, Some(account.clone()));
///
/// let passphrase = Identity { provider: "passphrase".parse()?, id: "alice".into() };
/// accounts.link(&account.subject, &passphrase).await?;
/// assert_eq!(accounts.first_verifier(&passphrase, "a hash").await?, "a hash");
/// assert_eq!(accounts.first_verifier(&passphrase, "another").await?, "a hash");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Opens an account with its first identity. A taken subject or identity is a [`StoreError::Conflict`], and nothing is
    /// written: of two first sign-ins at once one wins, and the other finds the account.
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError>;

    /// The account of a subject.
    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError>;

    /// The account that an identity belongs to.
    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError>;

    /// Adds an identity to an account. Taken by whomever, or no such account: [`StoreError::Conflict`].
    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError>;

    /// Replaces an account's record: its name, or whether it is disabled. Whether there is one.
    async fn update(&self, account: &Account) -> Result<bool, StoreError>;

    /// What a provider of our own keeps to recognise somebody: a passphrase's hash, passkeys. Never a secret in clear.
    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError>;

    /// Sets what [`verifier`](Self::verifier) returns. Atomic; the last writer wins.
    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError>;

    /// Sets it only if there is none, and returns what is there afterwards: of two servers that start at once, both go on with
    /// one.
    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError>;
}

/// A user.
///
/// ```
/// use oauth_core::{Account, Timestamp};
/// let account = Account { subject: "owner".parse()?, name: Some("Owner".into()), created_at: Timestamp::from_secs(1), disabled: false };
/// assert!(!account.disabled);
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is: in `sub`.
    pub subject: Subject,
    /// What to call them on pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the account was opened.
    pub created_at: Timestamp,
    /// A disabled account can do nothing: no sign-in, no refresh (REF-10).
    #[serde(default)]
    pub disabled: bool,
}

/// Somebody at a provider, by what the provider never gives to another (UP-7): not a name, not a mail address.
///
/// ```
/// use oauth_core::Identity;
/// let identity = Identity { provider: "github".parse()?, id: "583231".into() };
/// assert_eq!(identity.provider.as_str(), "github");
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Which provider.
    pub provider: ProviderId,
    /// The provider's immutable identifier.
    pub id: String,
}
