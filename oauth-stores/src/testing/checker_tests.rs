//! The checker, held to its own promise: it finds what was planted, and nothing in what is sound.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Exchange, Grant, GrantId, GrantStore, MemoryStore,
    OsEntropy, ResourceUri, Revocation, SealedReply, SubjectKind, Timestamp, TokenHash, random,
};

use super::checker::check;
use super::history::{Call, History, Outcome};
use super::verdict::{Promise, Verdict};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const GRACE: Duration = Duration::from_secs(120);

/// A store, and a grant in it that was opened with a refresh token, all of it recorded.
struct Scene {
    store: Arc<MemoryStore>,
    history: History,
    grant: Grant,
    first: Credential,
}

fn credential(grant: &Grant) -> Credential {
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: None,
    }
}

fn reply(of: &Credential) -> SealedReply {
    SealedReply::from_parts(TokenHash::of("the client"), *of.key.hash.as_bytes())
}

impl Scene {
    async fn new() -> Self {
        let grant = Grant {
            id: GrantId::generate(&OsEntropy),
            subject: "alice".parse().unwrap(),
            subject_kind: SubjectKind::User,
            client_id: "app".parse().unwrap(),
            scopes: "notes:read".parse().unwrap(),
            resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
            issued_at: NOW,
            expires_at: NOW + Duration::from_secs(90 * 86_400),
            auth_time: None,
            revoked_at: None,
        };
        let (store, history) = (Arc::new(MemoryStore::default()), History::default());
        let first = credential(&grant);
        history.of(store.clone()).open(&grant, std::slice::from_ref(&first)).await.unwrap();
        Self { store, history, grant, first }
    }

    /// Exchanges `spent` for something new, recorded or not.
    async fn exchange(&self, spent: &Credential, is_recorded: bool) -> Credential {
        let issued = credential(&self.grant);
        let act = Exchange {
            spent: &spent.key,
            issued: std::slice::from_ref(&issued),
            reply: reply(&issued),
            now: NOW,
            grace: GRACE,
        };
        let ledger: Arc<dyn GrantStore> =
            if is_recorded { Arc::new(self.history.of(self.store.clone())) } else { self.store.clone() };
        let _ = ledger.exchange(act).await.unwrap();
        issued
    }

    /// An exchange that nobody made, with its answer.
    fn plant(&self, spent: &Credential, issued: &Credential, request: &str, outcome: Option<Outcome>) {
        let call = Call::Exchange {
            grant: self.grant.id,
            spent: spent.key.hash,
            issued: vec![issued.key.hash],
            successor: Some(issued.key.hash),
            request: TokenHash::of(request),
            reply: issued.key.hash,
            now: NOW,
            grace: GRACE,
        };
        self.history.plant(call, outcome);
    }

    async fn verdict(&self, promise: Promise) -> Verdict {
        check(&self.history, &*self.store, promise, NOW).await.unwrap()
    }

    async fn assert_finds(&self, violation: &str) {
        let verdict = self.verdict(Promise::Keeps).await;
        assert!(
            verdict.violations.iter().any(|found| found.contains(violation)),
            "{violation}: {verdict:#?}"
        );
    }
}

#[tokio::test]
async fn a_sound_history_is_sound_whatever_was_lost_of_it() {
    let scene = Scene::new().await;
    let next = scene.exchange(&scene.first, true).await;
    // A retry, a lost answer that was none of its own, another that was.
    scene.exchange(&scene.first, true).await;
    scene.plant(&next, &credential(&scene.grant), "the client", Some(Outcome::Unavailable));
    let unheard = scene.exchange(&next, false).await;
    scene.plant(&next, &unheard, "the client", None);
    let ledger = scene.history.of(scene.store.clone());
    ledger.revoke(Revocation::Grant(&scene.grant.id), NOW).await.unwrap();
    scene.exchange(&unheard, true).await;
    let verdict = scene.verdict(Promise::Keeps).await;
    verdict.assert_sound();
    let Verdict { opened, done, retried, gone, unavailable, unheard, revoked, done_unheard, .. } = verdict;
    assert_eq!(
        (opened, done, retried, gone, unavailable, unheard, revoked, done_unheard),
        (1, 1, 1, 1, 1, 1, 1, 1)
    );
}

#[tokio::test]
async fn a_credential_that_was_spent_twice_is_found() {
    let scene = Scene::new().await;
    scene.exchange(&scene.first, true).await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Done));
    scene.assert_finds("spent twice").await;
    scene.assert_finds("two different successors").await;
    // Within what survives, that is found when losses are allowed for, too, if both successors are there.
    let scene = Scene::new().await;
    let next = scene.exchange(&scene.first, true).await;
    let (other, last) = (scene.exchange(&next, false).await, credential(&scene.grant));
    scene.plant(&scene.first, &other, "the client", Some(Outcome::Done));
    let verdict = scene.verdict(Promise::MayForget).await;
    assert!(verdict.violations.iter().any(|found| found.contains("both are there")), "{verdict:#?}");
    drop(last);
}

