//! The ledger: grants, and the credentials that are spent and issued under them.

use std::time::Duration;

use async_trait::async_trait;

use crate::grant::{Credential, Grant};
use crate::id::{ClientId, GrantId, Subject};
use crate::seal::SealedReply;
use crate::store::error::StoreError;
use crate::store::page::{Listing, PageRequest};
use crate::store::revocations::Revocations;
use crate::time::Timestamp;
use crate::token::{CredentialKey, CredentialKind};

/// Keeps grants and credentials. Redeeming a code and rotating a refresh token are one act: *spend one credential, put others
/// in its place*.
///
/// A caller reads a snapshot with [`find`](Self::find), checks it without a lock, and lets [`exchange`](Self::exchange) alone
/// decide the race. All of a credential but whether it is spent is immutable, so what was checked stays true. A wrong
/// verifier or a wrong client therefore neither burns a code nor revokes a grant; a second *otherwise valid* presentation does.
///
/// All rows of a grant are reached by [`GrantId`]: an engine may shard by it.
///
/// [`MemoryStore`](crate::MemoryStore) is a whole implementation to read; [`store_tests!`](crate::store_tests) holds any other
/// to the same promises.
///
/// Open, find, exchange; and a thief who comes second:
///
/// ```
/// use oauth_core::{Exchange, Exchanged, Stores};
/// # use std::time::Duration;
/// # use oauth_core::{Binding, Credential, CredentialKind, Grant, GrantId, OsEntropy};
/// # use oauth_core::{ResourceSet, ResourceUri, SealedReply, Timestamp, TokenFormat, TokenHash};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let now = Timestamp::from_secs(1_700_000_000);
/// # let grant = Grant {
/// #     id: GrantId::generate(&OsEntropy), subject: "alice".parse()?, subject_kind: Default::default(), client_id: "app".parse()?,
/// #     scopes: "notes:read".parse()?, resources: ResourceSet::from("https://mcp.example/mcp".parse::<ResourceUri>()?),
/// #     issued_at: now, expires_at: now + Duration::from_secs(86_400), auth_time: Some(now), revoked_at: None,
/// # };
/// # let format = TokenFormat::default();
/// # let issue = |kind| {
/// #     let (secret, key) = format.mint(kind, grant.id, &OsEntropy);
/// #     let credential = Credential {
/// #         key, kind, binding: Binding::Bearer, scopes: grant.scopes.clone(), resources: grant.resources.clone(),
/// #         issued_at: now, expires_at: now + Duration::from_secs(60), code: None,
/// #     };
/// #     (secret, credential)
/// # };
/// // `issue` makes a secret and its credential under `grant`.
/// let stores = Stores::memory();
/// let (secret, code) = issue(CredentialKind::AuthorizationCode);
/// let (_, access) = issue(CredentialKind::AccessToken);
/// stores.grants.open(&grant, &[code.clone()]).await?;
///
/// let found = stores.grants.find(&code.key).await?.expect("it was just opened");
/// assert_eq!(found.spent, None);
///
/// let reply = SealedReply::seal(&secret, TokenHash::of("what was asked"), b"the response", &OsEntropy);
/// let exchange = Exchange { spent: &code.key, issued: &[access.clone()], reply, now, grace: Duration::ZERO };
/// assert_eq!(stores.grants.exchange(exchange.clone()).await?, Exchanged::Done);
/// assert_eq!(stores.grants.exchange(exchange).await?, Exchanged::Replayed);
///
/// // The second presentation ended the grant: what the first bought is worth nothing now (OAuth 2.1 §4.1.3).
/// let bought = stores.grants.find(&access.key).await?.expect("it is kept until it is purged");
/// assert!(bought.grant.revoked_at.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait GrantStore: Send + Sync + 'static {
    /// Opens a grant with its first credentials.
    ///
    /// Atomic: the grant and all of `first`, or nothing. A taken grant id or hash is a [`StoreError::Conflict`]; nothing is
    /// overwritten. SQL: `INSERT`s in one transaction.
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError>;

    /// Finds a credential with its grant: spent, expired and revoked ones too, so that the caller can say why it refuses.
    ///
    /// A snapshot. It may be stale on a replica; only `exchange` decides.
    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError>;

    /// Spends a credential and records what it bought; or, if it was spent before, says so.
    ///
    /// One atomic step, whatever runs beside it:
    /// 1. the credential is unknown, or its grant is unknown or revoked → [`Exchanged::Gone`], nothing changes;
    /// 2. it is unspent → it is spent now, the reply and all of `issued` are stored → [`Exchanged::Done`];
    /// 3. it was spent less than `grace` ago (before or after: clocks of two servers differ) for the same
    ///    [`request`](SealedReply::request), and the refresh token that it bought is there and unspent, if it bought one →
    ///    [`Exchanged::Retried`] with the reply of that time, nothing changes;
    /// 4. else the grant is revoked at `now` → [`Exchanged::Replayed`].
    ///
    /// When in doubt, answer `Replayed`: a user signs in again; `Done` twice gives a thief a session. A successor that was purged may have
    /// been spent before: that is such a doubt, and no retry. A hash in `issued` that is
    /// taken is a [`StoreError::Conflict`], and nothing is spent. SQL: `UPDATE … WHERE spent_at IS NULL` in one transaction with
    /// the `INSERT`s, judged by the number of rows. Lua: one script, all keys under the grant's hash tag.
    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError>;

    /// Revokes: from now on nothing under the grant is live. How many grants were live and are not any more.
    ///
    /// Atomic per grant, and one write to it. What is unknown or revoked already counts as zero, and is no error. What has expired at
    /// `now` was not live and counts as zero, but is marked as revoked all the same: another server's clock may be behind.
    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError>;

    /// The grant itself.
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError>;

    /// Grants, newest first is not promised; page by page, each exactly once if nothing is written meanwhile.
    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError>;

    /// How many grants there are, revoked and expired ones included until they are purged.
    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError>;

    /// Forgets credentials that expired before `before`, and grants that expired, or were revoked, before it or have no
    /// credential left. How many records it removed: each grant, and each credential, also those that go along with their grant.
    /// What the engine let go by itself does not count.
    ///
    /// A *spent* credential is kept until its own expiry: it is how a replay is recognised. Sealed replies that are past any
    /// grace may go earlier. Atomic per grant; may work in batches.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Where revocations through this ledger are announced: for caches of what was verified over it. `None`: nowhere.
    ///
    /// [`Stores`](crate::Stores) puts a wrapper that announces around every ledger. An engine has nothing to do; another wrapper around a
    /// ledger of `Stores` hands this on.
    ///
    /// ```
    /// use oauth_core::{GrantStore, MemoryStore, Stores};
    ///
    /// assert!(MemoryStore::default().revocations().is_none());
    /// assert!(Stores::memory().grants.revocations().is_some());
    /// ```
    fn revocations(&self) -> Option<&Revocations> {
        None
    }
}

