//! What an exchange promises, one caller at a time.

use std::time::Duration;

use super::scene::{
    Answered as _, DAY, GRACE, HOUR, MINUTE, NOW, SECOND, Trade, access, assert_conflict, code, found, grant,
    grant_of, hash, refresh, revoked_at, status,
};
use crate::entropy::OsEntropy;
use crate::grant::{Credential, Grant};
use crate::id::GrantId;
use crate::store::{CredentialStatus, Exchanged, GrantStore, Revocation, Spent, Stores};
use crate::time::Timestamp;
use crate::token::CredentialKey;

/// A grant with a refresh token.
async fn refreshable(store: &dyn GrantStore) -> (Grant, Credential) {
    let grant = grant();
    let token = refresh(&grant);
    store.open(&grant, std::slice::from_ref(&token)).await.answered();
    (grant, token)
}

/// Makes a trade that must be the first for its credential.
async fn done(trade: &Trade, store: &dyn GrantStore) {
    assert_eq!(
        trade.make(store).await.answered(),
        Exchanged::Done,
        "exchange: an unspent credential is spent"
    );
}

async fn assert_retried(trade: &Trade, earlier: &Trade, store: &dyn GrantStore, promise: &str) {
    let retried = Exchanged::Retried(earlier.reply.clone());
    assert_eq!(trade.make(store).await.answered(), retried, "exchange: {promise} gets the very same reply");
    assert_eq!(trade.stored(store).await, 0, "exchange: what a retry brought along does not exist");
}

async fn assert_replayed(trade: &Trade, grant: &Grant, store: &dyn GrantStore, promise: &str) {
    assert_eq!(trade.make(store).await.answered(), Exchanged::Replayed, "exchange: {promise} is a replay");
    assert_eq!(
        revoked_at(store, grant).await,
        Some(trade.now),
        "exchange: a replay revokes the grant at `now`"
    );
    assert_eq!(trade.stored(store).await, 0, "exchange: what a replay brought along does not exist");
}

pub(crate) async fn an_exchange_spends_one_and_stores_the_others(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let (code, bystander) = (code(&grant), access(&grant));
    store.open(&grant, &[code.clone(), bystander.clone()]).await.answered();
    let now = NOW + MINUTE;
    let trade = Trade::new(&code, &grant).at(now).within(Duration::ZERO);
    done(&trade, store).await;
    let spent = found(store, &code.key).await.spent;
    assert_eq!(spent, Some(Spent { at: now }), "exchange: the credential is spent at `now`");
    for issued in &trade.issued {
        let found = found(store, &issued.key).await;
        assert_eq!(&found.credential, issued, "exchange: all of `issued` is stored, whole");
        assert_eq!(found.grant, grant, "exchange: the grant does not change");
        assert_eq!(found.status(now), CredentialStatus::Live, "exchange: what is issued is live");
    }
    assert_eq!(
        status(store, &bystander, now).await,
        CredentialStatus::Live,
        "exchange: the grant's other credentials are untouched"
    );
    // What was issued is as good as what was there first.
    done(&Trade::new(trade.successor(), &grant).at(now), store).await;
}

pub(crate) async fn an_exchange_of_something_unknown_changes_nothing(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    for key in [
        CredentialKey { grant: grant.id, hash: hash() },
        CredentialKey { grant: GrantId::generate(&OsEntropy), hash: token.key.hash },
    ] {
        let trade = Trade { spent: key, ..Trade::new(&token, &grant) };
        assert_eq!(
            trade.make(store).await.answered(),
            Exchanged::Gone,
            "exchange: an unknown credential is gone"
        );
        assert_eq!(trade.stored(store).await, 0, "exchange: for an unknown credential nothing is stored");
    }
    assert_eq!(revoked_at(store, &grant).await, None, "exchange: an unknown credential revokes nothing");
    assert_eq!(
        status(store, &token, NOW).await,
        CredentialStatus::Live,
        "exchange: an unknown credential spends nothing"
    );
}

