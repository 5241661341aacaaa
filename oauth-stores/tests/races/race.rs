//! The races: half of the writers at one server, half at the other.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Credential, CredentialKind, CredentialStatus, Exchange, Exchanged, Grant, GrantFilter, OsEntropy,
    PageRequest, Revocation, SealedReply, Stores, Subject, TokenHash, random,
};
use oauth_stores::testing::scene::{GRACE, NOW, exchange, grant, opened, tokens};
use tokio::sync::Barrier;

const WRITERS: usize = 64;
const ROUNDS: usize = 200;

/// How many open and refresh while one revokes.
const FEW: usize = 8;

/// What one writer brings along, and what came of it.
struct Writer {
    issued: Vec<Credential>,
    reply: SealedReply,
    answer: Answer,
}

enum Answer {
    Exchanged(Exchanged),
    Revoked(u64),
}

/// A code: one is done, the second presentation revokes, and what was bought is worth nothing (AS-59).
pub(crate) async fn redemptions(stores: [Stores; 2]) {
    for _ in 0..ROUNDS {
        let (grant, code) = opened(&*stores[0].grants, CredentialKind::AuthorizationCode).await.unwrap();
        let writers = race(&stores, &grant, &code, Duration::ZERO, 0).await;
        let done = done(&writers);
        assert_eq!(done.len(), 1, "one is done");
        let replayed = writers.iter().filter(|writer| writer.is(&Exchanged::Replayed)).count();
        let gone = writers.iter().filter(|writer| writer.is(&Exchanged::Gone)).count();
        assert!(replayed >= 1 && replayed + gone == WRITERS - 1, "{replayed} replayed, {gone} gone");
        assert_eq!(live(&stores, &writers).await, 0, "nothing that was bought is live");
        let found = stores[0].grants.grant(&grant.id).await.unwrap().unwrap();
        assert!(found.revoked_at.is_some(), "the grant is revoked");
    }
}

/// A refresh token: one is done, and all others get its very reply (REF-4).
pub(crate) async fn refreshes(stores: [Stores; 2]) {
    for _ in 0..ROUNDS {
        let (grant, token) = opened(&*stores[0].grants, CredentialKind::RefreshToken).await.unwrap();
        let writers = race(&stores, &grant, &token, GRACE, 0).await;
        let [winner] = done(&writers)[..] else { panic!("one is done") };
        let retried = Exchanged::Retried(winner.reply.clone());
        let same = writers.iter().filter(|writer| writer.is(&retried)).count();
        assert_eq!(same, WRITERS - 1, "all others get the one reply");
        assert_eq!(live(&stores, &writers).await, winner.issued.len(), "there is one successor");
    }
}

/// A refresh token while its grant is revoked: one counts it, and nothing is live afterwards (AS-59, REF-4).
pub(crate) async fn revocations(stores: [Stores; 2]) {
    for _ in 0..ROUNDS {
        let (grant, token) = opened(&*stores[0].grants, CredentialKind::RefreshToken).await.unwrap();
        let writers = race(&stores, &grant, &token, GRACE, 8).await;
        let revoked: u64 = writers
            .iter()
            .map(|writer| match writer.answer {
                Answer::Revoked(count) => count,
                Answer::Exchanged(_) => 0,
            })
            .sum();
        assert_eq!(revoked, 1, "of the revocations one counts");
        assert!(done(&writers).len() <= 1, "one is done at most");
        assert!(!writers.iter().any(|writer| writer.is(&Exchanged::Replayed)), "no retry is a replay");
        assert_eq!(live(&stores, &writers).await, 0, "nothing is live");
    }
}

/// A subject's grants while one of them is refreshed: nothing outlives the revocation.
pub(crate) async fn revocations_by_subject(stores: [Stores; 2]) {
    for round in 0..ROUNDS {
        let grant = Grant { subject: subject(round), ..grant() };
        let [_, refresh] = tokens(&grant);
        stores[0].grants.open(&grant, std::slice::from_ref(&refresh)).await.unwrap();
        let racer = |at: usize| {
            let (grants, grant, refresh) = (stores[at % 2].grants.clone(), grant.clone(), refresh.clone());
            async move {
                if at == 0 {
                    let revoked = grants.revoke(Revocation::Subject(&grant.subject), NOW).await.unwrap();
                    assert_eq!(revoked, 1, "a grant that was open when it began is reached");
                    return None;
                }
                let issued = tokens(&grant);
                let exchanged = grants.exchange(exchange(&refresh, &issued, GRACE)).await.unwrap();
                assert_ne!(exchanged, Exchanged::Replayed, "a revocation makes no replay of a retry");
                Some(issued)
            }
        };
        for issued in at_once((0..FEW).map(racer).collect()).await.into_iter().flatten() {
            let found = stores[1].grants.find(&issued[1].key).await.unwrap();
            let live = found.is_some_and(|found| found.status(NOW) == CredentialStatus::Live);
            assert!(!live, "nothing outlives the revocation");
        }
    }
}