/// A credential, its grant, and whether it is spent: a snapshot.
///
/// ```
/// use oauth_core::{CredentialStatus, Found, Spent};
/// # use std::time::Duration;
/// # use oauth_core::{Binding, Credential, CredentialKind, Grant, GrantId, OsEntropy};
/// # use oauth_core::{ResourceSet, ResourceUri, Timestamp, TokenFormat};
/// # let now = Timestamp::from_secs(1_700_000_000);
/// # let grant = Grant {
/// #     id: GrantId::generate(&OsEntropy), subject: "alice".parse()?, subject_kind: Default::default(), client_id: "app".parse()?,
/// #     scopes: "notes:read".parse()?, resources: ResourceSet::from("https://mcp.example/mcp".parse::<ResourceUri>()?),
/// #     issued_at: now, expires_at: now + Duration::from_secs(86_400), auth_time: Some(now), revoked_at: None,
/// # };
/// # let format = TokenFormat::default();
/// # let issue = |kind| {
/// #     let (secret, key) = format.mint(kind, grant.id, &OsEntropy);
/// #     let credential = Credential {
/// #         key, kind, binding: Binding::Bearer, scopes: grant.scopes.clone(), resources: grant.resources.clone(),
/// #         issued_at: now, expires_at: now + Duration::from_secs(60), code: None,
/// #     };
/// #     (secret, credential)
/// # };
/// # let (_, credential) = issue(CredentialKind::RefreshToken);
/// let found = Found::new(grant, credential, None);
/// assert_eq!(found.status(now), CredentialStatus::Live);
/// assert_eq!(found.status(now + Duration::from_secs(60)), CredentialStatus::Expired);
///
/// let spent = Found::new(found.grant, found.credential, Some(Spent { at: now }));
/// assert_eq!(spent.status(now), CredentialStatus::Spent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The grant it was issued under.
    pub grant: Grant,
    /// The credential.
    pub credential: Credential,
    /// When it was spent, if it was.
    pub spent: Option<Spent>,
}

impl Found {
    /// A snapshot, made by a store.
    #[must_use]
    pub const fn new(grant: Grant, credential: Credential, spent: Option<Spent>) -> Self {
        Self { grant, credential, spent }
    }

    /// What it is worth at `now`. Revocation of the grant comes first, then the grant's and its own expiry, then being spent.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> CredentialStatus {
        if self.grant.revoked_at.is_some() {
            CredentialStatus::Revoked
        } else if self.credential.is_expired(now) || now >= self.grant.expires_at {
            CredentialStatus::Expired
        } else if self.spent.is_some() {
            CredentialStatus::Spent
        } else {
            CredentialStatus::Live
        }
    }
}

