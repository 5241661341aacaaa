//! What the ledger forgets, and what it must not.

use std::time::Duration;

use super::scene::{
    Answered as _, DAY, HOUR, MINUTE, NOW, SECOND, Trade, access, code, found, grant, refresh, revoked_at,
};
use crate::store::{Exchanged, GrantFilter, GrantStore, Revocation, Stores};
use crate::token::CredentialKey;

async fn is_there(store: &dyn GrantStore, key: &CredentialKey) -> bool {
    store.find(key).await.answered().is_some()
}

pub(crate) async fn expired_credentials_are_purged(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let (code, access, refresh) = (code(&grant), access(&grant), refresh(&grant));
    store.open(&grant, &[code.clone(), access.clone(), refresh.clone()]).await.answered();
    let purged = store.purge(access.expires_at + SECOND).await.answered();
    assert_eq!(purged, 2, "purge: the two credentials that expired are counted");
    for gone in [&code, &access] {
        assert!(!is_there(store, &gone.key).await, "purge: an expired credential is forgotten");
    }
    assert_eq!(found(store, &refresh.key).await.credential, refresh, "purge: a live credential is kept");
    assert_eq!(
        store.purge(access.expires_at + SECOND).await.answered(),
        0,
        "purge: what is gone does not count again"
    );
}

pub(crate) async fn what_has_not_ended_is_not_purged(stores: Stores) {
    let store = &*stores.grants;
    let (live, mut ending) = (grant(), grant());
    ending.expires_at = NOW + HOUR;
    let token = access(&live);
    store.open(&live, std::slice::from_ref(&token)).await.answered();
    store.open(&ending, &[refresh(&ending)]).await.answered();
    // Both end at that very moment, not before it.
    assert_eq!(
        store.purge(NOW + HOUR).await.answered(),
        0,
        "purge: only what ended before `before` is forgotten"
    );
    assert!(
        is_there(store, &token.key).await,
        "purge: a credential that has not expired before `before` is kept"
    );
    assert!(store.grant(&ending.id).await.answered().is_some(), "purge: nor a grant that has not");
}

pub(crate) async fn ended_and_empty_grants_are_purged(stores: Stores) {
    let store = &*stores.grants;
    let (live, mut expired, revoked, empty) = (grant(), grant(), grant(), grant());
    expired.expires_at = NOW + MINUTE;
    let tokens = [&live, &expired, &revoked].map(refresh);
    for (grant, token) in [&live, &expired, &revoked].into_iter().zip(&tokens) {
        store.open(grant, std::slice::from_ref(token)).await.answered();
    }
    store.open(&empty, &[code(&empty)]).await.answered();
    let _ = store.revoke(Revocation::Grant(&revoked.id), NOW + MINUTE).await.answered();

    let purged = store.purge(NOW + HOUR).await.answered();
    assert!(purged >= 3, "purge: the three grants that are forgotten are counted, not {purged}");
    for (gone, why) in [(&expired, "expired"), (&revoked, "was revoked"), (&empty, "has no credential left")]
    {
        assert_eq!(store.grant(&gone.id).await.answered(), None, "purge: a grant that {why} is forgotten");
    }
    for token in &tokens[1..] {
        assert!(!is_there(store, &token.key).await, "purge: with a grant its credentials are forgotten");
    }
    assert_eq!(store.grant(&live.id).await.answered(), Some(live.clone()), "purge: a live grant is kept");
    assert!(is_there(store, &tokens[0].key).await, "purge: a live grant's credentials are kept");
    assert_eq!(store.count(GrantFilter::All).await.answered(), 1, "purge: nothing else is left");
}

pub(crate) async fn a_grants_credentials_are_counted_with_it(stores: Stores) {
    let store = &*stores.grants;
    let (mut expired, revoked, empty) = (grant(), grant(), grant());
    expired.expires_at = NOW + MINUTE;
    for (grant, first) in [
        (&expired, vec![access(&expired), refresh(&expired)]),
        (&revoked, vec![code(&revoked), access(&revoked), refresh(&revoked)]),
        (&empty, vec![code(&empty)]),
    ] {
        store.open(grant, &first).await.answered();
    }
    let _ = store.revoke(Revocation::Grant(&revoked.id), NOW + MINUTE).await.answered();
    // None of the credentials but the last one's has ended: they go with their grant.
    assert_eq!(
        store.purge(NOW + 30 * MINUTE).await.answered(),
        (1 + 2) + (1 + 3) + (1 + 1),
        "purge: each grant is counted, and each credential that goes with it"
    );
    assert_eq!(
        store.purge(NOW + 30 * MINUTE).await.answered(),
        0,
        "purge: what is gone does not count again"
    );
}

