//! A store of clients that is watched: how often it was swept, and what happens just before a client is taken out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient,
    Stores, Timestamp, Version, async_trait,
};
use tokio::sync::oneshot;

/// A store of clients in which calls are seen.
pub(crate) struct Watched {
    inner: Arc<dyn ClientStore>,
    purges: AtomicUsize,
    held: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

/// The same stores, with their clients watched.
pub(crate) fn counted(mut stores: Stores) -> (Stores, Arc<Watched>) {
    let watched = Arc::new(Watched {
        inner: stores.clients.clone(),
        purges: AtomicUsize::new(0),
        held: Mutex::default(),
    });
    stores.clients = watched.clone();
    (stores, watched)
}

impl Watched {
    pub(crate) fn purges(&self) -> usize {
        self.purges.load(Ordering::SeqCst)
    }

    /// Holds the next removal: the one end hears that it has come to it, the other lets it go on.
    pub(crate) fn hold_removal(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((reached, hears), (go, goes_on)) = (oneshot::channel(), oneshot::channel());
        *self.held.lock().unwrap() = Some((reached, goes_on));
        (hears, go)
    }
}

#[async_trait]
impl ClientStore for Watched {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        self.inner.register(client, now).await
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        self.inner.find(id).await
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        self.inner.update(client, read).await
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        self.inner.renew(id, until).await
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        let held = self.held.lock().unwrap().take();
        if let Some((reached, goes_on)) = held {
            reached.send(()).unwrap();
            goes_on.await.unwrap();
        }
        self.inner.remove(id).await
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        self.inner.count(filter).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.inner.purge(before).await
    }
}