pub(crate) async fn an_exchange_under_a_revoked_grant_changes_nothing(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let first = Trade::new(&token, &grant);
    done(&first, store).await;
    let _ = store.revoke(Revocation::Grant(&grant.id), NOW).await.answered();
    // Neither an unspent credential nor a retry gets anything.
    for spent in [first.successor(), &token] {
        let trade = Trade::new(spent, &grant).at(NOW + SECOND);
        assert_eq!(
            trade.make(store).await.answered(),
            Exchanged::Gone,
            "exchange: under a revoked grant all is gone"
        );
        assert_eq!(trade.stored(store).await, 0, "exchange: under a revoked grant nothing is stored");
    }
    let spent = found(store, &first.successor().key).await.spent;
    assert_eq!(spent, None, "exchange: under a revoked grant nothing is spent");
    assert_eq!(
        revoked_at(store, &grant).await,
        Some(NOW),
        "exchange: a revoked grant stays as it was revoked"
    );
}

pub(crate) async fn a_retry_gets_the_identical_reply(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let first = Trade::new(&token, &grant);
    done(&first, store).await;
    for after in [Duration::ZERO, SECOND, MINUTE] {
        let retry = Trade::new(&token, &grant).at(NOW + after);
        assert_retried(&retry, &first, store, "a retry within the grace window").await;
    }
    let spent = found(store, &token.key).await.spent;
    assert_eq!(spent, Some(Spent { at: NOW }), "exchange: a retry does not move when it was spent");
    assert_eq!(revoked_at(store, &grant).await, None, "exchange: a retry revokes nothing");
    assert_eq!(
        status(store, first.successor(), NOW).await,
        CredentialStatus::Live,
        "exchange: a retry spends nothing"
    );
}

pub(crate) async fn each_exchange_keeps_its_own_reply(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let first = Trade::new(&token, &grant);
    let second = Trade::new(first.successor(), &grant).at(NOW + SECOND);
    done(&first, store).await;
    done(&second, store).await;
    let retry = Trade::new(first.successor(), &grant).at(NOW + 2 * SECOND);
    assert_retried(&retry, &second, store, "a retry of the second exchange").await;
}

pub(crate) async fn another_request_is_no_retry(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    done(&Trade::new(&token, &grant), store).await;
    let other = Trade::new(&token, &grant).at(NOW + SECOND).asking("another request");
    assert_replayed(&other, &grant, store, "the same credential for another request").await;
}

pub(crate) async fn without_grace_a_repetition_is_a_replay(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let code = code(&grant);
    store.open(&grant, std::slice::from_ref(&code)).await.answered();
    let first = Trade::new(&code, &grant).within(Duration::ZERO);
    done(&first, store).await;
    let again = Trade::new(&code, &grant).within(Duration::ZERO);
    assert_replayed(&again, &grant, store, "a repetition without grace, at the very same time,").await;
    for issued in &first.issued {
        let status = status(store, issued, NOW).await;
        assert_eq!(
            status,
            CredentialStatus::Revoked,
            "exchange: a replay revokes what the first exchange issued"
        );
    }
    assert_eq!(again.make(store).await.answered(), Exchanged::Gone, "exchange: after a replay all is gone");
}

/// Trades at `NOW`, and again at `again`.
async fn repeated(store: &dyn GrantStore, again: Timestamp) -> (Grant, Trade, Trade) {
    let (grant, token) = refreshable(store).await;
    let first = Trade::new(&token, &grant);
    done(&first, store).await;
    let second = Trade::new(&token, &grant).at(again);
    (grant, first, second)
}

