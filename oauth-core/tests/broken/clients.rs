//! Stores of clients that break one promise each.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, MemoryStore, PageRequest, Registered, StoreError,
    StoredClient, Stores, Timestamp, TokenHash, Version, async_trait,
};
use tokio::task::yield_now;

use crate::Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    LosesMetadata,
    Overwrites,
    IgnoresFingerprints,
    WritesTheTwin,
    HandsOutTheExpired,
    ReplacesTheExpired,
    TakesNoneForAFingerprint,
    HidesTheExpired,
    IgnoresVersions,
    UpdatesWhatIsGone,
    UndoesTheMark,
    UndoesTheEnd,
    RenewsBackwards,
    RenewsWithoutAMark,
    RenewsTheVersion,
    GivesAnEnd,
    RenewsWhatIsUnknown,
    RemovesNothing,
    AlwaysRemoves,
    SkipsBetweenPages,
    TakesZeroToTheLetter,
    IgnoresTheFilter,
    CountsAlikes,
    PurgesWhatEndsNow,
    PurgesWhatIsEndless,
    ChecksThenRegisters,
    ChecksThenUpdates,
}

use Fault as F;

/// Which case must catch which fault.
const TABLE: &[(&str, Fault)] = &[
    ("clients_are_kept_whole", F::LosesMetadata),
    ("a_taken_client_id_is_a_conflict", F::Overwrites),
    ("the_same_client_again_is_the_one_that_is_there", F::IgnoresFingerprints),
    ("the_same_client_again_is_the_one_that_is_there", F::WritesTheTwin),
    ("an_expired_or_removed_client_has_no_twin", F::HandsOutTheExpired),
    ("an_expired_or_removed_client_has_no_twin", F::ReplacesTheExpired),
    ("clients_without_a_fingerprint_have_no_twin", F::TakesNoneForAFingerprint),
    ("expired_clients_are_found", F::HidesTheExpired),
    ("an_update_needs_the_version_that_was_read", F::IgnoresVersions),
    ("an_update_needs_the_version_that_was_read", F::UpdatesWhatIsGone),
    ("an_update_undoes_no_renewal", F::UndoesTheMark),
    ("an_update_undoes_no_renewal", F::UndoesTheEnd),
    ("renewing_never_moves_the_end_back", F::RenewsBackwards),
    ("renewing_never_moves_the_end_back", F::RenewsWithoutAMark),
    ("renewing_never_moves_the_end_back", F::RenewsTheVersion),
    ("renewing_never_moves_the_end_back", F::RenewsWhatIsUnknown),
    ("renewing_gives_no_end_to_what_has_none", F::GivesAnEnd),
    ("removing_a_client_says_whether_there_was_one", F::RemovesNothing),
    ("removing_a_client_says_whether_there_was_one", F::AlwaysRemoves),
    ("clients_are_listed_page_by_page_each_once", F::SkipsBetweenPages),
    ("clients_are_listed_page_by_page_each_once", F::IgnoresTheFilter),
    ("a_page_of_no_clients_is_a_page_of_one", F::TakesZeroToTheLetter),
    ("unused_clients_are_counted", F::IgnoresTheFilter),
    ("unused_clients_are_counted", F::RenewsWithoutAMark),
    ("clients_by_document_are_counted", F::IgnoresTheFilter),
    ("clients_that_ended_are_listed_and_counted", F::IgnoresTheFilter),
    ("clients_by_document_are_counted", F::CountsAlikes),
    ("only_clients_that_ended_are_purged", F::PurgesWhatEndsNow),
    ("only_clients_that_ended_are_purged", F::PurgesWhatIsEndless),
    ("of_many_twins_at_once_one_is_registered", F::ChecksThenRegisters),
    ("of_many_updates_at_once_one_succeeds", F::ChecksThenUpdates),
];

pub(crate) fn broken() -> Vec<Broken> {
    Broken::of(TABLE, stores)
}

pub(crate) fn sound() -> Stores {
    stores(F::None)
}

fn stores(fault: Fault) -> Stores {
    let mut stores = Stores::memory();
    stores.clients = Arc::new(Clients { fault, inner: Arc::new(MemoryStore::default()) });
    stores
}

struct Clients {
    fault: Fault,
    inner: Arc<dyn ClientStore>,
}

impl Clients {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    async fn twins(&self, fingerprint: Option<TokenHash>) -> Vec<Client> {
        let all = self.inner.list(ClientFilter::All, PageRequest::first(10_000)).await.unwrap().items;
        all.into_iter().filter(|client| fingerprint.is_some() && client.fingerprint == fingerprint).collect()
    }

    async fn replace(&self, client: &Client) {
        self.inner.remove(&client.id).await.unwrap();
        assert_eq!(self.inner.register(client, Timestamp::MAX).await.unwrap(), Registered::New);
    }
}

