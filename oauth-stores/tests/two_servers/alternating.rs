//! Two servers whose calls alternate.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_core::{
    Account, AccountStore, Backend, Client, ClientFilter, ClientId, ClientStore, Consent, ConsentStore,
    Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore, Identity,
    KeyPurpose, KeyStore, LimitKey, Listing, PageRequest, Quota, RateLimiter, Registered, ReplayGuard,
    Revocation, Revocations, Session, SessionStore, StoreError, StoredClient, StoredKey, Subject, Timestamp,
    TokenHash, Vault, VaultKey, Verdict, Version,
};

/// Every call goes to the other server than the one before.
pub(crate) struct Alternating<S> {
    servers: [S; 2],
    calls: AtomicUsize,
}

impl<S> Alternating<S> {
    pub(crate) fn new(servers: [S; 2]) -> Self {
        Self { servers, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &S {
        &self.servers[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> GrantStore for Alternating<S> {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        GrantStore::open(self.next(), grant, first).await
    }
    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        GrantStore::find(self.next(), key).await
    }
    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        self.next().exchange(exchange).await
    }
    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        self.next().revoke(what, now).await
    }
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.next().grant(id).await
    }
    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        GrantStore::list(self.next(), filter, page).await
    }
    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        GrantStore::count(self.next(), filter).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        GrantStore::purge(self.next(), before).await
    }
    fn revocations(&self) -> Option<&Revocations> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> ReplayGuard for Alternating<S> {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        self.next().first_use(key, until, now).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        ReplayGuard::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> RateLimiter for Alternating<S> {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.next().hit(key, quota, now).await
    }
    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.next().peek(key, quota, now).await
    }
    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        self.next().reset(key).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        RateLimiter::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> KeyStore for Alternating<S> {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.next().keys(purpose).await
    }
    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        self.next().first(candidate).await
    }
    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.next().add(key).await
    }
    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.next().retire(purpose, id, at).await
    }
    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        KeyStore::remove(self.next(), purpose, id).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> ClientStore for Alternating<S> {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        ClientStore::register(self.next(), client, now).await
    }
    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        ClientStore::find(self.next(), id).await
    }
    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        ClientStore::update(self.next(), client, read).await
    }
    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        ClientStore::renew(self.next(), id, until).await
    }
    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        ClientStore::remove(self.next(), id).await
    }
    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        ClientStore::list(self.next(), filter, page).await
    }
    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        ClientStore::count(self.next(), filter).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        ClientStore::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> AccountStore for Alternating<S> {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        AccountStore::open(self.next(), account, identity).await
    }
    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        AccountStore::find(self.next(), subject).await
    }
    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        AccountStore::find_by_identity(self.next(), identity).await
    }
    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        AccountStore::link(self.next(), subject, identity).await
    }
    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        AccountStore::update(self.next(), account).await
    }
    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        AccountStore::verifier(self.next(), identity).await
    }
    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        AccountStore::set_verifier(self.next(), identity, value).await
    }
    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        AccountStore::first_verifier(self.next(), identity, value).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> SessionStore for Alternating<S> {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        SessionStore::begin(self.next(), session).await
    }
    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        SessionStore::find(self.next(), key).await
    }
    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        SessionStore::end(self.next(), key).await
    }
    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        SessionStore::end_all(self.next(), subject).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        SessionStore::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> ConsentStore for Alternating<S> {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        ConsentStore::remember(self.next(), consent).await
    }
    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        ConsentStore::find(self.next(), subject, client).await
    }
    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        ConsentStore::of_subject(self.next(), subject).await
    }
    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        ConsentStore::forget(self.next(), subject, client).await
    }
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        ConsentStore::purge(self.next(), before).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Backend> Vault for Alternating<S> {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        Vault::put(self.next(), key, sealed).await
    }
    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        Vault::get(self.next(), key).await
    }
    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        Vault::replace(self.next(), key, read, sealed).await
    }
    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        Vault::forget(self.next(), key).await
    }
}
