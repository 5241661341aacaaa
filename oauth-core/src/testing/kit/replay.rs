//! What is promised of things that may happen once.

use super::scene::{Answered as _, DAY, HOUR, MINUTE, NOW, RACERS, ROUNDS, SECOND, hash, race};
use crate::store::Stores;

pub(crate) async fn a_key_has_one_first_use(stores: Stores) {
    let store = &*stores.replay;
    let key = hash();
    let until = NOW + MINUTE;
    assert!(store.first_use(&key, until, NOW).await.answered(), "first_use: the first use is the first");
    for now in [NOW, NOW + SECOND] {
        assert!(!store.first_use(&key, until, now).await.answered(), "first_use: no other use is");
    }
    // Asking again with an earlier end does not shorten what was promised.
    let _ = store.first_use(&key, NOW, NOW + SECOND).await.answered();
    let again = store.first_use(&key, until, NOW + 30 * SECOND).await.answered();
    assert!(!again, "first_use: it is remembered until `until`");
}

pub(crate) async fn each_key_has_its_own_first_use(stores: Stores) {
    let store = &*stores.replay;
    for _ in 0..10 {
        let first = store.first_use(&hash(), NOW + MINUTE, NOW).await.answered();
        assert!(first, "first_use: another key's use is not this one's");
    }
}

pub(crate) async fn a_clock_that_steps_back_revives_no_key(stores: Stores) {
    // A-FAULT-5
    let store = &*stores.replay;
    let key = hash();
    assert!(
        store.first_use(&key, NOW + MINUTE, NOW).await.answered(),
        "first_use: the first use is the first"
    );
    // Time passes, others come, and the clock is set back.
    let _ = store.first_use(&hash(), NOW + 2 * HOUR, NOW + HOUR).await.answered();
    for now in [NOW + SECOND, NOW.before(HOUR)] {
        let again = store.first_use(&key, NOW + MINUTE, now).await.answered();
        assert!(!again, "first_use: a clock that steps back does not revive a key");
    }
}

pub(crate) async fn only_keys_whose_time_has_passed_are_purged(stores: Stores) {
    let store = &*stores.replay;
    let keys = [MINUTE, HOUR, DAY].map(|life| (hash(), NOW + life));
    for (key, until) in &keys {
        let _ = store.first_use(key, *until, NOW).await.answered();
    }
    // The second is remembered until that very moment.
    assert_eq!(
        store.purge(NOW + HOUR).await.answered(),
        1,
        "purge: the key whose time has passed is counted"
    );
    for (key, until) in &keys[1..] {
        let again = store.first_use(key, *until, NOW + MINUTE).await.answered();
        assert!(!again, "purge: what must be remembered is not forgotten");
    }
    assert_eq!(store.purge(NOW + HOUR).await.answered(), 0, "purge: what is gone does not count again");
}

pub(crate) async fn of_many_uses_at_once_one_is_the_first(stores: Stores) {
    let store = stores.replay;
    for _ in 0..ROUNDS {
        let key = hash();
        let using = |_| {
            let store = store.clone();
            async move { store.first_use(&key, NOW + MINUTE, NOW).await.answered() }
        };
        let first = race((0..RACERS).map(using).collect()).await.into_iter().filter(|first| *first).count();
        assert_eq!(first, 1, "first_use: of many at once one is the first");
    }
}