/// Grants of a subject are opened while the subject's are revoked: what was there before is revoked, and what came meanwhile is found by the next.
pub(crate) async fn openings(stores: [Stores; 2]) {
    for round in 0..ROUNDS {
        let subject = subject(round);
        let before = Grant { subject: subject.clone(), ..grant() };
        stores[0].grants.open(&before, &[]).await.unwrap();
        let racer = |at: usize| {
            let (grants, subject) = (stores[at % 2].grants.clone(), subject.clone());
            async move {
                if at == 0 {
                    grants.revoke(Revocation::Subject(&subject), NOW).await.map(drop)
                } else {
                    grants.open(&Grant { subject, ..grant() }, &[]).await
                }
            }
        };
        let results = at_once((0..FEW).map(racer).collect()).await;
        assert!(results.iter().all(Result::is_ok));
        let before = stores[1].grants.grant(&before.id).await.unwrap().unwrap();
        assert!(before.revoked_at.is_some(), "what was open when it began is reached");
        let _ = stores[1].grants.revoke(Revocation::Subject(&subject), NOW).await.unwrap();
        let listed =
            stores[0].grants.list(GrantFilter::Subject(&subject), PageRequest::first(50)).await.unwrap();
        assert_eq!(listed.items.len(), FEW);
        assert!(listed.items.iter().all(|grant| grant.revoked_at.is_some()));
    }
}

fn subject(round: usize) -> Subject {
    format!("subject-{round}").parse().unwrap()
}

/// Starts all at the same moment, and waits for all.
async fn at_once<F: Future<Output: Send> + Send + 'static>(racers: Vec<F>) -> Vec<F::Output> {
    let barrier = Arc::new(Barrier::new(racers.len()));
    let start = |racer: F| {
        let barrier = barrier.clone();
        tokio::spawn(async move {
            barrier.wait().await;
            racer.await
        })
    };
    let tasks: Vec<_> = racers.into_iter().map(start).collect();
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(task.await.unwrap());
    }
    ended
}

impl Writer {
    fn is(&self, wanted: &Exchanged) -> bool {
        matches!(&self.answer, Answer::Exchanged(answer) if answer == wanted)
    }
}

fn done(writers: &[Writer]) -> Vec<&Writer> {
    writers.iter().filter(|writer| writer.is(&Exchanged::Done)).collect()
}

/// How many of the credentials that all brought along are live, at the other server than theirs.
async fn live(stores: &[Stores; 2], writers: &[Writer]) -> usize {
    let mut live = 0;
    for (at, writer) in writers.iter().enumerate() {
        for issued in &writer.issued {
            let found = stores[(at + 1) % 2].grants.find(&issued.key).await.unwrap();
            live += usize::from(found.is_some_and(|found| found.status(NOW) == CredentialStatus::Live));
        }
    }
    live
}

/// All writers at once; of each `revoking`, one revokes.
async fn race(
    stores: &[Stores; 2],
    grant: &Grant,
    spent: &Credential,
    grace: Duration,
    revoking: usize,
) -> Vec<Writer> {
    let writer = |at: usize| {
        let (grants, grant, spent) = (stores[at % 2].grants.clone(), grant.clone(), spent.key);
        let issued = tokens(&grant).to_vec();
        // The request is the same, the sealed text is not.
        let sealed: [u8; 32] = random(&OsEntropy);
        let reply = SealedReply::from_parts(TokenHash::from_bytes([1; 32]), sealed.to_vec());
        async move {
            let answer = if revoking > 0 && at.is_multiple_of(revoking) {
                Answer::Revoked(grants.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap())
            } else {
                let (issued, reply) = (&issued, reply.clone());
                let act = Exchange { spent: &spent, issued, reply, now: NOW, grace };
                Answer::Exchanged(grants.exchange(act).await.unwrap())
            };
            Writer { issued, reply, answer }
        }
    };
    at_once((0..WRITERS).map(writer).collect()).await
}
