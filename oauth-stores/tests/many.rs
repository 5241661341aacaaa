//! More records than fit into one page, one transaction or one slice of a purge.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(feature = "sqlite")]

use std::time::Duration;

use oauth_core::{Binding, Credential, CredentialKey, CredentialKind};
use oauth_core::{
    Consent, ConsentStore, Exchange, Exchanged, Grant, GrantFilter, GrantId, GrantStore, OsEntropy,
    PageRequest, ReplayGuard, ResourceUri, Revocation, SealedReply, SubjectKind, Timestamp, TokenHash,
    random,
};
use oauth_stores::SqliteStore;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn grant(days: u32) -> (Grant, Credential) {
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read".parse().unwrap(),
        resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
        issued_at: NOW,
        expires_at: NOW + DAY * days,
        auth_time: None,
        revoked_at: None,
    };
    let credential = Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + DAY * days,
        code: None,
    };
    (grant, credential)
}

#[tokio::test]
async fn a_purge_of_many_slices_removes_what_has_ended_and_nothing_else() {
    let store = SqliteStore::in_memory().unwrap();
    for at in 0..1300_u32 {
        let (grant, credential) = grant(if at % 3 == 0 { 1 } else { 30 });
        store.open(&grant, &[credential]).await.unwrap();
        let hash = TokenHash::from_bytes(random(&OsEntropy));
        assert!(store.first_use(&hash, grant.expires_at, NOW).await.unwrap());
        let consent = Consent {
            subject: grant.subject,
            client_id: format!("app-{at}").parse().unwrap(),
            client_fingerprint: hash,
            scopes: grant.scopes,
            resources: grant.resources,
            given_at: NOW,
            expires_at: grant.expires_at,
        };
        store.remember(&consent).await.unwrap();
    }
    let before = NOW + DAY * 2;
    // A third of 1300, each grant with its credential.
    assert_eq!(GrantStore::purge(&store, before).await.unwrap(), 434 * 2);
    assert_eq!(ReplayGuard::purge(&store, before).await.unwrap(), 434);
    assert_eq!(ConsentStore::purge(&store, before).await.unwrap(), 434);
    assert_eq!(store.count(GrantFilter::All).await.unwrap(), 866);
    assert_eq!(GrantStore::purge(&store, before).await.unwrap(), 0);
}

#[tokio::test]
async fn all_of_many_grants_are_revoked_counted_and_listed() {
    let store = SqliteStore::in_memory().unwrap();
    for _ in 0..1300 {
        let (grant, credential) = grant(30);
        store.open(&grant, &[credential]).await.unwrap();
    }
    let client = "app".parse().unwrap();
    let (mut page, mut listed) = (PageRequest::first(usize::MAX), 0);
    loop {
        let listing = GrantStore::list(&store, GrantFilter::Client(&client), page).await.unwrap();
        listed += listing.items.len();
        let Some(next) = listing.next else { break };
        page = PageRequest { after: Some(next), limit: usize::MAX };
    }
    assert_eq!(listed, 1300);
    assert_eq!(store.revoke(Revocation::Client(&client), NOW).await.unwrap(), 1300);
    assert_eq!(store.revoke(Revocation::Subject(&"alice".parse().unwrap()), NOW).await.unwrap(), 0);
}

#[tokio::test]
async fn a_reply_that_was_purged_is_no_other_credentials_reply() {
    let store = SqliteStore::in_memory().unwrap();
    let exchange = async |spent: &Credential, issued: &[Credential], sealed: &[u8], now: Timestamp| {
        let reply = SealedReply::from_parts(TokenHash::of("the same request"), sealed);
        // A window far wider than anybody's.
        store.exchange(Exchange { spent: &spent.key, issued, reply, now, grace: DAY * 20 }).await.unwrap()
    };
    let (first, first_token) = grant(90);
    let (second, second_token) = grant(90);
    store.open(&first, std::slice::from_ref(&first_token)).await.unwrap();
    store.open(&second, std::slice::from_ref(&second_token)).await.unwrap();
    assert_eq!(exchange(&first_token, &[], b"first", NOW).await, Exchanged::Done);
    // Its reply goes, and the next one takes its place in the table.
    let _ = GrantStore::purge(&store, NOW + DAY * 25).await.unwrap();
    assert_eq!(exchange(&second_token, &[], b"second", NOW).await, Exchanged::Done);
    assert_eq!(exchange(&first_token, &[], b"again", NOW).await, Exchanged::Replayed);
}
