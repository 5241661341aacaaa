//! Tokens taken out of the vault, and renewed there by one of all who ask, in this process and in others.
//!
//! A refresh token is often good once, and whoever spends it twice may lose the user's connection at the third party. So:
//!
//! 1. Before it is spent, a lease is taken, by compare-and-set, in the value that is kept. Who finds one uses the old access token as long as it is good, else
//!    comes again.
//! 2. What was begun is not broken off with the tool that happened to begin it ([`Connection::spawn`]).
//! 3. What was bought is kept in place of what was leased. If the vault fails, it is in this process for the next who asks, and handed out.
//! 4. What was refused is removed, if it is still what is kept: not what the user has connected meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;

use super::kept::{Kept, LEASE, Plain};
use crate::connection::{Connection, ConnectionFault, Presented};
use crate::fetch::SingleFlight;
use crate::id::Subject;
use crate::secret::{Secret, TokenHash};
use crate::store::{StoreError, VaultKey};
use crate::time::Timestamp;
use crate::vault::{SealedVault, VaultFault};

/// For how many users tokens may be renewed at once, or wait to be kept.
const MAX_FLIGHTS: usize = 4096;
/// How often is looked again at what another server replaces meanwhile, and tried to keep what was bought.
const ATTEMPTS: usize = 4;
/// For how long a third party is left alone that could not be asked.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) type Found = Result<Option<Arc<Secret>>, ConnectionFault>;

pub(super) struct Accounts {
    pub(super) connection: Box<dyn Connection>,
    vault: SealedVault,
    flights: SingleFlight<Subject, Found>,
    unsaved: Mutex<HashMap<Subject, Unsaved>>,
}

/// What was bought and could not be kept yet, and what it takes the place of.
#[derive(Clone)]
struct Unsaved {
    leased: Plain,
    next: Plain,
}

/// What is there for a user.
enum Look {
    Nothing,
    Good(Arc<Secret>),
    /// Somebody is renewing it, and the old one is over.
    Leased(Duration),
    Due {
        read: Plain,
        tokens: Secret,
        meanwhile: Option<Arc<Secret>>,
    },
}

impl Accounts {
    pub(super) fn new(connection: Box<dyn Connection>, vault: SealedVault) -> Self {
        Self { connection, vault, flights: SingleFlight::new(MAX_FLIGHTS), unsaved: Mutex::default() }
    }

    pub(super) async fn keep(&self, subject: &Subject, tokens: &Secret) -> Result<(), StoreError> {
        self.unsaved().remove(subject);
        self.vault.put(&self.place(subject), &Kept::plain(tokens, Timestamp::default())).await
    }

    pub(super) async fn forget(&self, subject: &Subject) -> Result<bool, StoreError> {
        self.unsaved().remove(subject);
        self.vault.forget(&self.place(subject)).await
    }

    /// The token for `subject`, which is not the one that was refused.
    pub(super) async fn find(
        self: &Arc<Self>,
        subject: &Subject,
        refused: Option<TokenHash>,
        now: Timestamp,
    ) -> Found {
        // Who joins a flight that knew of no refusal may get what was refused.
        for _ in 0..2 {
            match self.look(subject, refused.as_ref(), now).await? {
                Look::Nothing => return Ok(None),
                Look::Good(token) => return Ok(Some(token)),
                // Whoever renews it may be in this process.
                Look::Leased(_) | Look::Due { .. } => {}
            }
            let found = self.in_background(subject, refused, now).await?;
            if !found.as_ref().is_some_and(|token| is(token, refused.as_ref())) {
                return Ok(found);
            }
        }
        Err(ConnectionFault::unavailable("the third party gives out a token that it refuses"))
    }

    async fn in_background(
        self: &Arc<Self>,
        subject: &Subject,
        refused: Option<TokenHash>,
        now: Timestamp,
    ) -> Found {
        let (teller, told) = oneshot::channel();
        let (accounts, subject) = (self.clone(), subject.clone());
        self.connection.spawn(Box::pin(async move {
            let renew = accounts.renew(&subject, refused, now);
            let found = accounts.flights.run(subject.clone(), renew).await;
            // Whether somebody still waits does not matter.
            let _ = teller.send(found.unwrap_or_else(|busy| Err(ConnectionFault::unavailable(busy))));
        }));
        told.await.unwrap_or_else(|_| Err(ConnectionFault::unavailable("the renewal was broken off")))
    }

