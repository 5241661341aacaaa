//! What is promised of sealed upstream tokens.

use super::scene::{Answered as _, RACERS, ROUNDS, race, subject};
use crate::id::{ProviderId, Subject};
use crate::store::{Stores, VaultKey};

fn key(subject: &Subject, provider: &str) -> VaultKey {
    let provider: ProviderId = provider.parse().expect("the kit's own text is a provider");
    VaultKey { subject: subject.clone(), provider }
}

pub(crate) async fn what_is_sealed_is_kept_byte_for_byte(stores: Stores) {
    let store = &*stores.vault;
    let key = key(&subject(), "github");
    assert_eq!(store.get(&key).await.answered(), None, "get: at first there is nothing");
    let bytes: Vec<u8> = (0..=255).cycle().take(4096).collect();
    // Each in place of the one before, an empty one too.
    for sealed in [&bytes[..], &bytes[1..300], b""] {
        store.put(&key, sealed).await.answered();
        let kept = store.get(&key).await.answered();
        assert_eq!(kept.as_deref(), Some(sealed), "put: the last that was put is kept, byte for byte");
    }
}

pub(crate) async fn a_vault_has_a_place_for_each_subject_and_provider(stores: Stores) {
    let store = &*stores.vault;
    let (alice, bob) = (subject(), subject());
    let places = [key(&alice, "github"), key(&alice, "google"), key(&bob, "github")];
    for (at, key) in (0_u8..).zip(&places) {
        store.put(key, &[at]).await.answered();
    }
    for (at, key) in (0_u8..).zip(&places) {
        assert_eq!(store.get(key).await.answered(), Some(vec![at]), "get: by subject and provider, both");
    }
    assert_eq!(store.get(&key(&bob, "google")).await.answered(), None, "get: nobody has another's tokens");
}

pub(crate) async fn replacing_what_is_sealed_needs_what_was_read(stores: Stores) {
    let store = &*stores.vault;
    let alice = subject();
    let (one, two) = (key(&alice, "github"), key(&alice, "google"));
    assert!(!store.replace(&one, b"", b"new").await.answered(), "replace: there is nothing to replace");
    assert_eq!(store.get(&one).await.answered(), None, "replace: nothing is put where nothing was");
    store.put(&one, b"read").await.answered();
    store.put(&two, b"read").await.answered();
    assert!(store.replace(&one, b"read", b"new").await.answered(), "replace: it is what was read");
    assert_eq!(store.get(&one).await.answered(), Some(b"new".to_vec()), "replace: the new one is kept");
    assert_eq!(store.get(&two).await.answered(), Some(b"read".to_vec()), "replace: nothing else is replaced");
    assert!(
        !store.replace(&one, b"read", b"late").await.answered(),
        "replace: it is not what was read any more"
    );
    assert_eq!(
        store.get(&one).await.answered(),
        Some(b"new".to_vec()),
        "replace: who comes late changes nothing"
    );
}

pub(crate) async fn of_many_replacements_at_once_one_succeeds(stores: Stores) {
    let key = key(&subject(), "github");
    for round in 0..ROUNDS {
        stores.vault.put(&key, b"read").await.answered();
        let racers: Vec<_> = (0..RACERS)
            .map(|at| {
                let (store, key) = (stores.vault.clone(), key.clone());
                async move { store.replace(&key, b"read", format!("racer {at}").as_bytes()).await.answered() }
            })
            .collect();
        let replaced = race(racers).await;
        let winners: Vec<_> = (0..RACERS).filter(|at| replaced[*at]).collect();
        assert_eq!(winners.len(), 1, "replace: of many that read the same, one replaces it (round {round})");
        let kept = store_text(&stores, &key).await;
        assert_eq!(kept, format!("racer {}", winners[0]), "replace: what the winner put is kept");
    }
}

async fn store_text(stores: &Stores, key: &VaultKey) -> String {
    String::from_utf8_lossy(&stores.vault.get(key).await.answered().unwrap_or_default()).into_owned()
}

pub(crate) async fn forgetting_what_is_sealed_says_whether_there_was_something(stores: Stores) {
    let store = &*stores.vault;
    let alice = subject();
    let (one, two) = (key(&alice, "github"), key(&alice, "google"));
    store.put(&one, b"1").await.answered();
    store.put(&two, b"2").await.answered();
    assert!(store.forget(&one).await.answered(), "forget: there was something");
    assert!(!store.forget(&one).await.answered(), "forget: there was nothing any more");
    assert_eq!(store.get(&one).await.answered(), None, "forget: it is gone");
    assert_eq!(store.get(&two).await.answered(), Some(b"2".to_vec()), "forget: nothing else is");
}
