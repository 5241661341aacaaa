//! The store in memory, held to the promises of the ports, and to bounds of its own.

#![allow(clippy::unwrap_used, reason = "all of this crate is test code")]

use std::time::Duration;

use oauth_core::{
    Binding, Client, ClientFilter, ClientId, ClientStore, Credential, CredentialKey, CredentialKind, Grant,
    GrantFilter, GrantId, GrantStore, LimitKey, MemoryStore, OsEntropy, PageRequest, Quota, RateLimiter,
    ReplayGuard, ResourceSet, ResourceUri, Revocation, ScopeSet, Subject, SubjectKind, Timestamp, TokenHash,
    random,
};

oauth_core::store_tests!(async { MemoryStore::default() });

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const LIFE: Duration = Duration::from_secs(60);

fn after(secs: u64) -> Timestamp {
    START + Duration::from_secs(secs)
}

async fn open(store: &MemoryStore, now: Timestamp) {
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: Subject::generate(&OsEntropy),
        subject_kind: SubjectKind::User,
        client_id: ClientId::generate(&OsEntropy),
        scopes: ScopeSet::empty(),
        resources: ResourceSet::from("https://mcp.example/mcp".parse::<ResourceUri>().unwrap()),
        issued_at: now,
        expires_at: now + LIFE,
        auth_time: None,
        revoked_at: None,
    };
    let token = Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind: CredentialKind::AccessToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: now,
        expires_at: now + LIFE,
        code: None,
    };
    store.open(&grant, &[token]).await.unwrap();
}

// LIM-2
#[tokio::test]
async fn grants_that_nobody_purges_are_swept_out() {
    let store = MemoryStore::default();
    for second in 0..100_000 {
        open(&store, after(second)).await;
    }
    let kept = GrantStore::count(&store, GrantFilter::All).await.unwrap();
    assert!(kept < 30_000, "{kept} grants of one minute are kept after a day");
}

// LIM-2
#[tokio::test]
async fn clients_that_nobody_purges_are_swept_out() {
    let store = MemoryStore::default();
    for second in 0..50_000 {
        let mut client = Client::public(ClientId::generate(&OsEntropy), []);
        (client.issued_at, client.expires_at) = (after(second), Some(after(second) + LIFE));
        let _ = store.register(&client, after(second)).await.unwrap();
    }
    for filter in [ClientFilter::All, ClientFilter::Unused] {
        let kept = ClientStore::count(&store, filter).await.unwrap();
        assert!(kept < 20_000, "{kept} clients of one minute are kept after half a day");
    }
}

// LIM-2
#[tokio::test]
async fn what_was_used_and_counted_is_swept_out() {
    let store = MemoryStore::default();
    let quota = Quota::new(5, LIFE);
    for second in 0..50_000 {
        let now = after(second);
        let _ = store.first_use(&TokenHash::from_bytes(random(&OsEntropy)), now + LIFE, now).await.unwrap();
        let _ = store.hit(&LimitKey::new("test", &second.to_string()), quota, now).await.unwrap();
    }
    let used = ReplayGuard::purge(&store, Timestamp::MAX).await.unwrap();
    assert!(used < 20_000, "{used} keys of one minute are kept after half a day");
    let counted = RateLimiter::purge(&store, Timestamp::MAX).await.unwrap();
    assert!(counted < 1_000, "{counted} quotas of one minute are kept after half a day");
}

#[tokio::test]
async fn grants_that_are_gone_are_not_reached_by_whose_they_were() {
    let store = MemoryStore::default();
    // All in one shard, and few enough gone to be struck out later.
    let grant = |number: u8, subject: &str, life: Duration| {
        let mut bytes = [0; 16];
        bytes[15] = number;
        Grant {
            id: GrantId::from_bytes(bytes),
            subject: subject.parse().unwrap(),
            subject_kind: SubjectKind::User,
            client_id: "app".parse().unwrap(),
            scopes: ScopeSet::empty(),
            resources: ResourceSet::from("https://mcp.example/mcp".parse::<ResourceUri>().unwrap()),
            issued_at: START,
            expires_at: START + life,
            auth_time: None,
            revoked_at: None,
        }
    };
    let token = |grant: &Grant| Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: START,
        expires_at: grant.expires_at,
        code: None,
    };
    for number in 0..10 {
        let grant = grant(number, "alice", if number < 3 { LIFE } else { 10 * LIFE });
        store.open(&grant, &[token(&grant)]).await.unwrap();
    }
    assert_eq!(GrantStore::purge(&store, after(120)).await.unwrap(), 6);
    let (alice, app): (Subject, ClientId) = ("alice".parse().unwrap(), "app".parse().unwrap());
    for filter in [GrantFilter::Subject(&alice), GrantFilter::Client(&app)] {
        assert_eq!(GrantStore::count(&store, filter).await.unwrap(), 7, "{filter:?}");
        let page = PageRequest::first(100);
        assert_eq!(GrantStore::list(&store, filter, page).await.unwrap().items.len(), 7, "{filter:?}");
    }
    // Somebody else's under an identifier that was hers.
    let other = grant(0, "bob", 10 * LIFE);
    store.open(&other, &[token(&other)]).await.unwrap();
    assert_eq!(GrantStore::count(&store, GrantFilter::Subject(&alice)).await.unwrap(), 7);
    assert_eq!(store.revoke(Revocation::Subject(&alice), after(130)).await.unwrap(), 7);
    assert_eq!(store.grant(&other.id).await.unwrap(), Some(other));
}

#[tokio::test]
async fn clones_share_what_is_stored() {
    let store = MemoryStore::default();
    open(&store.clone(), START).await;
    assert_eq!(GrantStore::count(&store, GrantFilter::All).await.unwrap(), 1);
}