#[tokio::test]
async fn a_retry_with_another_reply_is_found() {
    let scene = Scene::new().await;
    scene.exchange(&scene.first, true).await;
    let foreign = TokenHash::of("another reply");
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Retried(foreign)));
    scene.assert_finds("a reply that nobody's exchange had made").await;
}

#[tokio::test]
async fn an_outage_that_was_told_as_a_refusal_is_found() {
    let scene = Scene::new().await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Gone));
    scene.assert_finds("told `Gone`").await;

    let scene = Scene::new().await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Replayed));
    scene.assert_finds("nobody had spent").await;

    let scene = Scene::new().await;
    scene.exchange(&scene.first, true).await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Replayed));
    scene.assert_finds("a retry within the window").await;

    let scene = Scene::new().await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Conflict));
    scene.assert_finds("told Some(Conflict)").await;
}

#[tokio::test]
async fn what_was_acknowledged_and_is_lost_is_found_or_counted() {
    let lost = async |plant: &dyn Fn(&Scene), violation: &str| {
        let scene = Scene::new().await;
        plant(&scene);
        scene.assert_finds(violation).await;
        let verdict = scene.verdict(Promise::MayForget).await;
        assert_eq!((verdict.lost, verdict.violations.as_slice()), (1, &[][..]), "{violation}");
    };
    let exchange = |scene: &Scene| {
        scene.plant(&scene.first, &credential(&scene.grant), "the client", Some(Outcome::Done));
    };
    lost(&exchange, "an acknowledged exchange is gone").await;
    let revocation =
        |scene: &Scene| scene.history.plant(Call::Revoke { grant: scene.grant.id }, Some(Outcome::Done));
    lost(&revocation, "an acknowledged revocation is gone").await;
    let grant = |scene: &Scene| {
        let call = Call::Open { grant: GrantId::generate(&OsEntropy), first: vec![TokenHash::of("a code")] };
        scene.history.plant(call, Some(Outcome::Done));
    };
    lost(&grant, "an acknowledged grant is gone").await;
}

#[tokio::test]
async fn half_of_something_is_found_even_where_losses_are_allowed_for() {
    let scene = Scene::new().await;
    let next = scene.exchange(&scene.first, false).await;
    let call = Call::Exchange {
        grant: scene.grant.id,
        spent: scene.first.key.hash,
        issued: vec![next.key.hash, TokenHash::of("what is missing")],
        successor: Some(next.key.hash),
        request: TokenHash::of("the client"),
        reply: next.key.hash,
        now: NOW,
        grace: GRACE,
    };
    scene.history.plant(call, None);
    let verdict = scene.verdict(Promise::MayForget).await;
    assert!(verdict.violations.iter().any(|found| found.contains("half-written")), "{verdict:#?}");

    let scene = Scene::new().await;
    let call = Call::Open {
        grant: scene.grant.id,
        first: vec![scene.first.key.hash, TokenHash::of("what is missing")],
    };
    scene.history.plant(call, None);
    let verdict = scene.verdict(Promise::MayForget).await;
    assert!(verdict.violations.iter().any(|found| found.contains("half-open")), "{verdict:#?}");
}

#[tokio::test]
async fn a_grant_that_ended_without_cause_is_found() {
    let scene = Scene::new().await;
    scene.store.revoke(Revocation::Grant(&scene.grant.id), NOW).await.unwrap();
    scene.assert_finds("nothing was the cause").await;
}

#[tokio::test]
async fn something_that_was_bought_unspent_or_spent_for_nothing_is_found() {
    let scene = Scene::new().await;
    scene.exchange(&scene.first, false).await;
    scene.plant(&scene.first, &credential(&scene.grant), "the client", None);
    scene.assert_finds("spent for nothing").await;
}

#[tokio::test]
async fn what_another_process_wrote_is_read_but_for_a_torn_line() {
    let scene = Scene::new().await;
    let (said, heard) = (Said::default(), History::default());
    let history = History::written_to(said.clone(), 7);
    let ledger = history.of(scene.store.clone());
    ledger.revoke(Revocation::Grant(&scene.grant.id), NOW).await.unwrap();
    let text = said.0.lock().unwrap().clone();
    let torn = [b"running 1 test\n".as_slice(), &text, br#"{"Began":[9,{"Rev"#].concat();
    heard.read(torn.as_slice());
    assert_eq!(heard.calls(), history.calls());
    assert_eq!(heard.calls().len(), 1);
}

#[derive(Clone, Default)]
struct Said(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