pub(crate) async fn each_credential_is_purged_after_its_own_end(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let code = code(&grant);
    store.open(&grant, std::slice::from_ref(&code)).await.answered();
    let first = Trade::new(&code, &grant).within(Duration::ZERO);
    let _ = first.make(store).await.answered();
    // What is issued long after the last purge ends before all that is there.
    let late = NOW + 2 * DAY;
    let mut second = Trade::new(first.successor(), &grant).at(late);
    second.issued[0].expires_at = late + HOUR;
    for (at, gone) in
        [(NOW + MINUTE, None), (NOW + 30 * MINUTE, Some(code.key)), (NOW + DAY, Some(first.issued[0].key))]
    {
        let purged = store.purge(at).await.answered();
        assert_eq!(
            purged,
            u64::from(gone.is_some()),
            "purge: what ended since the last purge is counted, and nothing else"
        );
        if let Some(gone) = gone {
            assert!(!is_there(store, &gone).await, "purge: what ended since the last purge is forgotten");
        }
    }
    assert_eq!(second.make(store).await.answered(), Exchanged::Done);
    assert_eq!(
        store.purge(late + DAY).await.answered(),
        1,
        "purge: what an exchange issued is counted once it ended"
    );
    assert!(
        !is_there(store, &second.issued[0].key).await,
        "purge: what an exchange issued is forgotten once it ended"
    );
    assert!(is_there(store, &second.successor().key).await, "purge: what has not ended is kept");
}

pub(crate) async fn a_grant_that_a_replay_revoked_is_purged(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let token = refresh(&grant);
    store.open(&grant, std::slice::from_ref(&token)).await.answered();
    let trade = Trade::new(&token, &grant);
    let _ = trade.make(store).await.answered();
    let _ = store.purge(NOW + DAY).await.answered();
    assert_eq!(trade.clone().at(NOW + DAY).make(store).await.answered(), Exchanged::Replayed);
    let _ = store.purge(NOW + 2 * DAY).await.answered();
    assert_eq!(
        store.grant(&grant.id).await.answered(),
        None,
        "purge: a grant that a replay revoked is forgotten"
    );
    for gone in [&token, trade.successor()] {
        assert!(!is_there(store, &gone.key).await, "purge: with a grant its credentials are forgotten");
    }
    assert_eq!(store.count(GrantFilter::All).await.answered(), 0, "purge: nothing else is left");
}

pub(crate) async fn a_replay_is_recognised_after_a_purge(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let token = refresh(&grant);
    store.open(&grant, std::slice::from_ref(&token)).await.answered();
    let _ = Trade::new(&token, &grant).make(store).await.answered();
    let _ = store.purge(NOW + DAY).await.answered();
    assert!(is_there(store, &token.key).await, "purge: a spent credential is kept until it expires");
    let replay = Trade::new(&token, &grant).at(NOW + DAY).make(store).await.answered();
    assert_eq!(
        replay,
        Exchanged::Replayed,
        "purge: a replay is recognised for as long as the spent credential lives"
    );
    assert_eq!(
        revoked_at(store, &grant).await,
        Some(NOW + DAY),
        "purge: a replay revokes the grant after it, too"
    );
}

pub(crate) async fn a_retry_is_answered_after_a_purge(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let token = refresh(&grant);
    store.open(&grant, std::slice::from_ref(&token)).await.answered();
    let first = Trade::new(&token, &grant);
    let _ = first.make(store).await.answered();
    let _ = store.purge(NOW + Duration::from_millis(1)).await.answered();
    let retry = Trade::new(&token, &grant).at(NOW + SECOND).make(store).await.answered();
    assert_eq!(retry, Exchanged::Retried(first.reply), "purge: a reply that may be asked for again is kept");
}
