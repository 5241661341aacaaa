//! Accounts elsewhere: their tokens, kept sealed, and renewed when they are taken out.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::connection::{Connection, ConnectionFault, Presented};
use crate::fetch::SingleFlight;
use crate::id::Subject;
use crate::secret::Secret;
use crate::store::{StoreError, VaultKey};
use crate::time::Timestamp;
use crate::vault::{SealedVault, VaultFault};

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
/// #     async fn present(&self, kept: &Secret, _: Timestamp) -> Result<Presented, ConnectionFault> {
/// #         Ok(Presented::new(Secret::new(kept.expose().into())))
/// #     }
/// # }
/// use oauth_core::{ConnectedAccounts, SealedVault, Secret, Stores, Subject, Timestamp, VaultKeyring};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let weather = Weather("weather".parse()?, ScopeSet::empty()); // the example of `Connection` is a whole one
/// let vault = SealedVault::new(Stores::memory().vault, VaultKeyring::new("2026-11", &[7; 32])?);
/// let accounts = ConnectedAccounts::new(weather, vault);
/// let (alice, now): (Subject, _) = ("alice".parse()?, Timestamp::from_secs(1_700_000_000));
///
/// assert!(accounts.token_for(&alice, now).await?.is_none(), "she is to be asked");
/// accounts.keep(&alice, &Secret::new("wx_secret".into())).await?; // the server does, once she has permitted it
/// assert_eq!(accounts.token_for(&alice, now).await?.unwrap().expose(), "wx_secret");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ConnectedAccounts(Arc<Inner>);

struct Inner {
    connection: Box<dyn Connection>,
    vault: SealedVault,
    flights: SingleFlight<Subject, Found>,
}

type Found = Result<Option<Arc<Secret>>, ConnectionFault>;

/// For how many users tokens may be looked up at once.
const MAX_FLIGHTS: usize = 4096;
/// How often is looked again at what another server replaces meanwhile.
const ATTEMPTS: usize = 4;

impl ConnectedAccounts {
    /// The accounts at `connection`, whose tokens are kept in `vault`.
    #[must_use]
    pub fn new(connection: impl Connection, vault: SealedVault) -> Self {
        let flights = SingleFlight::new(MAX_FLIGHTS);
        Self(Arc::new(Inner { connection: Box::new(connection), vault, flights }))
    }

    /// The third party.
    #[must_use]
    pub fn connection(&self) -> &dyn Connection {
        &*self.0.connection
    }

    /// Keeps what [`Connection::finish`] brought, in place of what was there.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep(&self, subject: &Subject, kept: &Secret) -> Result<(), StoreError> {
        self.0.vault.put(&self.0.place(subject), kept.expose().as_bytes()).await
    }

    /// The token to present for `subject`, renewed if it is near its end: by one request, however many tools ask at once. `None`: there is
    /// none, or the third party takes it no more; the user is to be asked.
    ///
    /// # Errors
    /// [`ConnectionFault`]: nothing is known, and the user need not be asked.
    pub async fn token_for(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Option<Arc<Secret>>, ConnectionFault> {
        let found = self.0.flights.run(subject.clone(), self.0.find(subject, now)).await;
        found.unwrap_or_else(|busy| Err(ConnectionFault::unavailable(busy)))
    }

    /// Forgets what is kept for `subject`. Whether there was something. The third party still has what it issued.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, subject: &Subject) -> Result<bool, StoreError> {
        self.0.vault.forget(&self.0.place(subject)).await
    }
}

impl Inner {
    fn place(&self, subject: &Subject) -> VaultKey {
        VaultKey { subject: subject.clone(), provider: self.connection.id().clone() }
    }

    async fn find(&self, subject: &Subject, now: Timestamp) -> Found {
        let place = self.place(subject);
        let mut refused: Option<Zeroizing<Vec<u8>>> = None;
        for _ in 0..ATTEMPTS {
            let Some(read) = self.vault.get(&place).await? else { return Ok(None) };
            // A refresh token is often good once: it may be refused because another server has just spent it, and kept what it bought.
            if refused.as_ref().is_some_and(|refused| **refused == **read) {
                return Ok(None);
            }
            let text = std::str::from_utf8(&read).map_err(|_| VaultFault::Damaged)?;
            let (token, keep) = match self.connection.present(&Secret::new(text.to_owned()), now).await {
                Ok(Presented { token, keep }) => (token, keep),
                Err(ConnectionFault::Refused(_)) => {
                    refused = Some(read);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let is_kept = match keep {
                Some(keep) => self.vault.replace(&place, &read, keep.expose().as_bytes()).await?,
                None => true,
            };
            if is_kept {
                return Ok(Some(Arc::new(token)));
            }
        }
        Err(ConnectionFault::unavailable("the tokens change faster than they can be read"))
    }
}

impl fmt::Debug for ConnectedAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedAccounts").field("at", self.0.connection.id()).finish_non_exhaustive()
    }
}