    async fn renew(&self, subject: &Subject, refused: Option<TokenHash>, now: Timestamp) -> Found {
        let place = self.place(subject);
        for _ in 0..ATTEMPTS {
            let (read, tokens, meanwhile) = match self.look(subject, refused.as_ref(), now).await? {
                Look::Nothing => return Ok(None),
                Look::Good(token) => return Ok(Some(token)),
                Look::Leased(left) => return Err(ConnectionFault::renewing(left)),
                Look::Due { read, tokens, meanwhile } => (read, tokens, meanwhile),
            };
            // Near is not over.
            let or_old = |fault| meanwhile.clone().map_or(Err(fault), |token| Ok(Some(token)));
            let leased = Kept::plain(&tokens, now + LEASE);
            match self.vault.replace(&place, &read, &leased).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(fault) => return or_old(fault.into()),
            }
            match self.connection.renew(&tokens, now).await {
                Ok(bought) => {
                    let is_ours = self.save(subject, leased, &bought).await;
                    let presented = self.connection.present(&bought, now);
                    if let (true, Presented::Good(token) | Presented::Aging(token)) = (is_ours, presented) {
                        return Ok(Some(Arc::new(token)));
                    }
                }
                // It may have been spent by somebody who has kept what it bought: then that is looked at.
                Err(ConnectionFault::Refused(_)) => {
                    if self.vault.replace(&place, &leased, &Kept::none()).await? {
                        return Ok(None);
                    }
                }
                Err(fault) => {
                    // If that fails, the lease is a longer pause.
                    let _ = self.vault.replace(&place, &leased, &Kept::plain(&tokens, now + PAUSE)).await;
                    return or_old(fault);
                }
            }
        }
        Err(ConnectionFault::unavailable("the tokens change faster than they can be read"))
    }

    /// Keeps what was bought in place of what was leased. Whether nobody else has the say: a vault that fails has nothing newer.
    async fn save(&self, subject: &Subject, leased: Plain, bought: &Secret) -> bool {
        let next = Kept::plain(bought, Timestamp::default());
        let place = self.place(subject);
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            match self.vault.replace(&place, &leased, &next).await {
                Ok(is_kept) => return is_kept,
                Err(fault) => failed = Some(fault),
            }
        }
        if let Some(fault) = failed {
            let error = &fault as &dyn std::error::Error;
            tracing::error!(at = %self.connection.id(), error, "renewed tokens cannot be kept now");
        }
        let mut unsaved = self.unsaved();
        if unsaved.len() < MAX_FLIGHTS || unsaved.contains_key(subject) {
            unsaved.insert(subject.clone(), Unsaved { leased, next });
        }
        true
    }

    async fn look(
        &self,
        subject: &Subject,
        refused: Option<&TokenHash>,
        now: Timestamp,
    ) -> Result<Look, ConnectionFault> {
        let Some(read) = self.read(subject).await? else { return Ok(Look::Nothing) };
        let Some(kept) = Kept::read(&read) else {
            tracing::error!(at = %self.connection.id(), "kept tokens cannot be read: the user is asked again");
            return Ok(Look::Nothing);
        };
        let left = kept.leased_for(now);
        let Some(tokens) = kept.tokens else { return Ok(Look::Nothing) };
        let presented = match self.connection.present(&tokens, now) {
            Presented::Good(token) | Presented::Aging(token) if is(&token, refused) => Presented::Ended,
            presented => presented,
        };
        Ok(match (presented, left) {
            (Presented::Good(token), _) | (Presented::Aging(token), Some(_)) => Look::Good(Arc::new(token)),
            (Presented::Aging(token), None) => Look::Due { read, tokens, meanwhile: Some(Arc::new(token)) },
            (Presented::Ended, Some(left)) => Look::Leased(left),
            (Presented::Ended, None) => Look::Due { read, tokens, meanwhile: None },
            (Presented::Useless, _) => Look::Nothing,
        })
    }

    /// What is kept, or was bought here and is to be kept.
    async fn read(&self, subject: &Subject) -> Result<Option<Plain>, ConnectionFault> {
        let place = self.place(subject);
        let unsaved = self.unsaved().get(subject).cloned();
        let read = match (self.vault.get(&place).await, &unsaved) {
            (Ok(read), _) => read,
            (Err(VaultFault::Store(_)), Some(unsaved)) => return Ok(Some(unsaved.next.clone())),
            (Err(fault @ VaultFault::Store(_)), None) => return Err(fault.into()),
            // Nobody will ever open it: the user can put another in its place.
            (Err(fault), _) => {
                let error = &fault as &dyn std::error::Error;
                tracing::error!(at = %self.connection.id(), error, "kept tokens do not open: the user is asked again");
                return Ok(None);
            }
        };
        let Some(unsaved) = unsaved else { return Ok(read) };
        // Another server, once our lease was over, may have been refused with what we had spent.
        let before = read.as_ref().filter(|read| **read == unsaved.leased || **read == Kept::none());
        if let Some(before) = before {
            match self.vault.replace(&place, before, &unsaved.next).await {
                Ok(true) => {}
                Ok(false) => return Err(ConnectionFault::renewing(PAUSE)),
                Err(_) => return Ok(Some(unsaved.next)),
            }
        }
        let mut all = self.unsaved();
        if all.get(subject).is_some_and(|now| now.next == unsaved.next) {
            all.remove(subject);
        }
        Ok(if before.is_some() { Some(unsaved.next) } else { read })
    }

    fn place(&self, subject: &Subject) -> VaultKey {
        VaultKey { subject: subject.clone(), provider: self.connection.id().clone() }
    }

    /// Nothing under this lock can panic halfway through a change.
    fn unsaved(&self) -> MutexGuard<'_, HashMap<Subject, Unsaved>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is(token: &Secret, refused: Option<&TokenHash>) -> bool {
    refused.is_some_and(|refused| refused.matches(token.expose()))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::connection::{Background, ConnectionReply, Departure};
    use crate::scope::ScopeSet;
    use crate::{ProviderId, Stores, VaultKeyring};

    /// A third party whose tokens have always ended, in a process that has no time for them.
    struct Hurried(ProviderId, ScopeSet);

    #[async_trait]
    impl Connection for Hurried {
        fn id(&self) -> &ProviderId {
            &self.0
        }

        fn label(&self) -> &str {
            "Hurried"
        }

        fn issuer(&self) -> &str {
            "https://hurried.example"
        }

        fn scopes(&self) -> &ScopeSet {
            &self.1
        }

        async fn begin(&self, _: &str, _: Timestamp) -> Result<Departure, ConnectionFault> {
            Err(ConnectionFault::Refused("nobody goes"))
        }

        async fn finish(&self, _: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> {
            Err(ConnectionFault::Refused("nobody comes"))
        }

        fn present(&self, _: &Secret, _: Timestamp) -> Presented {
            Presented::Ended
        }

        async fn renew(&self, _: &Secret, _: Timestamp) -> Result<Secret, ConnectionFault> {
            Err(ConnectionFault::Refused("never asked"))
        }

        fn spawn(&self, work: Background) {
            drop(work);
        }
    }

    #[tokio::test]
    async fn work_that_is_broken_off_is_an_outage_and_keeps_nobody_waiting() {
        let hurried = Hurried("hurried".parse().unwrap(), ScopeSet::empty());
        let keys = VaultKeyring::new("1", &[7; 32]).unwrap();
        let accounts =
            Arc::new(Accounts::new(Box::new(hurried), SealedVault::new(Stores::memory().vault, keys)));
        let alice = "alice".parse().unwrap();
        accounts.keep(&alice, &Secret::new("spent".to_owned())).await.unwrap();
        let found = accounts.find(&alice, None, Timestamp::from_secs(1_700_000_000)).await;
        assert!(found.is_err_and(|fault| fault.retry_after().is_some()));
    }
}
