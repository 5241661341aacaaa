//! What the tests act with.

use std::time::{Duration, Instant};

use oauth_core::{
    Binding, CodeBinding, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Grant, GrantId,
    GrantStore, OsEntropy, ResourceUri, SealedReply, StoreError, SubjectKind, Timestamp, TokenHash, random,
};
use oauth_stores::testing::fresh_prefix;
use oauth_stores::{RedisOptions, RedisStore};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const GRACE: Duration = Duration::from_secs(120);

pub(crate) async fn open(url: &str) -> RedisStore {
    RedisOptions::default().with_prefix(&fresh_prefix()).open(url).await.unwrap()
}

pub(crate) fn grant() -> Grant {
    Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "u_2vYDc0pQTmK1Jx8sN4bZ7w".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "c_9fQe3LrWSgK6Hn2tB5mX8A".parse().unwrap(),
        scopes: "notes:delete notes:read notes:write".parse().unwrap(),
        resources: "https://mcp.example.com/mcp".parse::<ResourceUri>().unwrap().into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: Some(NOW),
        revoked_at: None,
    }
}

pub(crate) fn credential(grant: &Grant, kind: CredentialKind) -> Credential {
    let code = || CodeBinding {
        issuer: "https://as.example".parse().expect("an issuer"),
        redirect_uri: "http://127.0.0.1:33418/callback".into(),
        challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".parse().unwrap(),
        nonce: None,
        dpop_jkt: None,
    };
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: (kind == CredentialKind::AuthorizationCode).then(|| Box::new(code())),
    }
}

pub(crate) fn tokens(grant: &Grant) -> [Credential; 2] {
    [credential(grant, CredentialKind::AccessToken), credential(grant, CredentialKind::RefreshToken)]
}

pub(crate) async fn spend(
    store: &RedisStore,
    spent: &Credential,
    issued: &[Credential],
    grace: Duration,
) -> Result<Exchanged, StoreError> {
    // As long as the reply to a refresh is, sealed.
    let reply = SealedReply::from_parts(TokenHash::of("request"), vec![7; 330]);
    store.exchange(Exchange { spent: &spent.key, issued, reply, now: NOW, grace }).await
}

/// A grant with a code.
pub(crate) async fn begin(store: &RedisStore) -> Result<(Grant, Credential), StoreError> {
    let grant = grant();
    let code = credential(&grant, CredentialKind::AuthorizationCode);
    store.open(&grant, std::slice::from_ref(&code)).await?;
    Ok((grant, code))
}

/// What a user does: signs in, redeems the code, refreshes once.
pub(crate) async fn session(store: &RedisStore) -> Result<(Grant, Credential), StoreError> {
    let (grant, code) = begin(store).await?;
    let first = tokens(&grant);
    assert_eq!(spend(store, &code, &first, Duration::ZERO).await?, Exchanged::Done);
    let second = tokens(&grant);
    assert_eq!(spend(store, &first[1], &second, GRACE).await?, Exchanged::Done);
    let [_, refresh] = second;
    Ok((grant, refresh))
}

#[track_caller]
pub(crate) fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(source)) => source.to_string(),
        other => panic!("this is an outage, not {other:?}"),
    }
}

/// Asks until the store answers: for as long as a server may take to come back.
pub(crate) async fn recovered<T, F: Future<Output = Result<T, StoreError>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(source)) => {
                assert!(Instant::now() < deadline, "the store does not recover: {source}");
            }
            Err(other) => panic!("an outage is no {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
