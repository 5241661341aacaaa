//! Replay guards, quotas and stores of keys that break one promise each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use oauth_core::{
    KeyPurpose, KeyStore, LimitKey, Quota, RateLimiter, ReplayGuard, StoreError, StoredKey, Stores,
    Timestamp, TokenHash, Verdict, async_trait,
};
use tokio::task::yield_now;

use crate::Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    // replay
    IsAlwaysFirst,
    TakesAnEarlierEnd,
    HasOneKey,
    ForgetsInTime,
    PurgesNothing,
    PurgesEverything,
    ChecksThenWrites,
    // limits
    LetsOneMoreThrough,
    GuessesWhenToRetry,
    NeverRecovers,
    CountsWhatItRefuses,
    CountsPeeks,
    NeverResets,
    ResetsEverything,
    LocksOutAfterAStepBack,
    IsOpenAfterAStepBack,
    StoresOnlyWhatItAllows,
    // keys
    OldestFirst,
    LosesTheRetirement,
    KeepsTheFirstRetirement,
    SharesPurposes,
    AddsEveryFirst,
    AnswersWithTheCandidate,
    OverwritesKeys,
    RemovesWhatRetires,
    AlwaysRemoves,
}

use Fault as F;

/// Which case must catch which fault.
const TABLE: &[(&str, Fault)] = &[
    ("a_key_has_one_first_use", F::IsAlwaysFirst),
    ("a_key_has_one_first_use", F::TakesAnEarlierEnd),
    ("each_key_has_its_own_first_use", F::HasOneKey),
    ("a_clock_that_steps_back_revives_no_key", F::ForgetsInTime),
    ("only_keys_whose_time_has_passed_are_purged", F::PurgesNothing),
    ("only_keys_whose_time_has_passed_are_purged", F::PurgesEverything),
    ("of_many_uses_at_once_one_is_the_first", F::ChecksThenWrites),
    ("a_quota_has_room_for_its_burst", F::LetsOneMoreThrough),
    ("a_quota_has_room_for_its_burst", F::GuessesWhenToRetry),
    ("a_quota_recovers_evenly", F::NeverRecovers),
    ("a_quota_recovers_evenly", F::CountsWhatItRefuses),
    ("each_key_has_its_own_quota", F::HasOneKey),
    ("peeking_counts_nothing", F::CountsPeeks),
    ("resetting_makes_a_quota_whole", F::NeverResets),
    ("resetting_makes_a_quota_whole", F::ResetsEverything),
    ("a_clock_that_steps_back_locks_nobody_out", F::LocksOutAfterAStepBack),
    ("a_clock_that_steps_back_locks_nobody_out", F::IsOpenAfterAStepBack),
    ("a_clock_that_steps_back_locks_nobody_out", F::StoresOnlyWhatItAllows),
    ("only_whole_quotas_are_purged", F::PurgesNothing),
    ("only_whole_quotas_are_purged", F::PurgesEverything),
    ("of_many_events_at_once_no_more_than_the_burst_pass", F::ChecksThenWrites),
    ("keys_are_kept_whole_newest_first", F::OldestFirst),
    ("purposes_do_not_share_keys", F::SharesPurposes),
    ("the_first_key_is_added_once", F::AddsEveryFirst),
    ("the_first_key_is_added_once", F::AnswersWithTheCandidate),
    ("a_taken_key_id_is_a_conflict", F::OverwritesKeys),
    ("a_retired_key_is_kept_and_marked", F::RemovesWhatRetires),
    ("a_retired_key_is_kept_and_marked", F::LosesTheRetirement),
    ("a_key_is_retired_from_the_time_that_was_said_last", F::KeepsTheFirstRetirement),
    ("removing_a_key_says_whether_there_was_one", F::AlwaysRemoves),
    ("of_many_first_keys_at_once_all_get_one", F::ChecksThenWrites),
];

pub(crate) fn broken() -> Vec<Broken> {
    Broken::of(TABLE, stores)
}

pub(crate) fn sound() -> Stores {
    stores(F::None)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stores_only_what_is_allowed_is_told_so() {
    let case = crate::named("a_clock_that_steps_back_locks_nobody_out");
    let complaint = crate::complaint(case, stores(F::StoresOnlyWhatItAllows)).await.unwrap();
    assert!(complaint.contains("stored with `Verdict::Limited`"), "{complaint}");
}

fn stores(fault: Fault) -> Stores {
    let mut stores = Stores::memory();
    stores.replay = Arc::new(Once { fault, kept: Mutex::default(), keys: stores.keys.clone() });
    stores.limits = Arc::new(Once { fault, kept: Mutex::default(), keys: stores.keys.clone() });
    stores.keys = Arc::new(Once { fault, kept: Mutex::default(), keys: stores.keys });
    stores
}

struct Once {
    fault: Fault,
    kept: Mutex<HashMap<[u8; 32], Timestamp>>,
    keys: Arc<dyn KeyStore>,
}

impl Once {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn place(&self, key: &[u8; 32]) -> [u8; 32] {
        if self.has(F::HasOneKey) { [0; 32] } else { *key }
    }

    fn forget(&self, before: Timestamp) -> u64 {
        let mut kept = self.kept.lock().unwrap();
        let had = kept.len();
        kept.retain(|_, end| match self.fault {
            F::PurgesNothing => true,
            F::PurgesEverything => false,
            _ => *end >= before,
        });
        (had - kept.len()) as u64
    }
}

#[async_trait]
impl ReplayGuard for Once {
    async fn first_use(&self, key: &TokenHash, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let key = self.place(key.as_bytes());
        let known = self.kept.lock().unwrap().get(&key).copied();
        if self.has(F::ChecksThenWrites) {
            yield_now().await;
            self.kept.lock().unwrap().insert(key, until);
            return Ok(known.is_none());
        }
        let mut kept = self.kept.lock().unwrap();
        match self.fault {
            F::ForgetsInTime => kept.retain(|_, until| *until > now),
            F::TakesAnEarlierEnd => {
                let known = kept.insert(key, until);
                return Ok(known.is_none_or(|until| until <= now));
            }
            _ => {}
        }
        // Atomic without the fault: decided under the lock that writes.
        let first = !kept.contains_key(&key);
        kept.entry(key).or_insert(until);
        Ok(first || self.has(F::IsAlwaysFirst))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.forget(before))
    }
}

