//! Callers as they are: they open, redeem, refresh, ask twice at once, ask again after an outage, replay and revoke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oauth_core::testing::FixedClock;
use oauth_core::{
    Binding, Clock as _, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Grant, GrantId,
    GrantStore, OsEntropy, ResourceUri, Revocation, SealedReply, StoreError, Stores, SubjectKind, TokenHash,
    random,
};
use oauth_stores::testing::{History, Recorder};

const GRACE: Duration = Duration::from_secs(120);

/// For how long a caller asks again what was answered by an outage.
const PATIENCE: Duration = Duration::from_secs(30);

/// Callers that are under way. Each exchange that is answered counts.
#[derive(Clone)]
pub(crate) struct Load {
    store: Arc<Recorder>,
    clock: FixedClock,
    answered: Arc<AtomicUsize>,
    outages: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    most: usize,
}

/// The callers, to be waited for.
pub(crate) struct Callers {
    pub(crate) load: Load,
    tasks: tokio::task::JoinSet<()>,
}

impl Load {
    pub(crate) fn new(stores: &Stores, history: &History, clock: &FixedClock, most: usize) -> Self {
        Self {
            store: Arc::new(history.of(stores.grants.clone().into())),
            clock: clock.clone(),
            answered: Arc::default(),
            outages: Arc::default(),
            stop: Arc::default(),
            most,
        }
    }

    pub(crate) fn start(self, callers: usize) -> Callers {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let load = self.clone();
            tasks.spawn(async move {
                while !load.is_over() {
                    load.session().await;
                }
            });
        }
        Callers { load: self, tasks }
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// How many calls were answered by an outage.
    pub(crate) fn outages(&self) -> usize {
        self.outages.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.answered() >= self.most || self.stop.load(Ordering::SeqCst)
    }

    /// Waits until so many exchanges were answered.
    pub(crate) async fn until_answered(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(240);
        while self.answered() < count.min(self.most) && !self.is_over() {
            assert!(Instant::now() < deadline, "{} of {count} exchanges in 240 s", self.answered());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many calls were answered by an outage.
    pub(crate) async fn until_outages(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.outages() < count && !self.is_over() {
            assert!(Instant::now() < deadline, "{} of {count} outages in 60 s", self.outages());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// One user's grant, from the code to whatever ends it.
    async fn session(&self) {
        let grant = self.grant();
        let code = self.credential(&grant, CredentialKind::AuthorizationCode);
        if self.store.open(&grant, std::slice::from_ref(&code)).await.is_err() {
            // A user who does not get in begins anew, with a new grant.
            self.outages.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            return;
        }
        let [chance] = random::<1>(&OsEntropy);
        let Some(mut held) = self.trade(&grant, &code.key, Duration::ZERO).await else { return };
        let mut spent = None;
        for round in 0..3 {
            let next = if (chance >> round) & 1 == 0 {
                self.trade(&grant, &held, GRACE).await
            } else {
                // Two processes of one client.
                let (one, other) =
                    tokio::join!(self.trade(&grant, &held, GRACE), self.trade(&grant, &held, GRACE));
                one.or(other)
            };
            let Some(next) = next else { return };
            spent = Some(std::mem::replace(&mut held, next));
            if self.is_over() {
                return;
            }
        }
        match chance >> 5 {
            // The user revokes, while the client refreshes.
            0 => {
                let now = self.clock.now();
                let revoking = self.store.revoke(Revocation::Grant(&grant.id), now);
                let (_, _) = tokio::join!(revoking, self.trade(&grant, &held, GRACE));
                let _ = self.trade(&grant, &held, GRACE).await;
            }
            // A thief presents what the client has used.
            1 => {
                let stolen = spent.expect("three rounds were");
                let issued = [self.credential(&grant, CredentialKind::RefreshToken)];
                let reply = SealedReply::from_parts(TokenHash::of("thief"), *issued[0].key.hash.as_bytes());
                let _ = self.ask(&stolen, &issued, reply, GRACE).await;
                let _ = self.trade(&grant, &held, GRACE).await;
            }
            _ => {}
        }
    }

    /// Exchanges, again and again for as long as there is an outage. The refresh token that it buys.
    async fn trade(&self, grant: &Grant, spent: &CredentialKey, grace: Duration) -> Option<CredentialKey> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let issued = [
                self.credential(grant, CredentialKind::AccessToken),
                self.credential(grant, CredentialKind::RefreshToken),
            ];
            let successor = issued[1].key;
            // The reply is what the client learns: the name of its next token.
            let reply = SealedReply::from_parts(TokenHash::of("client"), *successor.hash.as_bytes());
            match self.ask(spent, &issued, reply, grace).await {
                Ok(Exchanged::Done) => return Some(successor),
                Ok(Exchanged::Retried(reply)) => {
                    let hash = TokenHash::from_bytes(reply.sealed().try_into().unwrap());
                    return Some(CredentialKey { grant: grant.id, hash });
                }
                Ok(_) => return None,
                Err(_) if self.stop.load(Ordering::SeqCst) || Instant::now() > deadline => return None,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn ask(
        &self,
        spent: &CredentialKey,
        issued: &[Credential],
        reply: SealedReply,
        grace: Duration,
    ) -> Result<Exchanged, StoreError> {
        let now = self.clock.now();
        let result = self.store.exchange(Exchange { spent, issued, reply, now, grace }).await;
        let counter = if result.is_ok() { &self.answered } else { &self.outages };
        counter.fetch_add(1, Ordering::SeqCst);
        result
    }

    fn grant(&self) -> Grant {
        Grant {
            id: GrantId::generate(&OsEntropy),
            subject: "alice".parse().unwrap(),
            subject_kind: SubjectKind::User,
            client_id: "app".parse().unwrap(),
            scopes: "notes:read notes:write".parse().unwrap(),
            resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
            issued_at: self.clock.now(),
            expires_at: self.clock.now() + Duration::from_secs(90 * 86_400),
            auth_time: Some(self.clock.now()),
            revoked_at: None,
        }
    }

    fn credential(&self, grant: &Grant, kind: CredentialKind) -> Credential {
        Credential {
            key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
            kind,
            binding: Binding::Bearer,
            scopes: grant.scopes.clone(),
            resources: grant.resources.clone(),
            issued_at: self.clock.now(),
            expires_at: self.clock.now() + Duration::from_secs(86_400),
            code: None,
        }
    }
}

impl Callers {
    /// Waits for all of them.
    pub(crate) async fn end(mut self) -> Load {
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.load
    }
}