#[async_trait]
impl ClientStore for Clients {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        let mut stored = client.clone();
        match self.fault {
            F::LosesMetadata => stored.extra = None,
            F::Overwrites => drop(self.inner.remove(&client.id).await?),
            F::IgnoresFingerprints => stored.fingerprint = None,
            F::TakesNoneForAFingerprint => drop(stored.fingerprint.get_or_insert(TokenHash::of(""))),
            F::HandsOutTheExpired => {
                if let Some(twin) = self.twins(client.fingerprint).await.pop() {
                    return Ok(Registered::Existing(Box::new(twin)));
                }
            }
            F::ReplacesTheExpired => {
                for twin in self.twins(client.fingerprint).await.iter().filter(|twin| !twin.is_live(now)) {
                    self.inner.remove(&twin.id).await?;
                }
            }
            F::ChecksThenRegisters => {
                if let Some(twin) = self.twins(client.fingerprint).await.pop() {
                    return Ok(Registered::Existing(Box::new(twin)));
                }
                yield_now().await;
                return self.inner.register(&stored, Timestamp::MAX).await;
            }
            _ => {}
        }
        let registered = self.inner.register(&stored, now).await?;
        if self.has(F::WritesTheTwin) && registered != Registered::New {
            stored.fingerprint = None;
            let _ = self.inner.register(&stored, now).await?;
        }
        Ok(registered)
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let now = Timestamp::from_secs(1_800_000_000);
        let hidden = |stored: &StoredClient| self.has(F::HidesTheExpired) && !stored.client.is_live(now);
        Ok(self.inner.find(id).await?.filter(|stored| !hidden(stored)))
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        let stored = self.inner.find(&client.id).await?;
        match stored {
            None if self.has(F::UpdatesWhatIsGone) => {
                self.replace(client).await;
                Ok(read)
            }
            Some(stored) if self.has(F::IgnoresVersions) => self.inner.update(client, stored.version).await,
            Some(stored) if self.has(F::UndoesTheMark) && stored.version == read => {
                let version = self.inner.update(client, read).await?;
                let end = self.inner.find(&client.id).await?.and_then(|stored| stored.client.expires_at);
                let mut undone = client.clone();
                undone.expires_at = end;
                self.replace(&undone).await;
                Ok(version)
            }
            Some(stored) if self.has(F::UndoesTheEnd) && stored.version == read => {
                let mut undone = client.clone();
                undone.used |= stored.client.used;
                self.replace(&undone).await;
                Ok(read)
            }
            Some(stored) if self.has(F::ChecksThenUpdates) && stored.version == read => {
                yield_now().await;
                let newest = self.inner.find(&client.id).await?.map_or(read, |stored| stored.version);
                self.inner.update(client, newest).await
            }
            _ => self.inner.update(client, read).await,
        }
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        let Some(StoredClient { mut client, version, .. }) = self.inner.find(id).await? else {
            return Ok(self.has(F::RenewsWhatIsUnknown));
        };
        match self.fault {
            F::RenewsBackwards => {
                (client.expires_at, client.used) = (Some(until), true);
                self.replace(&client).await;
                Ok(true)
            }
            F::RenewsWithoutAMark => {
                client.expires_at = client.expires_at.max(Some(until));
                self.replace(&client).await;
                Ok(true)
            }
            F::GivesAnEnd => {
                (client.expires_at, client.used) = (client.expires_at.max(Some(until)), true);
                self.replace(&client).await;
                Ok(true)
            }
            F::RenewsTheVersion => {
                let _ = self.inner.update(&client, version).await?;
                self.inner.renew(id, until).await
            }
            _ => self.inner.renew(id, until).await,
        }
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        match self.fault {
            F::RemovesNothing => Ok(self.inner.find(id).await?.is_some()),
            F::AlwaysRemoves => self.inner.remove(id).await.map(|_| true),
            _ => self.inner.remove(id).await,
        }
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let filter = if self.has(F::IgnoresTheFilter) { ClientFilter::All } else { filter };
        if self.has(F::TakesZeroToTheLetter) && page.limit == 0 {
            return Ok(Listing { items: Vec::new(), next: None });
        }
        let skipped = usize::from(self.has(F::SkipsBetweenPages) && page.after.is_some());
        let mut listing = self.inner.list(filter, page).await?;
        listing.items.drain(..skipped);
        Ok(listing)
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        if self.has(F::CountsAlikes) && filter == ClientFilter::Documents {
            let all = self.inner.list(ClientFilter::All, PageRequest::first(10_000)).await?.items;
            return Ok(all.iter().filter(|client| client.id.as_str().starts_with("http")).count() as u64);
        }
        self.inner.count(if self.has(F::IgnoresTheFilter) { ClientFilter::All } else { filter }).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let later = before + Duration::from_millis(u64::from(self.has(F::PurgesWhatEndsNow)));
        if self.has(F::PurgesWhatIsEndless) {
            for client in self.inner.list(ClientFilter::All, PageRequest::first(10_000)).await?.items {
                if client.expires_at.is_none() {
                    self.inner.remove(&client.id).await?;
                }
            }
        }
        self.inner.purge(later).await
    }
}
