//! What the tests of a ledger act with: a grant, what is issued under it, an exchange, a session.

use std::time::Duration;

use oauth_core::{
    Binding, CodeBinding, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Grant, GrantId,
    GrantStore, OsEntropy, ResourceUri, SealedReply, StoreError, SubjectKind, Timestamp, TokenHash, random,
};

/// When it happens.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// For how long a retry gets the same reply.
pub const GRACE: Duration = Duration::from_secs(120);

/// A new grant, of 90 days; its names are as long as real ones.
///
/// ```
/// use oauth_stores::testing::scene::grant;
/// assert_ne!(grant().id, grant().id);
/// ```
///
/// # Panics
/// Never: what it is made of is right.
#[must_use]
pub fn grant() -> Grant {
    let resource: ResourceUri = "https://mcp.example.com/mcp".parse().expect("a resource");
    Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "u_2vYDc0pQTmK1Jx8sN4bZ7w".parse().expect("a subject"),
        subject_kind: SubjectKind::User,
        client_id: "c_9fQe3LrWSgK6Hn2tB5mX8A".parse().expect("a client's identifier"),
        scopes: "notes:delete notes:read notes:write".parse().expect("scopes"),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: Some(NOW),
        revoked_at: None,
    }
}

/// A new credential of a day.
///
/// ```
/// use oauth_core::CredentialKind;
/// use oauth_stores::testing::scene::{credential, grant};
///
/// let grant = grant();
/// assert!(credential(&grant, CredentialKind::AuthorizationCode).code.is_some());
/// assert_eq!(credential(&grant, CredentialKind::RefreshToken).key.grant, grant.id);
/// ```
///
/// # Panics
/// Never: what it is made of is right.
#[must_use]
pub fn credential(grant: &Grant, kind: CredentialKind) -> Credential {
    let code = || CodeBinding {
        issuer: "https://as.example".parse().expect("an issuer"),
        redirect_uri: "http://127.0.0.1:33418/callback".into(),
        challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".parse().expect("a challenge"),
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

/// An access token and a refresh token: what a code and a refresh buy.
///
/// ```
/// use oauth_stores::testing::scene::{grant, tokens};
/// let [access, refresh] = tokens(&grant());
/// assert_ne!(access.kind, refresh.kind);
/// ```
#[must_use]
pub fn tokens(grant: &Grant) -> [Credential; 2] {
    [credential(grant, CredentialKind::AccessToken), credential(grant, CredentialKind::RefreshToken)]
}

/// An exchange, as any client would ask for it.
///
/// ```
/// use std::time::Duration;
/// use oauth_stores::testing::scene::{exchange, grant, tokens};
///
/// let [spent, issued] = tokens(&grant());
/// assert_eq!(exchange(&spent, &[issued], Duration::ZERO).spent, &spent.key);
/// ```
#[must_use]
pub fn exchange<'a>(spent: &'a Credential, issued: &'a [Credential], grace: Duration) -> Exchange<'a> {
    Exchange { spent: &spent.key, issued, reply: reply(), now: NOW, grace }
}

/// A reply as long as that to a refresh, sealed.
///
/// ```
/// use oauth_stores::testing::scene::reply;
/// assert_eq!(format!("{:?}", reply()), format!("{:?}", reply()));
/// ```
#[must_use]
pub fn reply() -> SealedReply {
    SealedReply::from_parts(TokenHash::from_bytes([1; 32]), vec![7; 330])
}

/// Opens a grant with a credential.
///
/// ```
/// use oauth_core::{CredentialKind, GrantStore as _, MemoryStore};
/// use oauth_stores::testing::scene::opened;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let (_, code) = opened(&store, CredentialKind::AuthorizationCode).await?;
/// assert!(store.find(&code.key).await?.is_some());
/// # Ok::<(), oauth_core::StoreError>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`StoreError`] is the store's.
pub async fn opened(store: &dyn GrantStore, kind: CredentialKind) -> Result<(Grant, Credential), StoreError> {
    let grant = grant();
    let credential = credential(&grant, kind);
    store.open(&grant, std::slice::from_ref(&credential)).await?;
    Ok((grant, credential))
}

/// What a user does: signs in, redeems the code, refreshes once. The grant and its live refresh token.
///
/// ```
/// use oauth_core::{GrantStore as _, MemoryStore};
/// use oauth_stores::testing::scene::session;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let (_, refresh) = session(&store).await?;
/// assert!(store.find(&refresh.key).await?.is_some_and(|found| found.spent.is_none()));
/// # Ok::<(), oauth_core::StoreError>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`StoreError`] is the store's.
///
/// # Panics
/// If the store does not exchange what nobody has spent.
pub async fn session(store: &dyn GrantStore) -> Result<(Grant, Credential), StoreError> {
    let (grant, code) = opened(store, CredentialKind::AuthorizationCode).await?;
    let first = tokens(&grant);
    assert_eq!(store.exchange(exchange(&code, &first, Duration::ZERO)).await?, Exchanged::Done);
    let second = tokens(&grant);
    assert_eq!(store.exchange(exchange(&first[1], &second, GRACE)).await?, Exchanged::Done);
    let [_, refresh] = second;
    Ok((grant, refresh))
}
