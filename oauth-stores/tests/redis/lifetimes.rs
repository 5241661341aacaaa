//! Every key ends by itself, but for those that have no end.

use std::collections::BTreeSet;
use std::time::Duration;

use oauth_core::{
    Account, Client, Consent, CredentialKind, Exchanged, GrantFilter, Identity, KeyPurpose, LimitKey,
    OsEntropy, PageRequest, Quota, Revocation, Secret, Session, StoredKey, Stores, TokenHash, VaultKey,
};
use oauth_stores::testing::{TestRedis, available, fresh_prefix};
use oauth_stores::{RedisOptions, RedisStore};

use crate::scene::{GRACE, NOW, begin, credential, grant, session, spend, tokens};

const DAY: u64 = 86_400;

/// Writes what there is to write.
async fn everything(store: &RedisStore) {
    let stores = Stores::new(store.clone());
    let (kept, refresh) = session(store).await.unwrap();
    let (revoked, code) = begin(store).await.unwrap();
    let _ = stores.grants.revoke(Revocation::Grant(&revoked.id), NOW).await.unwrap();
    assert_eq!(spend(store, &code, &tokens(&revoked), GRACE).await.unwrap(), Exchanged::Gone);
    let (_, code) = begin(store).await.unwrap();
    for _ in 0..2 {
        let _ = spend(store, &code, &[], Duration::ZERO).await.unwrap();
    }
    // Expired from the start, and without an end.
    let mut odd = grant();
    (odd.expires_at, odd.subject) = (NOW.before(Duration::from_secs(DAY)), "odd".parse().unwrap());
    stores.grants.open(&odd, &[credential(&odd, CredentialKind::AccessToken)]).await.unwrap();
    let mut odd = grant();
    odd.expires_at = oauth_core::Timestamp::MAX;
    stores.grants.open(&odd, &[]).await.unwrap();
    assert!(stores.grants.open(&kept, &[refresh]).await.is_err());

    let client = |id: &str, life: u64| {
        let mut client = Client::public(id.parse().unwrap(), ["https://app.example/cb".parse().unwrap()]);
        client.issued_at = NOW;
        client.expires_at = Some(NOW + Duration::from_secs(life));
        client.fingerprint = Some(TokenHash::of("metadata"));
        client
    };
    let _ = stores.clients.register(&client("one", DAY), NOW).await.unwrap();
    let _ = stores.clients.register(&client("twin", DAY), NOW).await.unwrap();
    let mut other = client("https://app.example/client.json", DAY);
    other.fingerprint = Some(TokenHash::of("other"));
    let _ = stores.clients.register(&other, NOW).await.unwrap();
    assert!(stores.clients.renew(&other.id, NOW + Duration::from_secs(9 * DAY)).await.unwrap());
    let read = stores.clients.find(&other.id).await.unwrap().unwrap().version;
    other.fingerprint = Some(TokenHash::of("changed"));
    let _ = stores.clients.update(&other, read).await.unwrap();

    let consent = Consent {
        subject: kept.subject.clone(),
        client_id: other.id.clone(),
        client_fingerprint: TokenHash::of("state"),
        scopes: kept.scopes.clone(),
        resources: kept.resources.clone(),
        given_at: NOW,
        expires_at: NOW + Duration::from_secs(DAY),
    };
    stores.consents.remember(&consent).await.unwrap();
    let cookie = Secret::generate(&OsEntropy);
    let session = Session {
        key: cookie.hash(),
        subject: kept.subject.clone(),
        auth_time: NOW,
        expires_at: NOW + Duration::from_secs(DAY),
    };
    stores.sessions.begin(&session).await.unwrap();
    assert!(
        stores.sessions.begin(&Session { subject: "another".parse().unwrap(), ..session }).await.is_err()
    );
    assert!(stores.replay.first_use(&TokenHash::of("proof"), NOW + GRACE, NOW).await.unwrap());
    let _ = stores.limits.hit(&LimitKey::new("token", "app"), Quota::new(3, GRACE), NOW).await.unwrap();

    // What has no end.
    let configured =
        Client::public("configured".parse().unwrap(), ["https://app.example/cb".parse().unwrap()]);
    let _ = stores.clients.register(&configured, NOW).await.unwrap();
    let identity = Identity { provider: "github".parse().unwrap(), id: "583231".into() };
    let account = Account { subject: kept.subject.clone(), name: None, created_at: NOW, disabled: false };
    stores.accounts.open(&account, &identity).await.unwrap();
    let loser = Account { subject: "loser".parse().unwrap(), ..account };
    assert!(stores.accounts.open(&loser, &identity).await.is_err());
    stores.accounts.set_verifier(&identity, "$argon2id$").await.unwrap();
    let _ =
        stores.keys.first(&StoredKey::new("1", KeyPurpose::Seal, "A256GCM", vec![1; 32], NOW)).await.unwrap();
    let place = VaultKey { subject: kept.subject, provider: "github".parse().unwrap() };
    stores.vault.put(&place, b"sealed").await.unwrap();
    assert!(stores.grants.count(GrantFilter::All).await.unwrap() >= 3);
}

