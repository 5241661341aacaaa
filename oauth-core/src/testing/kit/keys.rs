//! What is promised of the keys that servers share.

use super::scene::{Answered as _, DAY, HOUR, NOW, RACERS, ROUNDS, assert_conflict, race, subject};
use crate::entropy::{OsEntropy, random};
use crate::store::{KeyPurpose, KeyStore, StoredKey, Stores};
use crate::time::Timestamp;

fn key(purpose: KeyPurpose, created_at: Timestamp) -> StoredKey {
    let material = random::<32>(&OsEntropy).to_vec();
    StoredKey::new(subject().as_str(), purpose, "A256GCM", material, created_at)
}

/// All of a key, so that it can be compared.
fn whole(key: &StoredKey) -> impl PartialEq + std::fmt::Debug + use<> {
    let StoredKey { id, purpose, algorithm, material, created_at, retired_at } = key.clone();
    (id, purpose, algorithm, material, created_at, retired_at)
}

async fn ids(store: &dyn KeyStore, purpose: KeyPurpose) -> Vec<String> {
    store.keys(purpose).await.answered().into_iter().map(|key| key.id).collect()
}

pub(crate) async fn keys_are_kept_whole_newest_first(stores: Stores) {
    let store = &*stores.keys;
    let made = [NOW + HOUR, NOW + DAY, NOW].map(|at| key(KeyPurpose::Sign, at));
    for key in &made {
        store.add(key).await.answered();
    }
    let kept: Vec<_> = store.keys(KeyPurpose::Sign).await.answered().iter().map(whole).collect();
    let newest_first: Vec<_> = [&made[1], &made[0], &made[2]].into_iter().map(whole).collect();
    assert_eq!(kept, newest_first, "keys: all of a purpose, whole, newest first");
}

pub(crate) async fn purposes_do_not_share_keys(stores: Stores) {
    let store = &*stores.keys;
    let seal = key(KeyPurpose::Seal, NOW);
    let sign = StoredKey { id: seal.id.clone(), ..key(KeyPurpose::Sign, NOW) };
    store.add(&seal).await.answered();
    let first = store.first(&sign).await.answered();
    assert_eq!(whole(&first), whole(&sign), "first: a key of another purpose is none of this one");
    assert!(store.remove(KeyPurpose::Seal, &seal.id).await.answered(), "remove: there was one");
    let kept: Vec<_> = store.keys(KeyPurpose::Sign).await.answered().iter().map(whole).collect();
    assert_eq!(kept, [whole(&sign)], "keys: an identifier counts within its purpose");
    assert!(ids(store, KeyPurpose::Seal).await.is_empty(), "keys: those of the purpose alone");
}

pub(crate) async fn the_first_key_is_added_once(stores: Stores) {
    let store = &*stores.keys;
    let (first, second, newest) =
        (key(KeyPurpose::Seal, NOW), key(KeyPurpose::Seal, NOW), key(KeyPurpose::Seal, NOW + DAY));
    let returned = store.first(&first).await.answered();
    assert_eq!(whole(&returned), whole(&first), "first: where there is none the candidate is added");
    let returned = store.first(&second).await.answered();
    assert_eq!(whole(&returned), whole(&first), "first: where there is one it is returned");
    store.add(&newest).await.answered();
    let returned = store.first(&second).await.answered();
    assert_eq!(whole(&returned), whole(&newest), "first: of several the newest is returned");
    assert_eq!(
        ids(store, KeyPurpose::Seal).await,
        [newest.id, first.id],
        "first: a candidate too late is not added"
    );
}

pub(crate) async fn a_taken_key_id_is_a_conflict(stores: Stores) {
    let store = &*stores.keys;
    let first = key(KeyPurpose::Sign, NOW);
    store.add(&first).await.answered();
    let second = StoredKey { id: first.id.clone(), ..key(KeyPurpose::Sign, NOW + DAY) };
    assert_conflict(store.add(&second).await, "add: a taken id");
    let kept: Vec<_> = store.keys(KeyPurpose::Sign).await.answered().iter().map(whole).collect();
    assert_eq!(kept, [whole(&first)], "add: nothing is overwritten");
}

pub(crate) async fn a_retired_key_is_kept_and_marked(stores: Stores) {
    let store = &*stores.keys;
    let (old, new) = (key(KeyPurpose::Sign, NOW), key(KeyPurpose::Sign, NOW + DAY));
    store.add(&old).await.answered();
    store.add(&new).await.answered();
    assert!(
        store.retire(KeyPurpose::Sign, &old.id, NOW + HOUR).await.answered(),
        "retire: there is such a key"
    );
    assert!(
        !store.retire(KeyPurpose::Seal, &old.id, NOW).await.answered(),
        "retire: there is none of that purpose"
    );
    assert!(!store.retire(KeyPurpose::Sign, "unknown", NOW).await.answered(), "retire: there is no such key");
    let kept: Vec<_> = store.keys(KeyPurpose::Sign).await.answered().iter().map(whole).collect();
    let retired = StoredKey { retired_at: Some(NOW + HOUR), ..old };
    assert_eq!(kept, [whole(&new), whole(&retired)], "retire: marks that key alone, and keeps it");
}

pub(crate) async fn a_key_is_retired_from_the_time_that_was_said_last(stores: Stores) {
    let store = &*stores.keys;
    let key = key(KeyPurpose::Sign, NOW);
    store.add(&key).await.answered();
    for at in [NOW + HOUR, NOW + DAY, NOW] {
        assert!(store.retire(KeyPurpose::Sign, &key.id, at).await.answered(), "retire: there is such a key");
        let kept: Vec<_> =
            store.keys(KeyPurpose::Sign).await.answered().iter().map(|key| key.retired_at).collect();
        assert_eq!(kept, [Some(at)], "retire: the time that was said last counts, earlier or later");
    }
}

pub(crate) async fn removing_a_key_says_whether_there_was_one(stores: Stores) {
    let store = &*stores.keys;
    let (one, two) = (key(KeyPurpose::Sign, NOW), key(KeyPurpose::Sign, NOW + DAY));
    store.add(&one).await.answered();
    store.add(&two).await.answered();
    assert!(
        !store.remove(KeyPurpose::Seal, &one.id).await.answered(),
        "remove: there was none of that purpose"
    );
    assert!(store.remove(KeyPurpose::Sign, &one.id).await.answered(), "remove: there was one");
    assert!(!store.remove(KeyPurpose::Sign, &one.id).await.answered(), "remove: there was none any more");
    assert_eq!(ids(store, KeyPurpose::Sign).await, [two.id], "remove: that key is gone, and no other");
}

pub(crate) async fn of_many_first_keys_at_once_all_get_one(stores: Stores) {
    // KEY-7
    let store = stores.keys;
    for _ in 0..ROUNDS {
        let starting = |_| {
            let store = store.clone();
            async move { store.first(&key(KeyPurpose::Seal, NOW)).await.answered().id }
        };
        let returned = race((0..RACERS).map(starting).collect()).await;
        let kept = ids(&*store, KeyPurpose::Seal).await;
        assert_eq!(kept.len(), 1, "first: of many at once one is added");
        assert!(returned.iter().all(|id| *id == kept[0]), "first: of many at once all go on with one key");
        let _ = store.remove(KeyPurpose::Seal, &kept[0]).await.answered();
    }
}
