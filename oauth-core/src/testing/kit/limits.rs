//! What is promised of quotas.

use std::time::Duration;

use super::scene::{Answered as _, DAY, HOUR, MINUTE, NOW, RACERS, ROUNDS, SECOND, hash, race};
use crate::store::{LimitKey, Quota, RateLimiter, Stores, Verdict};
use crate::time::Timestamp;

/// Five at once, and one every twelve seconds.
const QUOTA: Quota = Quota::new(5, MINUTE);
const STEP: Duration = Duration::from_secs(12);

fn key() -> LimitKey {
    LimitKey::new("kit", &format!("{:?}", hash()))
}

/// How many of ten pass.
async fn passed(store: &dyn RateLimiter, key: &LimitKey, now: Timestamp) -> u32 {
    let mut passed = 0;
    for _ in 0..10 {
        passed += u32::from(store.hit(key, QUOTA, now).await.answered() == Verdict::Allowed);
    }
    passed
}

pub(crate) async fn a_quota_has_room_for_its_burst(stores: Stores) {
    let store = &*stores.limits;
    let key = key();
    assert_eq!(passed(store, &key, NOW).await, 5, "hit: as many pass at once as the burst has");
    let limited = store.hit(&key, QUOTA, NOW + SECOND).await.answered();
    let retry_after = STEP - SECOND;
    assert_eq!(limited, Verdict::Limited { retry_after }, "hit: who is limited is told when to try again");
    assert_eq!(
        passed(store, &key, NOW + retry_after).await,
        0,
        "hit: before there is room again nothing passes"
    );
}

pub(crate) async fn a_quota_recovers_evenly(stores: Stores) {
    let store = &*stores.limits;
    let key = key();
    let _ = passed(store, &key, NOW).await;
    assert_eq!(passed(store, &key, NOW + STEP / 2).await, 0, "hit: half a step gives no room");
    assert_eq!(
        passed(store, &key, NOW + STEP).await,
        1,
        "hit: room comes back one by one; what is refused takes none"
    );
    assert_eq!(passed(store, &key, NOW + 3 * STEP).await, 2, "hit: room comes back one by one");
    assert_eq!(passed(store, &key, NOW + HOUR).await, 5, "hit: no more room comes back than the burst has");
}

pub(crate) async fn each_key_has_its_own_quota(stores: Stores) {
    let store = &*stores.limits;
    for key in [key(), key()] {
        assert_eq!(passed(store, &key, NOW).await, 5, "hit: another key's events are not this one's");
    }
}

pub(crate) async fn peeking_counts_nothing(stores: Stores) {
    let store = &*stores.limits;
    let key = key();
    for _ in 0..20 {
        let verdict = store.peek(&key, QUOTA, NOW).await.answered();
        assert_eq!(verdict, Verdict::Allowed, "peek: counts nothing");
    }
    assert_eq!(passed(store, &key, NOW).await, 5, "peek: counts nothing");
    let peeked = store.peek(&key, QUOTA, NOW).await.answered();
    assert_eq!(peeked, Verdict::Limited { retry_after: STEP }, "peek: says what `hit` would");
}

pub(crate) async fn resetting_makes_a_quota_whole(stores: Stores) {
    let store = &*stores.limits;
    let (one, two) = (key(), key());
    for key in [&one, &two] {
        let _ = passed(store, key, NOW).await;
    }
    store.reset(&one).await.answered();
    assert_eq!(passed(store, &one, NOW).await, 5, "reset: what was counted is forgotten");
    assert_eq!(passed(store, &two, NOW).await, 0, "reset: under that key alone");
}

pub(crate) async fn a_clock_that_steps_back_locks_nobody_out(stores: Stores) {
    // A-FAULT-5
    let store = &*stores.limits;
    let key = key();
    let _ = passed(store, &key, NOW).await;
    let back = NOW.before(DAY);
    assert_eq!(passed(store, &key, back).await, 0, "hit: a clock that steps back gives no room");
    assert!(
        passed(store, &key, back + MINUTE).await > 0,
        "hit: nobody is locked out for longer than the quota's time; the time that `Quota::admit` returns must be \
         stored with `Verdict::Limited`, too"
    );
}

pub(crate) async fn only_whole_quotas_are_purged(stores: Stores) {
    let store = &*stores.limits;
    let (whole, used) = (key(), key());
    let _ = store.hit(&whole, QUOTA, NOW).await.answered();
    let _ = passed(store, &used, NOW).await;
    // The second is whole again after a minute.
    assert_eq!(
        store.purge(NOW + STEP + SECOND).await.answered(),
        1,
        "purge: the key that is whole again is counted"
    );
    assert_eq!(passed(store, &used, NOW).await, 0, "purge: a quota that is not whole yet is kept");
    assert_eq!(
        passed(store, &whole, NOW + MINUTE).await,
        5,
        "purge: a whole quota is as good as a forgotten one"
    );
}

pub(crate) async fn of_many_events_at_once_no_more_than_the_burst_pass(stores: Stores) {
    let store = stores.limits;
    for _ in 0..ROUNDS {
        let key = key();
        let hitting = |_| {
            let store = store.clone();
            async move { store.hit(&key, QUOTA, NOW).await.answered() == Verdict::Allowed }
        };
        let passed =
            race((0..RACERS).map(hitting).collect()).await.into_iter().filter(|passed| *passed).count();
        assert!(passed <= 5, "hit: of many at once no more than the burst pass, not {passed}");
        assert!(passed > 0, "hit: of many at once some pass");
    }
}
