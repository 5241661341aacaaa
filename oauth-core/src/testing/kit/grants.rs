//! What the ledger keeps, finds, lists and counts.

use super::scene::{
    Answered as _, DAY, HOUR, MINUTE, NOW, SECOND, Trade, access, assert_conflict, client_id, code, found,
    grant, grant_of, hash, refresh, resources, status, subject,
};
use crate::entropy::{OsEntropy, random};
use crate::grant::{Binding, Grant, SubjectKind, Thumbprint};
use crate::id::GrantId;
use crate::store::{CredentialStatus, GrantFilter, GrantStore, PageRequest, Revocation, Stores};
use crate::time::Timestamp;
use crate::token::CredentialKey;

pub(crate) async fn grants_and_credentials_are_kept_whole(stores: Stores) {
    let store = &*stores.grants;
    let mut bound = refresh(&grant());
    let grants = [
        grant(),
        Grant {
            subject_kind: SubjectKind::Client,
            auth_time: None,
            expires_at: Timestamp::MAX,
            scopes: Default::default(),
            resources: ["https://a.example", "https://b.example/mcp"]
                .iter()
                .flat_map(|uri| uri.parse())
                .collect(),
            ..grant()
        },
    ];
    for grant in &grants {
        bound.key = CredentialKey { grant: grant.id, hash: hash() };
        bound.binding = Binding::Dpop(Thumbprint::from_bytes(random(&OsEntropy)));
        let mut narrow = access(grant);
        narrow.scopes = ["notes:read"].into_iter().collect();
        narrow.resources = resources("https://a.example");
        let mut plain = code(grant);
        if let Some(code) = &mut plain.code {
            (code.nonce, code.dpop_jkt) = (None, None);
        }
        let first = [code(grant), plain, bound.clone(), narrow, access(grant)];
        store.open(grant, &first).await.answered();
        let kept = store.grant(&grant.id).await.answered();
        assert_eq!(kept.as_ref(), Some(grant), "open: the grant is kept whole");
        for credential in &first {
            let found = found(store, &credential.key).await;
            assert_eq!(&found.credential, credential, "open: a credential is kept whole");
            assert_eq!(&found.grant, grant, "find: a credential comes with its grant");
            assert_eq!(found.spent, None, "open: a new credential is unspent");
        }
    }
}

pub(crate) async fn a_taken_grant_id_is_a_conflict(stores: Stores) {
    let store = &*stores.grants;
    let (first, token) = (grant(), refresh(&grant()));
    let token = crate::grant::Credential { key: CredentialKey { grant: first.id, ..token.key }, ..token };
    store.open(&first, std::slice::from_ref(&token)).await.answered();
    let second = Grant { id: first.id, ..grant() };
    let other = access(&second);
    let promise = "open: a taken grant id";
    assert_conflict(store.open(&second, std::slice::from_ref(&other)).await, promise);
    assert_eq!(
        store.grant(&first.id).await.answered(),
        Some(first.clone()),
        "{promise}: nothing is overwritten"
    );
    assert_eq!(found(store, &token.key).await.credential, token, "{promise}: nothing is overwritten");
    assert_eq!(store.find(&other.key).await.answered(), None, "{promise}: nothing is written");
    for (filter, count) in [
        (GrantFilter::Subject(&first.subject), 1),
        (GrantFilter::Subject(&second.subject), 0),
        (GrantFilter::Client(&second.client_id), 0),
    ] {
        assert_eq!(store.count(filter).await.answered(), count, "{promise}: nothing is written");
    }
}

pub(crate) async fn opening_is_all_or_nothing(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let (good, twin) = (access(&grant), code(&grant));
    let first = [good.clone(), twin.clone(), twin.clone()];
    let promise = "open: a hash twice";
    assert_conflict(store.open(&grant, &first).await, promise);
    assert_eq!(store.grant(&grant.id).await.answered(), None, "{promise}: no grant is written");
    for key in [good.key, twin.key] {
        assert_eq!(store.find(&key).await.answered(), None, "{promise}: no credential is written");
    }
    assert_eq!(store.count(GrantFilter::All).await.answered(), 0, "{promise}: nothing is written");
    store.open(&grant, &first[..2]).await.answered();
}

pub(crate) async fn spent_expired_and_revoked_credentials_are_found(stores: Stores) {
    let store = &*stores.grants;
    let grant = grant();
    let (code, token) = (code(&grant), access(&grant));
    store.open(&grant, &[code.clone(), token.clone()]).await.answered();
    let trade = Trade::new(&code, &grant);
    let _ = trade.make(store).await.answered();

    let spent = found(store, &code.key).await;
    assert_eq!(
        spent.spent.map(|spent| spent.at),
        Some(NOW),
        "find: a spent credential is found, with when it was spent"
    );
    assert_eq!(spent.credential, code, "find: being spent changes nothing of a credential");
    let late = NOW + 2 * HOUR;
    assert_eq!(
        status(store, &token, late).await,
        CredentialStatus::Expired,
        "find: an expired credential is found"
    );
    let _ = store.revoke(Revocation::Grant(&grant.id), NOW + MINUTE).await.answered();
    for credential in [&code, &token, trade.successor()] {
        let status = status(store, credential, NOW + MINUTE).await;
        assert_eq!(
            status,
            CredentialStatus::Revoked,
            "find: a revoked grant's credentials are found, and revoked"
        );
    }
}

