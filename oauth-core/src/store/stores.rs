//! The bundle of ports that a server is built over.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use crate::grant::{Credential, Grant};
use crate::id::GrantId;
use crate::memory::MemoryStore;
use crate::store::{
    AccountStore, ClientStore, ConsentStore, Exchange, Exchanged, Found, GrantFilter, GrantStore, KeyStore,
    Listing, PageRequest, RateLimiter, ReplayGuard, Revocation, Revocations, SessionStore, StoreError, Vault,
};
use crate::time::Timestamp;
use crate::token::CredentialKey;

/// A database that implements every port.
///
/// ```
/// fn takes_a_backend(_: impl oauth_core::Backend) {}
/// takes_a_backend(oauth_core::MemoryStore::default());
/// ```
pub trait Backend:
    GrantStore
    + ClientStore
    + ConsentStore
    + AccountStore
    + SessionStore
    + ReplayGuard
    + RateLimiter
    + KeyStore
    + Vault
{
}

impl<S> Backend for S where
    S: GrantStore
        + ClientStore
        + ConsentStore
        + AccountStore
        + SessionStore
        + ReplayGuard
        + RateLimiter
        + KeyStore
        + Vault
{
}

/// The ports that a server is built over, usually all of one database. Cloning shares them.
///
/// Each can be replaced by another, the ledger by [`with_grants`](Self::with_grants).
///
/// ```
/// use oauth_core::{GrantFilter, Stores};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let stores = Stores::memory();
/// assert_eq!(stores.grants.count(GrantFilter::All).await?, 0);
/// # Ok::<(), oauth_core::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Stores {
    /// The ledger, which announces what is revoked through it.
    pub grants: Ledger,
    /// Registered clients.
    pub clients: Arc<dyn ClientStore>,
    /// What users agreed to.
    pub consents: Arc<dyn ConsentStore>,
    /// Users.
    pub accounts: Arc<dyn AccountStore>,
    /// Browser sign-ins.
    pub sessions: Arc<dyn SessionStore>,
    /// What may happen once.
    pub replay: Arc<dyn ReplayGuard>,
    /// What may not happen too often.
    pub limits: Arc<dyn RateLimiter>,
    /// Keys that servers share.
    pub keys: Arc<dyn KeyStore>,
    /// Upstream tokens.
    pub vault: Arc<dyn Vault>,
}

impl Stores {
    /// All ports of one database. Revocations through [`grants`](Self::grants) are announced to [`revocations`](Self::revocations).
    #[must_use]
    pub fn new(backend: impl Backend) -> Self {
        let backend = Arc::new(backend);
        Self {
            grants: Ledger::over(backend.clone(), Revocations::default()),
            clients: backend.clone(),
            consents: backend.clone(),
            accounts: backend.clone(),
            sessions: backend.clone(),
            replay: backend.clone(),
            limits: backend.clone(),
            keys: backend.clone(),
            vault: backend,
        }
    }

    /// Everything in memory: for tests, and for servers that may forget.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(MemoryStore::default())
    }

    /// Another ledger in place of the one that is there. What is revoked through it is announced where it was before.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use oauth_core::{GrantId, MemoryStore, OsEntropy, Revocation, Stores, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let stores = Stores::memory();
    /// let revocations = stores.revocations().clone();
    /// let stores = stores.with_grants(Arc::new(MemoryStore::default()));
    ///
    /// let grant = GrantId::generate(&OsEntropy);
    /// let epoch = revocations.epoch(Some(&grant));
    /// stores.grants.revoke(Revocation::Grant(&grant), Timestamp::from_secs(1)).await?;
    /// assert!(!revocations.is_current(epoch));
    /// # Ok::<(), oauth_core::StoreError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_grants(mut self, grants: Arc<dyn GrantStore>) -> Self {
        self.grants = Ledger::over(grants, self.grants.revocations);
        self
    }

    /// What was revoked through this bundle and its clones: for caches of verified tokens.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.grants.revocations
    }

    /// Forgets in every store what ended before `before`. How many records. Call it now and then; several servers may.
    ///
    /// # Errors
    /// The first store's that fails; the others are purged the next time.
    pub async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.grants.purge(before).await?
            + self.clients.purge(before).await?
            + self.consents.purge(before).await?
            + self.sessions.purge(before).await?
            + self.replay.purge(before).await?
            + self.limits.purge(before).await?)
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// A [`GrantStore`] whose revocations are announced: that of [`Stores`], and nobody else makes one. So no ledger gets in there whose
/// revocations would be lost on the caches.
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::{GrantStore, Stores};
///
/// let stores = Stores::memory();
/// let shared: Arc<dyn GrantStore> = stores.grants.into();
/// assert!(shared.revocations().is_some());
/// ```
///
/// ```compile_fail,E0308
/// use std::sync::Arc;
/// use oauth_core::{MemoryStore, Stores};
///
/// let mut stores = Stores::memory();
/// stores.grants = Arc::new(MemoryStore::default());
/// ```
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn GrantStore>,
    revocations: Revocations,
}

impl Ledger {
    fn over<S: GrantStore + ?Sized>(inner: Arc<S>, revocations: Revocations) -> Self {
        Self { store: Arc::new(Announcing { inner, revocations: revocations.clone() }), revocations }
    }
}

impl Deref for Ledger {
    type Target = dyn GrantStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl From<Ledger> for Arc<dyn GrantStore> {
    fn from(ledger: Ledger) -> Self {
        ledger.store
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// What announces.
struct Announcing<S: ?Sized> {
    revocations: Revocations,
    inner: Arc<S>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: GrantStore + ?Sized> GrantStore for Announcing<S> {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        self.inner.open(grant, first).await
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        self.inner.find(key).await
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let grant = exchange.spent.grant;
        let exchanged = self.inner.exchange(exchange).await;
        // After a failure nobody knows: caches ask again.
        if !matches!(exchanged, Ok(Exchanged::Done | Exchanged::Retried(_))) {
            self.revocations.announce(Some(&grant));
        }
        exchanged
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let revoked = self.inner.revoke(what, now).await;
        match what {
            Revocation::Grant(grant) => self.revocations.announce(Some(grant)),
            _ => self.revocations.announce(None),
        }
        revoked
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.inner.grant(id).await
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        self.inner.count(filter).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.purge(before).await
    }

    fn revocations(&self) -> Option<&Revocations> {
        Some(&self.revocations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn a_ledger_says_where_its_revocations_are_announced() {
        let stores = Stores::memory();
        let other = stores.clone().with_grants(Arc::new(MemoryStore::default()));
        let grant = GrantId::generate(&OsEntropy);
        for ledger in [&stores.grants, &other.grants] {
            let epoch = stores.revocations().epoch(Some(&grant));
            ledger.revocations().unwrap().announce(Some(&grant));
            assert!(!stores.revocations().is_current(epoch));
        }
        assert!(MemoryStore::default().revocations().is_none());
    }
}