/// When a credential was spent.
///
/// ```
/// use oauth_core::{Spent, Timestamp};
/// assert_eq!(Spent { at: Timestamp::from_secs(1) }.at.as_secs(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The `now` of the exchange.
    pub at: Timestamp,
}

/// What a credential is worth.
///
/// ```
/// use oauth_core::CredentialStatus;
/// assert_ne!(CredentialStatus::Live, CredentialStatus::Spent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialStatus {
    /// It can be used.
    Live,
    /// Its grant was revoked.
    Revoked,
    /// Its time, or its grant's, is over.
    Expired,
    /// It bought something before. `exchange` says whether this is a retry.
    Spent,
}

/// The act: one credential for others.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{CredentialKind, Exchange, GrantId, OsEntropy, SealedReply, Timestamp, TokenFormat, TokenHash};
///
/// let (secret, key) = TokenFormat::default().mint(CredentialKind::RefreshToken, GrantId::generate(&OsEntropy), &OsEntropy);
/// let reply = SealedReply::seal(&secret, TokenHash::of("app, notes:read"), b"{}", &OsEntropy);
/// let now = Timestamp::from_secs(1_700_000_000);
/// let exchange = Exchange { spent: &key, issued: &[], reply: reply.clone(), now, grace: Duration::from_secs(120) };
///
/// // Spent 119 s ago for the same request: a lost reply. 120 s ago: a thief.
/// assert!(exchange.is_retry_of(now.before(Duration::from_secs(119)), &reply));
/// assert!(!exchange.is_retry_of(now.before(Duration::from_secs(120)), &reply));
/// ```
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// What is spent.
    pub spent: &'a CredentialKey,
    /// What is put in its place, all under the same grant; at most one [`CredentialKind::RefreshToken`], the successor.
    pub issued: &'a [Credential],
    /// The reply, for whoever retries.
    pub reply: SealedReply,
    /// The time of the request.
    pub now: Timestamp,
    /// For how long a retry gets the same reply; zero: never.
    pub grace: Duration,
}

impl Exchange<'_> {
    /// The refresh token among what is issued: while it is unspent, a retry is a retry.
    #[must_use]
    pub fn successor(&self) -> Option<&CredentialKey> {
        self.issued
            .iter()
            .find(|credential| credential.kind == CredentialKind::RefreshToken)
            .map(|credential| &credential.key)
    }

    /// Whether something spent at `at` is within the grace window, for the same request as `earlier`. What a store checks
    /// besides: that the successor is unspent.
    #[must_use]
    pub fn is_retry_of(&self, at: Timestamp, earlier: &SealedReply) -> bool {
        let apart = self.now.since(at).max(at.since(self.now));
        apart < self.grace && self.reply.request() == earlier.request()
    }
}

/// How an exchange ended.
///
/// ```
/// use oauth_core::Exchanged;
///
/// /// Whether a reply may leave the house.
/// fn entitles(exchanged: &Exchanged) -> bool {
///     matches!(exchanged, Exchanged::Done | Exchanged::Retried(_))
/// }
/// assert!(entitles(&Exchanged::Done));
/// assert!(!entitles(&Exchanged::Replayed) && !entitles(&Exchanged::Gone));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "only `Done` and `Retried` entitle to a reply"]
pub enum Exchanged {
    /// Spent now; what was issued counts.
    Done,
    /// Spent within the grace window by the same request: the very same reply again. What was issued this time does not count.
    Retried(SealedReply),
    /// Spent before: the grant is now revoked.
    Replayed,
    /// Unknown, or its grant is revoked.
    Gone,
}

/// What to revoke.
///
/// ```
/// use oauth_core::{GrantId, OsEntropy, Revocation};
/// let id = GrantId::generate(&OsEntropy);
/// assert!(matches!(Revocation::Grant(&id), Revocation::Grant(_)));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Revocation<'a> {
    /// One grant.
    Grant(&'a GrantId),
    /// All grants to a client.
    Client(&'a ClientId),
    /// All grants of a subject.
    Subject(&'a Subject),
    /// All grants of a subject to a client.
    SubjectAndClient(&'a Subject, &'a ClientId),
}

/// Which grants to list or count.
///
/// ```
/// use oauth_core::GrantFilter;
/// assert!(matches!(GrantFilter::default(), GrantFilter::All));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum GrantFilter<'a> {
    /// All.
    #[default]
    All,
    /// Those of a subject.
    Subject(&'a Subject),
    /// Those to a client.
    Client(&'a ClientId),
    /// Those that ended before then, until they are purged; when they were revoked does not matter. An operator's question: it may take a
    /// walk over all of them.
    Expired(Timestamp),
}
