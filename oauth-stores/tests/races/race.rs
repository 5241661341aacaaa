//! The races: half of the writers at one server, half at the other.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, CredentialStatus, Exchange, Exchanged, Grant,
    GrantId, OsEntropy, ResourceUri, Revocation, SealedReply, Stores, SubjectKind, Timestamp, TokenHash,
    random,
};
use tokio::sync::Barrier;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const GRACE: Duration = Duration::from_secs(120);
const WRITERS: usize = 64;
const ROUNDS: usize = 200;

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
        let (grant, code) = opened(&stores, CredentialKind::AuthorizationCode).await;
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
        let (grant, token) = opened(&stores, CredentialKind::RefreshToken).await;
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
        let (grant, token) = opened(&stores, CredentialKind::RefreshToken).await;
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
    let start = Arc::new(Barrier::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|at| {
            let (grants, start) = (stores[at % 2].grants.clone(), start.clone());
            let (grant, spent) = (grant.clone(), spent.key);
            tokio::spawn(async move {
                let kinds = [CredentialKind::AccessToken, CredentialKind::RefreshToken];
                let issued = kinds.map(|kind| credential(&grant, kind)).to_vec();
                // The request is the same, the sealed text is not.
                let sealed: [u8; 32] = random(&OsEntropy);
                let reply = SealedReply::from_parts(TokenHash::from_bytes([1; 32]), sealed.to_vec());
                start.wait().await;
                let answer = if revoking > 0 && at % revoking == 0 {
                    Answer::Revoked(grants.revoke(Revocation::Grant(&grant.id), NOW).await.unwrap())
                } else {
                    let (issued, reply) = (&issued, reply.clone());
                    let act = Exchange { spent: &spent, issued, reply, now: NOW, grace };
                    Answer::Exchanged(grants.exchange(act).await.unwrap())
                };
                Writer { issued, reply, answer }
            })
        })
        .collect();
    let mut ended = Vec::new();
    for writer in writers {
        ended.push(writer.await.unwrap());
    }
    ended
}

async fn opened(stores: &[Stores; 2], kind: CredentialKind) -> (Grant, Credential) {
    let resource: ResourceUri = "https://mcp.example/mcp".parse().unwrap();
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read".parse().unwrap(),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: None,
        revoked_at: None,
    };
    let credential = credential(&grant, kind);
    stores[0].grants.open(&grant, std::slice::from_ref(&credential)).await.unwrap();
    (grant, credential)
}

fn credential(grant: &Grant, kind: CredentialKind) -> Credential {
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: None,
    }
}