#[tokio::test]
async fn every_key_has_a_lifetime_but_for_what_has_no_end() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let prefix = fresh_prefix();
    let store = RedisOptions::default().with_prefix(&prefix).open(&server.url()).await.unwrap();
    everything(&store).await;
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}:*")).query(&mut connection).unwrap();
    let (mut endless, mut ending) = (BTreeSet::new(), 0);
    for key in &keys {
        let left: i64 = redis::cmd("PTTL").arg(key).query(&mut connection).unwrap();
        let name = key.strip_prefix(&format!("{prefix}:")).unwrap();
        if left == -1 {
            endless.insert(name.to_owned());
            continue;
        }
        ending += 1;
        // An hour at least, for clocks that differ; a hundred years and an hour at most.
        let least = if name.contains("}:r:") { 10 * 60_000 } else { 3_590_000 };
        assert!((least..=3_155_763_600_000).contains(&left), "{name} has {left} ms");
    }
    assert!(ending > 25, "{keys:#?}");
    // Those that SCHEMA.md names.
    let expected = [
        "schema",
        "client:configured",
        "{clients}:all",
        "{clients}:documents",
        "{clients}:unused",
        "account:u_2vYDc0pQTmK1Jx8sN4bZ7w",
        "identity:github:583231",
        "verifier:github:583231",
        "{keys}:seal",
        "{keys}:seal:made",
        "vault:github:u_2vYDc0pQTmK1Jx8sN4bZ7w",
    ];
    assert_eq!(endless, expected.into_iter().map(str::to_owned).collect());
}

#[tokio::test]
async fn an_index_forgets_what_ended_long_ago() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let store = RedisOptions::default().with_prefix(&fresh_prefix()).open(&server.url()).await.unwrap();
    let grants = Stores::new(store).grants;
    let mut old = grant();
    old.expires_at = NOW + GRACE;
    grants.open(&old, &[]).await.unwrap();
    let later = NOW + Duration::from_secs(2 * DAY);
    for _ in 0..16 * 8 {
        let mut new = grant();
        (new.issued_at, new.expires_at) = (later, later + GRACE);
        grants.open(&new, &[]).await.unwrap();
    }
    for filter in [GrantFilter::All, GrantFilter::Subject(&old.subject), GrantFilter::Client(&old.client_id)]
    {
        assert_eq!(grants.count(filter).await.unwrap(), 16 * 8, "{filter:?}");
    }
}

#[tokio::test]
async fn a_purge_forgets_what_ended_with_its_own_key_in_the_indexes_too() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let prefix = fresh_prefix();
    let store = RedisOptions::default().with_prefix(&prefix).open(&server.url()).await.unwrap();
    let grants = Stores::new(store).grants;
    let [mut over, live, mut unborn] = [grant(), grant(), grant()];
    over.expires_at = NOW + GRACE;
    for grant in [&over, &live] {
        grants.open(grant, &[credential(grant, CredentialKind::RefreshToken)]).await.unwrap();
    }
    // Its entries are written, and it is not yet.
    unborn.expires_at = NOW + 10 * GRACE;
    grants.open(&unborn, &[]).await.unwrap();
    for gone in [&over, &unborn] {
        assert_eq!(server.ask(&format!("DEL {prefix}:{{{}}}", gone.id)).unwrap(), "1");
    }
    let _ = grants.purge(NOW + 2 * GRACE).await.unwrap();
    for filter in
        [GrantFilter::All, GrantFilter::Subject(&live.subject), GrantFilter::Client(&live.client_id)]
    {
        assert_eq!(grants.count(filter).await.unwrap(), 2, "{filter:?}");
        let listed = grants.list(filter, PageRequest::first(9)).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{filter:?}");
    }
    let _ = grants.purge(NOW + 11 * GRACE).await.unwrap();
    for filter in
        [GrantFilter::All, GrantFilter::Subject(&live.subject), GrantFilter::Client(&live.client_id)]
    {
        assert_eq!(grants.count(filter).await.unwrap(), 1, "{filter:?}");
    }
}

/// What a live session costs: a grant, its five credentials and a reply.
#[tokio::test]
async fn a_live_session_takes_little_memory() {
    // In memory alone, so that it is quick.
    let Some(server) = available(TestRedis::own_with(&[])) else { return };
    let store = RedisOptions::default().open(&server.url()).await.unwrap();
    session(&store).await.unwrap();
    let used = || -> f64 {
        let info = server.ask("INFO memory").unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).unwrap();
        line.trim().parse().unwrap()
    };
    let before = used();
    const SESSIONS: u32 = 1000;
    for _ in 0..SESSIONS {
        session(&store).await.unwrap();
    }
    let each = (used() - before) / f64::from(SESSIONS);
    assert!(each < 4096.0, "{each} bytes");
}
