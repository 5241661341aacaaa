//! Clients that registered themselves, or were put there by an operator.

use async_trait::async_trait;

use crate::client::Client;
use crate::id::ClientId;
use crate::store::error::StoreError;
use crate::store::page::{Listing, PageRequest};
use crate::time::Timestamp;

/// Keeps clients.
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read.
///
/// ```
/// use oauth_core::{Client, ClientFilter, Registered, StoreError, Stores, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clients = Stores::memory().clients;
/// let now = Timestamp::from_secs(1_700_000_000);
/// let mut client = Client::public("app".parse()?, ["https://app.example/cb".parse()?]);
/// assert_eq!(clients.register(&client, now).await?, Registered::New);
/// assert_eq!(clients.count(ClientFilter::Unused).await?, 1);
///
/// let read = clients.find(&client.id).await?.expect("it was just registered");
/// client.name = Some("App".into());
/// clients.update(&client, read.version).await?;
/// // Who read before that update comes too late.
/// assert!(matches!(clients.update(&client, read.version).await, Err(StoreError::Conflict)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// Registers a client. Never overwrites.
    ///
    /// Atomic: if a client that is live at `now` has the same [`fingerprint`](Client::fingerprint), that one is returned and nothing
    /// is written (DCR-11); of two at once with one fingerprint, one is stored. A taken id is a [`StoreError::Conflict`]. SQL: a
    /// unique index over the fingerprint.
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError>;

    /// Finds a client, expired ones too.
    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError>;

    /// Replaces a client's record.
    ///
    /// Atomic: only if its version is still `read`; else [`StoreError::Conflict`] (also if it is gone), and nothing changes.
    ///
    /// A [renewal](Self::renew) does not change the version, so an update must not undo one that came between: what is marked as
    /// used stays so, and of two ends, the stored and the new one, the later counts. An update can give an end to what has none,
    /// and take it away, but bring none forward.
    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError>;

    /// Marks a client as used and moves its end to `until`, never back. Nothing happens to one that has no end, but for the
    /// mark. Whether there is such a client. Does not change its version.
    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError>;

    /// Removes a client. Whether there was one. Its grants are the caller's to revoke, first.
    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError>;

    /// Clients page by page, each exactly once if nothing is written meanwhile.
    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError>;

    /// How many clients there are. Must be cheap for [`ClientFilter::Unused`], for which every registration asks, and for
    /// [`ClientFilter::Documents`], for which an unknown document does. SQL: an index, and a range of the primary key.
    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError>;

    /// Forgets clients that expired before `before`. How many. An expired client's id is never handed out again: ids are random.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// How a registration ended.
///
/// ```
/// use oauth_core::{Client, Registered, Stores, Timestamp, TokenHash};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clients = Stores::memory().clients;
/// let now = Timestamp::from_secs(1_700_000_000);
/// let mut first = Client::public("first".parse()?, ["https://app.example/cb".parse()?]);
/// first.fingerprint = Some(TokenHash::of("the very same metadata"));
/// let mut second = first.clone();
/// second.id = "second".parse()?;
/// assert_eq!(clients.register(&first, now).await?, Registered::New);
/// assert_eq!(clients.register(&second, now).await?, Registered::Existing(Box::new(first)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Registered {
    /// Stored.
    New,
    /// The very same client was there before, under this record.
    Existing(Box<Client>),
}

/// A client's record and its version.
///
/// ```
/// use oauth_core::{Client, StoredClient, Version};
///
/// let client = Client::public("app".parse()?, ["https://app.example/cb".parse()?]);
/// let stored = StoredClient::new(client, Version(3));
/// assert_eq!(stored.version, Version(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredClient {
    /// The record.
    pub client: Client,
    /// What to hand to [`ClientStore::update`].
    pub version: Version,
}

impl StoredClient {
    /// A record, made by a store.
    #[must_use]
    pub const fn new(client: Client, version: Version) -> Self {
        Self { client, version }
    }
}

/// How often a record was replaced.
///
/// ```
/// use oauth_core::Version;
/// assert!(Version(1) < Version(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// Which clients to list or count.
///
/// ```
/// use oauth_core::ClientFilter;
/// assert_ne!(ClientFilter::All, ClientFilter::Unused);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClientFilter {
    /// All.
    #[default]
    All,
    /// Those that were never used, expired ones included until they are purged.
    Unused,
    /// Those whose identifier is the URL of a metadata document ([`ClientId::is_url`]), used or not.
    Documents,
    /// Those that ended before then, until they are purged. An operator's question: it may take a walk over all of them.
    Expired(Timestamp),
}
