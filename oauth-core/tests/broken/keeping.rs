//! Stores of consents, sessions and sealed tokens that break one promise each.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    ClientId, Consent, ConsentStore, MemoryStore, ProviderId, Session, SessionStore, StoreError, Stores,
    Subject, Timestamp, TokenHash, Vault, VaultKey, async_trait,
};

use crate::Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    // consents
    IgnoresTheClient,
    KeepsTheFirstConsent,
    KeepsOneConsentASubject,
    ForgetsAllOfTheSubject,
    AlwaysForgets,
    // sessions
    HidesTheExpired,
    OverwritesSessions,
    AlwaysEnds,
    EndsNothing,
    EndsOneOfAll,
    // vault
    KeepsText,
    IgnoresTheProvider,
    ForgetsNothing,
    ReplacesWhateverIsThere,
    ReplacesWhereNothingIs,
    ReadsThenReplaces,
    // all
    PurgesWhatEndsNow,
    PurgesNothing,
}

use Fault as F;

/// Which case must catch which fault.
const TABLE: &[(&str, Fault)] = &[
    ("a_consent_is_kept_whole_for_its_subject_and_client", F::IgnoresTheClient),
    ("a_consent_is_kept_whole_for_its_subject_and_client", F::KeepsOneConsentASubject),
    ("a_consent_takes_the_place_of_the_one_before", F::KeepsTheFirstConsent),
    ("a_subject_sees_all_they_agreed_to", F::KeepsOneConsentASubject),
    ("forgetting_a_consent_says_whether_there_was_one", F::ForgetsAllOfTheSubject),
    ("forgetting_a_consent_says_whether_there_was_one", F::AlwaysForgets),
    ("only_consents_that_expired_are_purged", F::PurgesWhatEndsNow),
    ("only_consents_that_expired_are_purged", F::PurgesNothing),
    ("a_session_is_kept_whole_after_its_end_too", F::HidesTheExpired),
    ("a_taken_session_is_a_conflict", F::OverwritesSessions),
    ("ending_a_session_says_whether_there_was_one", F::AlwaysEnds),
    ("ending_a_session_says_whether_there_was_one", F::EndsNothing),
    ("all_sessions_of_a_subject_end", F::EndsOneOfAll),
    ("all_sessions_of_a_subject_end", F::EndsNothing),
    ("only_sessions_that_expired_are_purged", F::PurgesWhatEndsNow),
    ("only_sessions_that_expired_are_purged", F::PurgesNothing),
    ("what_is_sealed_is_kept_byte_for_byte", F::KeepsText),
    ("a_vault_has_a_place_for_each_subject_and_provider", F::IgnoresTheProvider),
    ("replacing_what_is_sealed_needs_what_was_read", F::ReplacesWhateverIsThere),
    ("replacing_what_is_sealed_needs_what_was_read", F::ReplacesWhereNothingIs),
    ("of_many_replacements_at_once_one_succeeds", F::ReplacesWhateverIsThere),
    ("of_many_replacements_at_once_one_succeeds", F::ReadsThenReplaces),
    ("forgetting_what_is_sealed_says_whether_there_was_something", F::ForgetsNothing),
    ("forgetting_what_is_sealed_says_whether_there_was_something", F::AlwaysForgets),
];

pub(crate) fn broken() -> Vec<Broken> {
    Broken::of(TABLE, stores)
}

pub(crate) fn sound() -> Stores {
    stores(F::None)
}

fn stores(fault: Fault) -> Stores {
    let mut stores = Stores::memory();
    stores.consents = Arc::new(Keeping { fault, inner: stores.consents });
    stores.sessions =
        Arc::new(Keeping { fault, inner: Arc::new(MemoryStore::default()) as Arc<dyn SessionStore> });
    stores.vault = Arc::new(Keeping { fault, inner: stores.vault });
    stores
}

struct Keeping<S: ?Sized> {
    fault: Fault,
    inner: Arc<S>,
}

impl<S: ?Sized> Keeping<S> {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Before when to purge; `None`: not at all.
    fn purges(&self, before: Timestamp) -> Option<Timestamp> {
        let later = Duration::from_millis(u64::from(self.has(F::PurgesWhatEndsNow)));
        (!self.has(F::PurgesNothing)).then(|| before + later)
    }
}