pub(crate) async fn the_grace_window_ends(stores: Stores) {
    let store = &*stores.grants;
    let (_, first, again) = repeated(store, NOW + (GRACE - Duration::from_millis(1))).await;
    assert_retried(&again, &first, store, "a retry at the window's last moment").await;
    for late in [GRACE, GRACE + SECOND, DAY] {
        let (grant, _, again) = repeated(store, NOW + late).await;
        assert_replayed(&again, &grant, store, "a repetition when the window is over").await;
    }
}

pub(crate) async fn a_clock_that_steps_back_does_not_unspend(stores: Stores) {
    // A-FAULT-5
    let store = &*stores.grants;
    let (_, first, again) = repeated(store, NOW.before(MINUTE)).await;
    assert_retried(&again, &first, store, "a retry that a slower clock dates before the exchange").await;
    let (grant, _, again) = repeated(store, NOW.before(HOUR)).await;
    assert_replayed(&again, &grant, store, "a repetition dated long before the exchange").await;
}

pub(crate) async fn once_the_successor_is_spent_a_repetition_is_a_replay(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let first = Trade::new(&token, &grant);
    done(&first, store).await;
    let second = Trade::new(first.successor(), &grant).at(NOW + SECOND);
    done(&second, store).await;
    // Who used the successor has the reply: whoever asks for it now is somebody else.
    let again = Trade::new(&token, &grant).at(NOW + 2 * SECOND);
    assert_replayed(&again, &grant, store, "a repetition after the successor was spent, within the window,")
        .await;
    let newest = status(store, second.successor(), NOW + 2 * SECOND).await;
    assert_eq!(newest, CredentialStatus::Revoked, "exchange: a replay revokes the newest credentials too");
}

pub(crate) async fn once_the_successor_is_forgotten_a_repetition_is_a_replay(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let mut first = Trade::new(&token, &grant);
    first.issued[1].expires_at = NOW + SECOND;
    done(&first, store).await;
    let _ = store.purge(NOW + MINUTE).await.answered();
    assert_eq!(first.stored(store).await, 1, "purge: a successor that expired is forgotten");
    // It may have been spent before it was forgotten: nobody knows any more.
    let again = Trade::new(&token, &grant).at(NOW + MINUTE);
    assert_replayed(&again, &grant, store, "a repetition after the successor was purged, within the window,")
        .await;
}

pub(crate) async fn a_replay_revokes_its_own_grant_alone(stores: Stores) {
    let store = &*stores.grants;
    let (grant, token) = refreshable(store).await;
    let other = grant_of(&grant.subject, &grant.client_id);
    store.open(&other, &[access(&other)]).await.answered();
    done(&Trade::new(&token, &grant), store).await;
    assert_replayed(
        &Trade::new(&token, &grant).at(NOW + DAY),
        &grant,
        store,
        "a repetition after the window",
    )
    .await;
    assert_eq!(
        revoked_at(store, &other).await,
        None,
        "exchange: a replay leaves the subject's other grants alone"
    );
}

pub(crate) async fn a_taken_hash_spends_nothing(stores: Stores) {
    // REF-15, AS-63
    let store = &*stores.grants;
    let grant = grant();
    let (token, taken) = (refresh(&grant), access(&grant));
    store.open(&grant, &[token.clone(), taken.clone()]).await.answered();
    let fresh = access(&grant);
    for issued in [
        vec![fresh.clone(), taken.clone()],
        vec![fresh.clone(), fresh.clone()],
        vec![fresh.clone(), token.clone()],
    ] {
        let promise = "exchange: a taken hash among what is issued";
        let trade = Trade { issued, ..Trade::new(&token, &grant) };
        assert_conflict(trade.make(store).await, promise);
        assert_eq!(store.find(&fresh.key).await.answered(), None, "{promise}: nothing is stored");
        assert_eq!(found(store, &taken.key).await.credential, taken, "{promise}: nothing is overwritten");
        assert_eq!(status(store, &token, NOW).await, CredentialStatus::Live, "{promise}: nothing is spent");
    }
    done(&Trade::new(&token, &grant), store).await;
}