pub(crate) async fn a_credential_is_known_by_its_grant_and_its_hash(stores: Stores) {
    let store = &*stores.grants;
    let (one, two) = (grant(), grant());
    let (first, second) = (access(&one), access(&two));
    store.open(&one, std::slice::from_ref(&first)).await.answered();
    store.open(&two, std::slice::from_ref(&second)).await.answered();
    for key in [
        CredentialKey { grant: one.id, hash: hash() },
        CredentialKey { grant: two.id, hash: first.key.hash },
        CredentialKey { grant: GrantId::generate(&OsEntropy), hash: first.key.hash },
    ] {
        assert_eq!(store.find(&key).await.answered(), None, "find: both grant and hash must be right");
    }
    assert_eq!(
        store.grant(&GrantId::generate(&OsEntropy)).await.answered(),
        None,
        "grant: an unknown one is none"
    );
}

/// All grants of a filter, page by page.
async fn listed(store: &dyn GrantStore, filter: GrantFilter<'_>, limit: usize) -> Vec<Grant> {
    let (mut all, mut page) = (Vec::new(), PageRequest::first(limit));
    for _ in 0..100 {
        let listing = store.list(filter, page).await.answered();
        let most = limit.max(1);
        assert!(listing.items.len() <= most, "list: a page has at most as many records as were asked for");
        all.extend(listing.items);
        match listing.next {
            Some(next) => page = PageRequest { after: Some(next), limit },
            None => return all,
        }
    }
    panic!("list: the pages come to an end");
}

pub(crate) async fn grants_are_listed_page_by_page_each_once(stores: Stores) {
    let store = &*stores.grants;
    let (alice, bob, app, tool) = (subject(), subject(), client_id(), client_id());
    let mut all = Vec::new();
    for (subject, client, count) in [(&alice, &app, 4), (&alice, &tool, 3), (&bob, &app, 2)] {
        for _ in 0..count {
            let grant = grant_of(subject, client);
            store.open(&grant, &[access(&grant), refresh(&grant)]).await.answered();
            all.push(grant);
        }
    }
    all.sort_by_key(|grant| grant.id);
    for (filter, wanted) in [
        (GrantFilter::All, all.clone()),
        (GrantFilter::Subject(&alice), all.iter().filter(|grant| grant.subject == alice).cloned().collect()),
        (GrantFilter::Client(&app), all.iter().filter(|grant| grant.client_id == app).cloned().collect()),
        (GrantFilter::Subject(&subject()), Vec::new()),
    ] {
        for limit in [1, 3, 7, 50] {
            let mut listed = listed(store, filter, limit).await;
            listed.sort_by_key(|grant| grant.id);
            assert_eq!(listed, wanted, "list: each grant of the filter exactly once, in pages of {limit}");
        }
    }
}

pub(crate) async fn a_page_of_no_grants_is_a_page_of_one(stores: Stores) {
    let store = &*stores.grants;
    let (alice, app) = (subject(), client_id());
    let mut all = Vec::new();
    for _ in 0..3 {
        let grant = grant_of(&alice, &app);
        store.open(&grant, &[refresh(&grant)]).await.answered();
        all.push(grant);
    }
    all.sort_by_key(|grant| grant.id);
    for filter in [GrantFilter::All, GrantFilter::Subject(&alice), GrantFilter::Client(&app)] {
        let mut listed = listed(store, filter, 0).await;
        listed.sort_by_key(|grant| grant.id);
        assert_eq!(listed, all, "list: a limit of zero is taken as one: each grant exactly once");
    }
}

pub(crate) async fn grants_that_ended_are_listed_and_counted(stores: Stores) {
    let store = &*stores.grants;
    let mut ended = Vec::new();
    for life in [SECOND, MINUTE, HOUR] {
        let grant = Grant { expires_at: NOW + life, ..grant() };
        store.open(&grant, &[refresh(&grant)]).await.answered();
        ended.push(grant);
    }
    let live = grant();
    store.open(&live, &[refresh(&live)]).await.answered();
    // Revoked is not over.
    let _ = store.revoke(Revocation::Grant(&live.id), NOW).await.answered();
    // What ends at that very moment has not ended before it.
    for (before, wanted) in [(NOW, 0), (NOW + SECOND, 0), (NOW + MINUTE, 1), (NOW + HOUR, 2), (NOW + DAY, 3)]
    {
        let filter = GrantFilter::Expired(before);
        assert_eq!(
            store.count(filter).await.answered(),
            wanted as u64,
            "count: those that ended before then"
        );
        for limit in [1, 50] {
            let mut listed = listed(store, filter, limit).await;
            listed.sort_by_key(|grant| grant.expires_at);
            assert_eq!(listed, ended[..wanted], "list: those that ended before then, in pages of {limit}");
        }
    }
}

pub(crate) async fn grants_are_counted_until_they_are_purged(stores: Stores) {
    let store = &*stores.grants;
    let (alice, app) = (subject(), client_id());
    let mut ended = grant_of(&alice, &app);
    ended.expires_at = NOW + MINUTE;
    let revoked = grant_of(&alice, &client_id());
    for grant in [&ended, &revoked, &grant_of(&subject(), &app)] {
        store.open(grant, &[access(grant), refresh(grant)]).await.answered();
    }
    let _ = store.revoke(Revocation::Grant(&revoked.id), NOW).await.answered();
    let counts = async || {
        let filters = [GrantFilter::All, GrantFilter::Subject(&alice), GrantFilter::Client(&app)];
        let mut counts = [0; 3];
        for (filter, count) in filters.into_iter().zip(&mut counts) {
            *count = store.count(filter).await.answered();
        }
        counts
    };
    assert_eq!(counts().await, [3, 2, 2], "count: by filter, revoked and expired grants included");
    let _ = store.purge(NOW + DAY).await.answered();
    assert_eq!(counts().await, [1, 0, 1], "count: a purged grant is not counted");
}