impl Once {
    fn admit(&self, whole_at: Option<Timestamp>, quota: Quota, now: Timestamp) -> (Timestamp, Verdict) {
        let quota =
            if self.has(F::LetsOneMoreThrough) { Quota::new(quota.burst + 1, quota.per) } else { quota };
        let latest = whole_at.map_or(now, |whole_at| whole_at.max(now));
        match self.fault {
            F::NeverRecovers => quota.admit(whole_at, Timestamp::from_secs(1_800_000_000)),
            F::IsOpenAfterAStepBack => quota.admit(whole_at.filter(|at| *at <= now + quota.per), now),
            F::LocksOutAfterAStepBack if latest > now + quota.per => {
                (latest, Verdict::Limited { retry_after: latest.since(now + quota.per) })
            }
            F::CountsWhatItRefuses => match quota.admit(whole_at, now) {
                (_, Verdict::Limited { retry_after }) => (now + quota.per, Verdict::Limited { retry_after }),
                admitted => admitted,
            },
            F::GuessesWhenToRetry => match quota.admit(whole_at, now) {
                (at, Verdict::Limited { .. }) => (at, Verdict::Limited { retry_after: quota.per }),
                admitted => admitted,
            },
            _ => quota.admit(whole_at, now),
        }
    }
}

#[async_trait]
impl RateLimiter for Once {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        let key = self.place(key.as_bytes());
        if self.has(F::ChecksThenWrites) {
            let known = self.kept.lock().unwrap().get(&key).copied();
            yield_now().await;
            let (whole_at, verdict) = self.admit(known, quota, now);
            self.kept.lock().unwrap().insert(key, whole_at);
            return Ok(verdict);
        }
        let mut kept = self.kept.lock().unwrap();
        let (whole_at, verdict) = self.admit(kept.get(&key).copied(), quota, now);
        if verdict == Verdict::Allowed || !self.has(F::StoresOnlyWhatItAllows) {
            kept.insert(key, whole_at);
        }
        Ok(verdict)
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        if self.has(F::CountsPeeks) {
            return self.hit(key, quota, now).await;
        }
        let known = self.kept.lock().unwrap().get(&self.place(key.as_bytes())).copied();
        Ok(self.admit(known, quota, now).1)
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().unwrap();
        match self.fault {
            F::NeverResets => {}
            F::ResetsEverything => kept.clear(),
            _ => drop(kept.remove(&self.place(key.as_bytes()))),
        }
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.forget(before))
    }
}

impl Once {
    fn purpose(&self, purpose: KeyPurpose) -> KeyPurpose {
        if self.has(F::SharesPurposes) { KeyPurpose::Seal } else { purpose }
    }
}

#[async_trait]
impl KeyStore for Once {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys = self.keys.keys(self.purpose(purpose)).await?;
        match self.fault {
            F::OldestFirst => keys.reverse(),
            F::LosesTheRetirement => keys.iter_mut().for_each(|key| key.retired_at = None),
            _ => {}
        }
        Ok(keys)
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        let candidate = &StoredKey { purpose: self.purpose(candidate.purpose), ..candidate.clone() };
        match self.fault {
            F::AddsEveryFirst => {
                let first = self.keys.first(candidate).await?;
                let _ = self.keys.add(candidate).await;
                Ok(first)
            }
            F::AnswersWithTheCandidate => self.keys.first(candidate).await.map(|_| candidate.clone()),
            F::ChecksThenWrites => {
                if let Some(first) = self.keys.keys(candidate.purpose).await?.into_iter().next() {
                    return Ok(first);
                }
                yield_now().await;
                self.keys.add(candidate).await?;
                Ok(candidate.clone())
            }
            _ => self.keys.first(candidate).await,
        }
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        let key = &StoredKey { purpose: self.purpose(key.purpose), ..key.clone() };
        if self.has(F::OverwritesKeys) {
            let _ = self.keys.remove(key.purpose, &key.id).await?;
        }
        self.keys.add(key).await
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let purpose = self.purpose(purpose);
        if self.has(F::RemovesWhatRetires) {
            return self.keys.remove(purpose, id).await;
        }
        if self.has(F::KeepsTheFirstRetirement) {
            let keys = self.keys.keys(purpose).await?;
            if keys.iter().any(|key| key.id == id && key.retired_at.is_some()) {
                return Ok(true);
            }
        }
        self.keys.retire(purpose, id, at).await
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        Ok(self.keys.remove(self.purpose(purpose), id).await? || self.has(F::AlwaysRemoves))
    }
}
