//! What is promised of consents.

use super::scene::{Answered as _, DAY, HOUR, MINUTE, NOW, client_id, hash, resources, subject};
use crate::id::{ClientId, Subject};
use crate::store::{Consent, Stores};

fn consent(subject: &Subject, client: &ClientId) -> Consent {
    Consent {
        subject: subject.clone(),
        client_id: client.clone(),
        client_fingerprint: hash(),
        scopes: ["notes:read", "notes:write"].into_iter().collect(),
        resources: resources("https://mcp.example/mcp"),
        given_at: NOW,
        expires_at: NOW + 30 * DAY,
    }
}

pub(crate) async fn a_consent_is_kept_whole_for_its_subject_and_client(stores: Stores) {
    let store = &*stores.consents;
    let (alice, bob, app, tool) = (subject(), subject(), client_id(), client_id());
    let mut kept = Vec::new();
    for (subject, client) in [(&alice, &app), (&alice, &tool), (&bob, &app)] {
        let consent = consent(subject, client);
        store.remember(&consent).await.answered();
        kept.push(consent);
    }
    // One that expired is found, too: the caller says why it does not count.
    let expired = Consent { expires_at: NOW.before(HOUR), ..consent(&bob, &client_id()) };
    store.remember(&expired).await.answered();
    kept.push(expired);
    for consent in kept {
        let found = store.find(&consent.subject, &consent.client_id).await.answered();
        assert_eq!(found, Some(consent), "find: a consent is found by both, whole");
    }
    assert_eq!(store.find(&bob, &tool).await.answered(), None, "find: nobody has agreed for another");
}

pub(crate) async fn a_consent_takes_the_place_of_the_one_before(stores: Stores) {
    let store = &*stores.consents;
    let first = consent(&subject(), &client_id());
    let second =
        Consent { scopes: ["notes:read"].into_iter().collect(), ..consent(&first.subject, &first.client_id) };
    store.remember(&first).await.answered();
    store.remember(&second).await.answered();
    let found = store.find(&first.subject, &first.client_id).await.answered();
    assert_eq!(found.as_ref(), Some(&second), "remember: the last consent counts, and it alone");
    assert_eq!(
        store.of_subject(&first.subject).await.answered(),
        [second],
        "remember: there is one for each client"
    );
}

pub(crate) async fn a_subject_sees_all_they_agreed_to(stores: Stores) {
    let store = &*stores.consents;
    let (alice, bob) = (subject(), subject());
    let mut own: Vec<_> = (0..3).map(|_| consent(&alice, &client_id())).collect();
    for consent in own.iter().chain([&consent(&bob, &own[0].client_id)]) {
        store.remember(consent).await.answered();
    }
    let mut listed = store.of_subject(&alice).await.answered();
    listed.sort_by(|one, two| one.client_id.cmp(&two.client_id));
    own.sort_by(|one, two| one.client_id.cmp(&two.client_id));
    assert_eq!(listed, own, "of_subject: all of the subject's, and nobody else's");
    assert_eq!(
        store.of_subject(&subject()).await.answered(),
        [],
        "of_subject: who agreed to nothing has none"
    );
}

pub(crate) async fn forgetting_a_consent_says_whether_there_was_one(stores: Stores) {
    let store = &*stores.consents;
    let (alice, app) = (subject(), client_id());
    let others = [consent(&alice, &client_id()), consent(&subject(), &app)];
    for consent in others.iter().chain([&consent(&alice, &app)]) {
        store.remember(consent).await.answered();
    }
    assert!(store.forget(&alice, &app).await.answered(), "forget: there was one");
    assert!(!store.forget(&alice, &app).await.answered(), "forget: there was none any more");
    assert_eq!(store.find(&alice, &app).await.answered(), None, "forget: the consent is gone");
    for other in others {
        let found = store.find(&other.subject, &other.client_id).await.answered();
        assert_eq!(found, Some(other), "forget: no other consent is gone");
    }
}

pub(crate) async fn only_consents_that_expired_are_purged(stores: Stores) {
    let store = &*stores.consents;
    let alice = subject();
    let consents =
        [MINUTE, HOUR, DAY].map(|life| Consent { expires_at: NOW + life, ..consent(&alice, &client_id()) });
    for consent in &consents {
        store.remember(consent).await.answered();
    }
    // The second ends at that very moment, not before it.
    assert_eq!(store.purge(NOW + HOUR).await.answered(), 1, "purge: the consent that expired is counted");
    for (consent, kept) in consents.iter().zip([false, true, true]) {
        let found = store.find(&alice, &consent.client_id).await.answered();
        assert_eq!(found.is_some(), kept, "purge: what expired is forgotten, and nothing else");
    }
    assert_eq!(store.of_subject(&alice).await.answered().len(), 2, "purge: what expired is not listed");
}
