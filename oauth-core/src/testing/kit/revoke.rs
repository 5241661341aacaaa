//! What a revocation reaches.

use std::time::Duration;

use super::scene::{
    Answered as _, MINUTE, NOW, Trade, access, client_id, grant, grant_of, refresh, revoked_at, status,
    subject,
};
use crate::entropy::OsEntropy;
use crate::grant::Grant;
use crate::id::GrantId;
use crate::store::{CredentialStatus, Exchanged, GrantStore, Revocation, Stores};

/// Opens four grants: of each of two subjects to each of two clients.
async fn four(store: &dyn GrantStore) -> [Grant; 4] {
    let (alice, bob, app, tool) = (subject(), subject(), client_id(), client_id());
    let grants =
        [(&alice, &app), (&alice, &tool), (&bob, &app), (&bob, &tool)].map(|(who, whom)| grant_of(who, whom));
    for grant in &grants {
        store.open(grant, &[access(grant), refresh(grant)]).await.answered();
    }
    grants
}

/// Revokes, and holds the store to what that reaches, twice.
async fn assert_reach(store: &dyn GrantStore, grants: &[Grant], what: Revocation<'_>, reached: [bool; 4]) {
    let count = reached.iter().filter(|reached| **reached).count() as u64;
    let revoked = store.revoke(what, NOW + MINUTE).await.answered();
    assert_eq!(revoked, count, "revoke: each grant that was live counts once ({what:?})");
    for (grant, reached) in grants.iter().zip(reached) {
        let at = revoked_at(store, grant).await;
        assert_eq!(at, reached.then_some(NOW + MINUTE), "revoke: these grants and no others ({what:?})");
    }
    let again = store.revoke(what, NOW + 2 * MINUTE).await.answered();
    assert_eq!(again, 0, "revoke: what is revoked already counts as zero ({what:?})");
}

pub(crate) async fn one_grant_is_revoked(stores: Stores) {
    let store = &*stores.grants;
    let grants = four(store).await;
    assert_reach(store, &grants, Revocation::Grant(&grants[2].id), [false, false, true, false]).await;
}

pub(crate) async fn all_grants_to_a_client_are_revoked(stores: Stores) {
    let store = &*stores.grants;
    let grants = four(store).await;
    assert_reach(store, &grants, Revocation::Client(&grants[0].client_id), [true, false, true, false]).await;
}

pub(crate) async fn all_grants_of_a_subject_are_revoked(stores: Stores) {
    let store = &*stores.grants;
    let grants = four(store).await;
    assert_reach(store, &grants, Revocation::Subject(&grants[0].subject), [true, true, false, false]).await;
}

pub(crate) async fn all_grants_of_a_subject_to_a_client_are_revoked(stores: Stores) {
    let store = &*stores.grants;
    let grants = four(store).await;
    let what = Revocation::SubjectAndClient(&grants[1].subject, &grants[1].client_id);
    assert_reach(store, &grants, what, [false, true, false, false]).await;
    // Of the subject's grants, one is revoked already: it does not count again.
    let rest = store.revoke(Revocation::Subject(&grants[1].subject), NOW + MINUTE).await.answered();
    assert_eq!(rest, 1, "revoke: what is revoked already counts as zero");
}

pub(crate) async fn expired_grants_are_revoked_and_not_counted(stores: Stores) {
    let store = &*stores.grants;
    // Each way to name them reaches one grant that ends at that very moment, and one that ends a moment later.
    for way in 0..4 {
        let (subject, client) = (subject(), client_id());
        let [ended, live] = [MINUTE, MINUTE + Duration::from_millis(1)]
            .map(|life| Grant { expires_at: NOW + life, ..grant_of(&subject, &client) });
        for grant in [&ended, &live] {
            store.open(grant, &[refresh(grant)]).await.answered();
        }
        let mut revoked = 0;
        for what in match way {
            0 => vec![Revocation::Grant(&ended.id), Revocation::Grant(&live.id)],
            1 => vec![Revocation::Client(&client)],
            2 => vec![Revocation::Subject(&subject)],
            _ => vec![Revocation::SubjectAndClient(&subject, &client)],
        } {
            revoked += store.revoke(what, NOW + MINUTE).await.answered();
        }
        assert_eq!(revoked, 1, "revoke: a grant that has expired was not live and does not count");
        for grant in [&ended, &live] {
            let at = revoked_at(store, grant).await;
            assert_eq!(at, Some(NOW + MINUTE), "revoke: a grant that has expired is revoked all the same");
        }
    }
}

pub(crate) async fn revoking_something_unknown_is_no_error(stores: Stores) {
    let store = &*stores.grants;
    let grants = four(store).await;
    for what in [
        Revocation::Grant(&GrantId::generate(&OsEntropy)),
        Revocation::Client(&client_id()),
        Revocation::Subject(&subject()),
        Revocation::SubjectAndClient(&grants[0].subject, &client_id()),
    ] {
        let revoked = store.revoke(what, NOW).await.answered();
        assert_eq!(revoked, 0, "revoke: what is unknown counts as zero ({what:?})");
    }
    for grant in &grants {
        assert_eq!(revoked_at(store, grant).await, None, "revoke: what is unknown reaches nobody else");
    }
}

pub(crate) async fn nothing_under_a_revoked_grant_is_live(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let token = refresh(&grant);
    store.open(&grant, std::slice::from_ref(&token)).await.answered();
    let first = Trade::new(&token, &grant);
    let _ = first.make(store).await.answered();
    let _ = store.revoke(Revocation::Grant(&grant.id), NOW + MINUTE).await.answered();
    for credential in [&token, &first.issued[0], &first.issued[1]] {
        let status = status(store, credential, NOW + MINUTE).await;
        assert_eq!(status, CredentialStatus::Revoked, "revoke: nothing under the grant is live");
    }
    let retry = Trade::new(first.successor(), &grant).at(NOW + MINUTE).make(store).await.answered();
    assert_eq!(retry, Exchanged::Gone, "revoke: a revoked grant's refresh token buys nothing");
}