#[async_trait]
impl ConsentStore for Keeping<dyn ConsentStore> {
    async fn remember(&self, consent: &Consent) -> Result<(), StoreError> {
        let before = self.inner.find(&consent.subject, &consent.client_id).await?;
        if self.has(F::KeepsTheFirstConsent) && before.is_some() {
            return Ok(());
        }
        if self.has(F::KeepsOneConsentASubject) {
            for other in self.inner.of_subject(&consent.subject).await? {
                self.inner.forget(&other.subject, &other.client_id).await?;
            }
        }
        self.inner.remember(consent).await
    }

    async fn find(&self, subject: &Subject, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        if self.has(F::IgnoresTheClient) {
            return Ok(self.inner.of_subject(subject).await?.pop());
        }
        self.inner.find(subject, client).await
    }

    async fn of_subject(&self, subject: &Subject) -> Result<Vec<Consent>, StoreError> {
        self.inner.of_subject(subject).await
    }

    async fn forget(&self, subject: &Subject, client: &ClientId) -> Result<bool, StoreError> {
        if self.has(F::ForgetsAllOfTheSubject) {
            for other in
                self.inner.of_subject(subject).await?.iter().filter(|other| other.client_id != *client)
            {
                self.inner.forget(subject, &other.client_id).await?;
            }
        }
        Ok(self.inner.forget(subject, client).await? || self.has(F::AlwaysForgets))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        match self.purges(before) {
            Some(before) => self.inner.purge(before).await,
            None => Ok(0),
        }
    }
}

#[async_trait]
impl SessionStore for Keeping<dyn SessionStore> {
    async fn begin(&self, session: &Session) -> Result<(), StoreError> {
        if self.has(F::OverwritesSessions) {
            self.inner.end(&session.key).await?;
        }
        self.inner.begin(session).await
    }

    async fn find(&self, key: &TokenHash) -> Result<Option<Session>, StoreError> {
        let now = Timestamp::from_secs(1_800_000_000);
        let shown = |session: &Session| !self.has(F::HidesTheExpired) || now < session.expires_at;
        Ok(self.inner.find(key).await?.filter(shown))
    }

    async fn end(&self, key: &TokenHash) -> Result<bool, StoreError> {
        if self.has(F::EndsNothing) {
            return Ok(self.inner.find(key).await?.is_some());
        }
        Ok(self.inner.end(key).await? || self.has(F::AlwaysEnds))
    }

    async fn end_all(&self, subject: &Subject) -> Result<u64, StoreError> {
        match self.inner.end_all(subject).await? {
            ended if self.has(F::EndsOneOfAll) => Ok(ended.min(1)),
            ended => Ok(ended),
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        match self.purges(before) {
            Some(before) => self.inner.purge(before).await,
            None => Ok(0),
        }
    }
}

impl Keeping<dyn Vault> {
    fn place(&self, key: &VaultKey) -> VaultKey {
        let everywhere: ProviderId = "everywhere".parse().unwrap();
        let provider = if self.has(F::IgnoresTheProvider) { everywhere } else { key.provider.clone() };
        VaultKey { provider, subject: key.subject.clone() }
    }
}

#[async_trait]
impl Vault for Keeping<dyn Vault> {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        let text = String::from_utf8_lossy(sealed);
        let sealed = if self.has(F::KeepsText) { text.as_bytes() } else { sealed };
        self.inner.put(&self.place(key), sealed).await
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(&self.place(key)).await
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        let (key, kept) = (self.place(key), self.inner.get(&self.place(key)).await?);
        if self.has(F::ReadsThenReplaces) {
            tokio::task::yield_now().await;
        }
        let blindly = match &kept {
            Some(_) if self.has(F::ReplacesWhateverIsThere) => true,
            Some(kept) => self.has(F::ReadsThenReplaces) && kept == read,
            None => self.has(F::ReplacesWhereNothingIs),
        };
        if blindly {
            self.inner.put(&key, sealed).await?;
            return Ok(true);
        }
        self.inner.replace(&key, read, sealed).await
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        if self.has(F::ForgetsNothing) {
            return Ok(self.inner.get(&self.place(key)).await?.is_some());
        }
        Ok(self.inner.forget(&self.place(key)).await? || self.has(F::AlwaysForgets))
    }
}
