//! What the cases act with: records, the act of an exchange, and a race.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use crate::entropy::{OsEntropy, random};
use crate::grant::{Binding, CodeBinding, Credential, Grant, SubjectKind, Thumbprint};
use crate::id::{ClientId, GrantId, Subject};
use crate::pkce::CodeChallenge;
use crate::resource::{ResourceSet, ResourceUri};
use crate::seal::SealedReply;
use crate::secret::TokenHash;
use crate::store::{CredentialStatus, Exchange, Exchanged, Found, GrantStore, StoreError};
use crate::time::Timestamp;
use crate::token::{CredentialKey, CredentialKind};

/// When the cases play.
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// For how long a retry is a retry.
pub(super) const GRACE: Duration = Duration::from_secs(120);

/// How many run at once in a race, and how often it is run: a racy store wins some rounds.
pub(super) const RACERS: usize = 64;
pub(super) const ROUNDS: usize = 30;

/// What a store answered, if it did not fail.
pub(super) trait Answered<T> {
    fn answered(self) -> T;
}

impl<T> Answered<T> for Result<T, StoreError> {
    #[track_caller]
    fn answered(self) -> T {
        match self {
            Ok(answer) => answer,
            Err(error) => panic!("the store failed where it must not: {error:?}"),
        }
    }
}

/// Holds a store to a `Conflict`.
#[track_caller]
pub(super) fn assert_conflict<T>(result: Result<T, StoreError>, promise: &str) {
    match result {
        Err(StoreError::Conflict) => {}
        Err(other) => panic!("{promise}: this is a `Conflict`, not {other:?}"),
        Ok(_) => panic!("{promise}: this is a `Conflict`, not a success"),
    }
}

pub(super) fn subject() -> Subject {
    Subject::generate(&OsEntropy)
}

pub(super) fn client_id() -> ClientId {
    ClientId::generate(&OsEntropy)
}

pub(super) fn hash() -> TokenHash {
    TokenHash::from_bytes(random(&OsEntropy))
}

pub(super) fn resources(uri: &str) -> ResourceSet {
    ResourceSet::from(uri.parse::<ResourceUri>().expect("the kit's own text is a resource"))
}

/// A grant of somebody to some client, for 90 days.
pub(super) fn grant() -> Grant {
    grant_of(&subject(), &client_id())
}

pub(super) fn grant_of(subject: &Subject, client: &ClientId) -> Grant {
    Grant {
        id: GrantId::generate(&OsEntropy),
        subject: subject.clone(),
        subject_kind: SubjectKind::User,
        client_id: client.clone(),
        scopes: ["notes:read", "notes:write"].into_iter().collect(),
        resources: resources("https://mcp.example/mcp"),
        issued_at: NOW,
        expires_at: NOW + 90 * DAY,
        auth_time: Some(NOW.before(MINUTE)),
        revoked_at: None,
    }
}

/// A new credential under a grant: a code for ten minutes, an access token for an hour, a refresh token for thirty days.
pub(super) fn credential(kind: CredentialKind, grant: &Grant) -> Credential {
    let code = (kind == CredentialKind::AuthorizationCode).then(|| {
        Box::new(CodeBinding {
            issuer: "https://as.example".parse().expect("an issuer"),
            redirect_uri: "http://127.0.0.1:49152/callback".into(),
            challenge: CodeChallenge::from_bytes(random(&OsEntropy)),
            nonce: Some("n-0S6_WzA2Mj".into()),
            dpop_jkt: Some(Thumbprint::from_bytes(random(&OsEntropy))),
        })
    });
    let life = match kind {
        CredentialKind::AuthorizationCode | CredentialKind::DeviceCode => 10 * MINUTE,
        CredentialKind::AccessToken => HOUR,
        CredentialKind::RefreshToken => 30 * DAY,
    };
    Credential {
        key: CredentialKey { grant: grant.id, hash: hash() },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + life,
        code,
    }
}

pub(super) fn code(grant: &Grant) -> Credential {
    credential(CredentialKind::AuthorizationCode, grant)
}

pub(super) fn access(grant: &Grant) -> Credential {
    credential(CredentialKind::AccessToken, grant)
}

pub(super) fn refresh(grant: &Grant) -> Credential {
    credential(CredentialKind::RefreshToken, grant)
}

/// An exchange that can be sent to another task. What it issues is new, and so is its reply.
#[derive(Clone)]
pub(super) struct Trade {
    pub(super) spent: CredentialKey,
    pub(super) issued: Vec<Credential>,
    pub(super) reply: SealedReply,
    pub(super) now: Timestamp,
    pub(super) grace: Duration,
}

impl Trade {
    /// `spent` for an access token and a refresh token, in the way of the request that the cases call theirs.
    pub(super) fn new(spent: &Credential, grant: &Grant) -> Self {
        let issued = vec![access(grant), refresh(grant)];
        Self { spent: spent.key, issued, reply: reply("the request"), now: NOW, grace: GRACE }
    }

    pub(super) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    pub(super) fn within(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    pub(super) fn asking(mut self, request: &str) -> Self {
        self.reply = reply(request);
        self
    }

    /// The refresh token that is issued.
    pub(super) fn successor(&self) -> &Credential {
        &self.issued[1]
    }

    pub(super) async fn make(&self, store: &dyn GrantStore) -> Result<Exchanged, StoreError> {
        let Self { spent, issued, reply, now, grace } = self;
        store.exchange(Exchange { spent, issued, reply: reply.clone(), now: *now, grace: *grace }).await
    }

    /// How many of what would have been issued exist.
    pub(super) async fn stored(&self, store: &dyn GrantStore) -> usize {
        let mut stored = 0;
        for credential in &self.issued {
            stored += usize::from(store.find(&credential.key).await.answered().is_some());
        }
        stored
    }
}

fn reply(request: &str) -> SealedReply {
    SealedReply::from_parts(TokenHash::of(request), random::<96>(&OsEntropy))
}

/// A credential that must be there.
pub(super) async fn found(store: &dyn GrantStore, key: &CredentialKey) -> Found {
    match store.find(key).await.answered() {
        Some(found) => found,
        None => panic!("find: a credential that was stored, and not purged, is found"),
    }
}

/// What a credential that must be there is worth.
pub(super) async fn status(
    store: &dyn GrantStore,
    credential: &Credential,
    now: Timestamp,
) -> CredentialStatus {
    found(store, &credential.key).await.status(now)
}

/// When a grant that must be there was revoked.
pub(super) async fn revoked_at(store: &dyn GrantStore, grant: &Grant) -> Option<Timestamp> {
    match store.grant(&grant.id).await.answered() {
        Some(grant) => grant.revoked_at,
        None => panic!("grant: a grant that was opened, and not purged, is there"),
    }
}

/// Lets all begin at the same moment, each in a task of its own, and gives what each came to.
pub(super) async fn race<F>(racers: Vec<F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(racers.len()));
    let start = |racer: F| {
        let barrier = barrier.clone();
        tokio::spawn(async move {
            barrier.wait().await;
            racer.await
        })
    };
    let tasks: Vec<_> = racers.into_iter().map(start).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.await {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}
