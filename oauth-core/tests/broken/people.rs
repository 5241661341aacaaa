//! Stores of accounts that break one promise each.

use std::sync::Arc;

use oauth_core::{Account, AccountStore, Identity, StoreError, Stores, Subject, async_trait};
use tokio::task::yield_now;

use crate::Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    LosesNames,
    IgnoresCase,
    IgnoresSpaces,
    IgnoresTheProvider,
    LinksAtAConflict,
    OpensAtAConflict,
    LinksNothing,
    LinksTheTakenSilently,
    UpdatesWhatIsUnknown,
    AlwaysUpdates,
    KeepsTheFirstVerifier,
    SharesVerifiers,
    ReplacesTheFirstVerifier,
    AnswersWithTheCandidate,
    ChecksThenOpens,
    ChecksThenSets,
}

use Fault as F;

/// Which case must catch which fault.
const TABLE: &[(&str, Fault)] = &[
    ("an_account_is_found_by_subject_and_by_identity", F::LosesNames),
    ("an_identity_is_provider_and_identifier_to_the_letter", F::IgnoresCase),
    ("an_identity_is_provider_and_identifier_to_the_letter", F::IgnoresSpaces),
    ("an_identity_is_provider_and_identifier_to_the_letter", F::IgnoresTheProvider),
    ("a_taken_subject_or_identity_opens_no_account", F::LinksAtAConflict),
    ("a_taken_subject_or_identity_opens_no_account", F::OpensAtAConflict),
    ("a_linked_identity_leads_to_the_account", F::LinksNothing),
    ("a_taken_identity_is_not_linked", F::LinksTheTakenSilently),
    ("updating_an_account_says_whether_there_is_one", F::UpdatesWhatIsUnknown),
    ("updating_an_account_says_whether_there_is_one", F::AlwaysUpdates),
    ("the_last_verifier_that_was_set_counts", F::KeepsTheFirstVerifier),
    ("the_last_verifier_that_was_set_counts", F::SharesVerifiers),
    ("a_first_verifier_replaces_none", F::ReplacesTheFirstVerifier),
    ("a_first_verifier_replaces_none", F::AnswersWithTheCandidate),
    ("of_many_first_sign_ins_at_once_one_opens_the_account", F::ChecksThenOpens),
    ("of_many_first_verifiers_at_once_all_get_one", F::ChecksThenSets),
];

pub(crate) fn broken() -> Vec<Broken> {
    Broken::of(TABLE, stores)
}

pub(crate) fn sound() -> Stores {
    stores(F::None)
}

fn stores(fault: Fault) -> Stores {
    let mut stores = Stores::memory();
    stores.accounts = Arc::new(Accounts { fault, inner: stores.accounts });
    stores
}

struct Accounts {
    fault: Fault,
    inner: Arc<dyn AccountStore>,
}

impl Accounts {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// As whom the store takes somebody.
    fn taken_for(&self, identity: &Identity) -> Identity {
        let mut identity = identity.clone();
        match self.fault {
            F::IgnoresCase => identity.id.make_ascii_lowercase(),
            F::IgnoresSpaces => identity.id = identity.id.trim().to_owned(),
            F::IgnoresTheProvider => identity.provider = "any".parse().unwrap(),
            _ => {}
        }
        identity
    }

    fn place(&self, identity: &Identity) -> Identity {
        let shared = self.has(F::SharesVerifiers).then(|| "shared".to_owned());
        Identity { id: shared.unwrap_or_else(|| identity.id.clone()), ..identity.clone() }
    }
}

#[async_trait]
impl AccountStore for Accounts {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        let mut account = account.clone();
        let identity = self.taken_for(identity);
        if self.has(F::LosesNames) {
            account.name = None;
        }
        if self.has(F::ChecksThenOpens) {
            if self.inner.find_by_identity(&identity).await?.is_some() {
                return Err(StoreError::Conflict);
            }
            yield_now().await;
            let _ = self.inner.open(&account, &identity).await;
            return Ok(());
        }
        let opened = self.inner.open(&account, &identity).await;
        if opened.is_err() {
            if self.has(F::LinksAtAConflict) {
                let _ = self.inner.link(&account.subject, &identity).await;
            }
            if self.has(F::OpensAtAConflict) {
                let other = Identity { id: format!("{} again", identity.id), ..identity };
                let _ = self.inner.open(&account, &other).await;
            }
        }
        opened
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        self.inner.find(subject).await
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        self.inner.find_by_identity(&self.taken_for(identity)).await
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        if self.has(F::LinksNothing) {
            return Ok(());
        }
        let linked = self.inner.link(subject, &self.taken_for(identity)).await;
        if self.has(F::LinksTheTakenSilently) { Ok(()) } else { linked }
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        let updated = self.inner.update(account).await?;
        if !updated && self.has(F::UpdatesWhatIsUnknown) {
            let identity = Identity { provider: "none".parse().unwrap(), id: account.subject.to_string() };
            self.inner.open(account, &identity).await?;
        }
        Ok(updated || self.has(F::AlwaysUpdates))
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        self.inner.verifier(&self.place(identity)).await
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        if self.has(F::KeepsTheFirstVerifier) {
            return self.inner.first_verifier(identity, value).await.map(drop);
        }
        self.inner.set_verifier(&self.place(identity), value).await
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        match self.fault {
            F::ReplacesTheFirstVerifier => {
                let first = self.inner.first_verifier(identity, value).await?;
                self.inner.set_verifier(identity, value).await?;
                Ok(first)
            }
            F::AnswersWithTheCandidate => {
                let _ = self.inner.first_verifier(identity, value).await?;
                Ok(value.to_owned())
            }
            F::ChecksThenSets => {
                if let Some(first) = self.inner.verifier(identity).await? {
                    return Ok(first);
                }
                yield_now().await;
                self.inner.set_verifier(identity, value).await?;
                Ok(value.to_owned())
            }
            _ => self.inner.first_verifier(&self.place(identity), value).await,
        }
    }
}
