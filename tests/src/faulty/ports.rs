//! Every port, passed on.

use oauth_core::{
    Account, AccountStore, Client, ClientFilter, ClientId, ClientStore, Consent, ConsentStore, Credential,
    CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore, Identity, KeyPurpose,
    KeyStore, LimitKey, Listing, PageRequest, Quota, RateLimiter, Registered, ReplayGuard, Revocation,
    Revocations, Session, SessionStore, StoreError, StoredClient, StoredKey, Subject, Timestamp, TokenHash,
    Vault, VaultKey, Verdict, Version, async_trait,
};

use super::FaultyStore;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: GrantStore> GrantStore for FaultyStore<B> {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        self.call("grants.open", GrantStore::open(&*self.inner, grant, first)).await
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        self.call("grants.find", GrantStore::find(&*self.inner, key)).await
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        self.call("grants.exchange", GrantStore::exchange(&*self.inner, exchange)).await
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        self.call("grants.revoke", GrantStore::revoke(&*self.inner, what, now)).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.call("grants.grant", GrantStore::grant(&*self.inner, id)).await
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        self.call("grants.list", GrantStore::list(&*self.inner, filter, page)).await
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        self.call("grants.count", GrantStore::count(&*self.inner, filter)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("grants.purge", GrantStore::purge(&*self.inner, before)).await
    }

    fn revocations(&self) -> Option<&Revocations> {
        GrantStore::revocations(&*self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: ClientStore> ClientStore for FaultyStore<B> {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        self.call("clients.register", ClientStore::register(&*self.inner, client, now)).await
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        self.call("clients.find", ClientStore::find(&*self.inner, id)).await
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        self.call("clients.update", ClientStore::update(&*self.inner, client, read)).await
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        self.call("clients.renew", ClientStore::renew(&*self.inner, id, until)).await
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        self.call("clients.remove", ClientStore::remove(&*self.inner, id)).await
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        self.call("clients.list", ClientStore::list(&*self.inner, filter, page)).await
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        self.call("clients.count", ClientStore::count(&*self.inner, filter)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("clients.purge", ClientStore::purge(&*self.inner, before)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: ConsentStore> ConsentStore for FaultyStore<B> {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        self.call("consents.remember", ConsentStore::remember(&*self.inner, consent)).await
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        self.call("consents.find", ConsentStore::find(&*self.inner, subject, client)).await
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        self.call("consents.of_subject", ConsentStore::of_subject(&*self.inner, subject)).await
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        self.call("consents.forget", ConsentStore::forget(&*self.inner, subject, client)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("consents.purge", ConsentStore::purge(&*self.inner, before)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: AccountStore> AccountStore for FaultyStore<B> {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        self.call("accounts.open", AccountStore::open(&*self.inner, account, identity)).await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        self.call("accounts.find", AccountStore::find(&*self.inner, subject)).await
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        self.call("accounts.find_by_identity", AccountStore::find_by_identity(&*self.inner, identity)).await
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        self.call("accounts.link", AccountStore::link(&*self.inner, subject, identity)).await
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        self.call("accounts.update", AccountStore::update(&*self.inner, account)).await
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        self.call("accounts.verifier", AccountStore::verifier(&*self.inner, identity)).await
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        self.call("accounts.set_verifier", AccountStore::set_verifier(&*self.inner, identity, value)).await
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        self.call("accounts.first_verifier", AccountStore::first_verifier(&*self.inner, identity, value))
            .await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: SessionStore> SessionStore for FaultyStore<B> {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        self.call("sessions.begin", SessionStore::begin(&*self.inner, session)).await
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        self.call("sessions.find", SessionStore::find(&*self.inner, key)).await
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        self.call("sessions.end", SessionStore::end(&*self.inner, key)).await
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        self.call("sessions.end_all", SessionStore::end_all(&*self.inner, subject)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("sessions.purge", SessionStore::purge(&*self.inner, before)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: ReplayGuard> ReplayGuard for FaultyStore<B> {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        self.call("replay.first_use", ReplayGuard::first_use(&*self.inner, key, until, now)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("replay.purge", ReplayGuard::purge(&*self.inner, before)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: RateLimiter> RateLimiter for FaultyStore<B> {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.call("limits.hit", RateLimiter::hit(&*self.inner, key, quota, now)).await
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.call("limits.peek", RateLimiter::peek(&*self.inner, key, quota, now)).await
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        self.call("limits.reset", RateLimiter::reset(&*self.inner, key)).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.call("limits.purge", RateLimiter::purge(&*self.inner, before)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: KeyStore> KeyStore for FaultyStore<B> {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.call("keys.keys", KeyStore::keys(&*self.inner, purpose)).await
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        self.call("keys.first", KeyStore::first(&*self.inner, candidate)).await
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.call("keys.add", KeyStore::add(&*self.inner, key)).await
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.call("keys.retire", KeyStore::retire(&*self.inner, purpose, id, at)).await
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        self.call("keys.remove", KeyStore::remove(&*self.inner, purpose, id)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Vault> Vault for FaultyStore<B> {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        self.call("vault.put", Vault::put(&*self.inner, key, sealed)).await
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.call("vault.get", Vault::get(&*self.inner, key)).await
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        self.call("vault.replace", Vault::replace(&*self.inner, key, read, sealed)).await
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        self.call("vault.forget", Vault::forget(&*self.inner, key)).await
    }
}
