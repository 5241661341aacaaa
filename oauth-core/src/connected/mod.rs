//! Accounts elsewhere: their tokens, kept sealed, and renewed when they are taken out.

mod kept;
mod renewal;

use std::fmt;
use std::sync::Arc;

use self::renewal::Accounts;
use crate::claims::Claims;
use crate::connection::{Connection, ConnectionFault};
use crate::grant::SubjectKind;
use crate::id::Subject;
use crate::issuer::Issuer;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::time::Timestamp;
use crate::vault::SealedVault;

/// The accounts of all users at one third party. Cloning shares it: the server puts tokens in, a tool takes them out, in the same process or
/// in another over the same vault.
///
/// ```
/// # use oauth_core::{Connection, ConnectionFault, ConnectionReply, Departure, Presented, ProviderId, ScopeSet, async_trait};
/// # struct Weather(ProviderId, ScopeSet);
/// # #[async_trait]
/// # impl Connection for Weather {
/// #     fn id(&self) -> &ProviderId { &self.0 }
/// #     fn label(&self) -> &str { "Weather" }
/// #     fn issuer(&self) -> &str { "https://weather.example" }
/// #     fn scopes(&self) -> &ScopeSet { &self.1 }
/// #     async fn begin(&self, _: &str, _: Timestamp) -> Result<Departure, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
/// #     async fn finish(&self, _: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
/// #     fn present(&self, kept: &Secret, _: Timestamp) -> Presented { Presented::Good(Secret::new(kept.expose().into())) }
/// #     async fn renew(&self, _: &Secret, _: Timestamp) -> Result<Secret, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
/// #     fn spawn(&self, work: oauth_core::Background) { tokio::spawn(work); }
/// # }
/// use oauth_core::{Claims, ConnectedAccounts, SealedVault, Secret, Stores, Timestamp, VaultKeyring};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let weather = Weather("weather".parse()?, ScopeSet::empty()); // the example of `Connection` is a whole one
/// let vault = SealedVault::new(Stores::memory().vault, VaultKeyring::new("2026-11", &[7; 32])?);
/// let accounts = ConnectedAccounts::new("https://as.example".parse()?, weather, vault);
/// let now = Timestamp::from_secs(1_700_000_000);
/// let alice = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, now); // in a tool: `authorized.claims()`
///
/// assert!(accounts.token_for(&alice, now).await?.is_none(), "she is to be asked");
/// accounts.keep(&alice.subject, &Secret::new("wx_secret".into())).await?; // the server does, once she has permitted it
/// let token = accounts.token_for(&alice, now).await?.unwrap();
/// assert_eq!(token.expose(), "wx_secret");
///
/// // The third party answered 401: is there another one?
/// assert!(accounts.refused(&alice, &token, now).await?.is_none(), "she is to be asked");
///
/// let elsewhere = Claims::new("https://other.example", alice.subject, alice.client_id, now);
/// assert!(matches!(accounts.token_for(&elsewhere, now).await, Err(ConnectionFault::OtherIssuer)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ConnectedAccounts {
    issuer: Issuer,
    accounts: Arc<Accounts>,
}

impl ConnectedAccounts {
    /// The accounts at `connection` of the users of `issuer`, the authorization server that connects them. Their tokens are kept in `vault`,
    /// which is that server's.
    #[must_use]
    pub fn new(issuer: Issuer, connection: impl Connection, vault: SealedVault) -> Self {
        Self { issuer, accounts: Arc::new(Accounts::new(Box::new(connection), vault)) }
    }

    /// Whose users have them.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The third party.
    #[must_use]
    pub fn connection(&self) -> &dyn Connection {
        &*self.accounts.connection
    }

    /// Keeps what [`Connection::finish`] brought, in place of what was there. For the server, which knows whose it is.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep(&self, subject: &Subject, kept: &Secret) -> Result<(), StoreError> {
        self.accounts.keep(subject, kept).await
    }

    /// The token to present for `caller`, renewed if it is near its end: by one request, however many tools and servers ask at once, which
    /// goes on to its end even if this call does not. `None`: there is none, or the third party takes it no more; the user is to be asked.
    ///
    /// # Errors
    /// [`ConnectionFault::OtherIssuer`] and [`ConnectionFault::NoUser`]: nobody is to be asked, the tool is not for this caller. Else
    /// nothing is known, and the user need not be asked: see [`ConnectionFault::retry_after`].
    pub async fn token_for(
        &self,
        caller: &Claims,
        now: Timestamp,
    ) -> Result<Option<Arc<Secret>>, ConnectionFault> {
        self.accounts.find(self.user(caller)?, None, now).await
    }

    /// The token to present instead of `token`, which the third party did not take (401): one that was kept meanwhile, or a renewed one.
    /// `None`: there is none, what was kept is kept no more, and the user is to be asked. Once for each call of a tool: what is refused
    /// again is not mended by asking again.
    ///
    /// # Errors
    /// As [`token_for`](Self::token_for).
    pub async fn refused(
        &self,
        caller: &Claims,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Option<Arc<Secret>>, ConnectionFault> {
        self.accounts.find(self.user(caller)?, Some(token.hash()), now).await
    }

    /// Forgets what is kept for `subject`. Whether there was something. The third party still has what it issued.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, subject: &Subject) -> Result<bool, StoreError> {
        self.accounts.forget(subject).await
    }

    /// Another issuer's `alice` is not ours, nor is a client that calls itself so.
    fn user<'a>(&self, caller: &'a Claims) -> Result<&'a Subject, ConnectionFault> {
        if *caller.issuer != *self.issuer.as_str() {
            return Err(ConnectionFault::OtherIssuer);
        }
        match caller.subject_kind {
            SubjectKind::User => Ok(&caller.subject),
            _ => Err(ConnectionFault::NoUser),
        }
    }
}

impl fmt::Debug for ConnectedAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedAccounts").field("at", self.connection().id()).finish_non_exhaustive()
    }
}
