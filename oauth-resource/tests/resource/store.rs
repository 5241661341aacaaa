//! Tokens of the server in the same process, over its own store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use oauth_core::{Clock as _, TokenVerifier as _};
use oauth_core::{
    Credential, CredentialKind, Grant, GrantId, OsEntropy, ResourceSet, Revocation, Secret, Stores,
    SubjectKind, SystemClock, Timestamp, TokenFormat,
};
use oauth_resource::{
    AnyOf, ApiKeys, ByIssuer, ProtectedLayer, ProtectedResource, ScopeRules, StoreVerifier,
};
use tower::{Layer as _, ServiceExt as _};

use crate::fixture::{ISSUER, Inner, RESOURCE, method, post};

struct Issued {
    grant: GrantId,
    tokens: Vec<Secret>,
}

/// Opens a grant with a credential of each kind.
async fn open(
    stores: &Stores,
    kinds: &[CredentialKind],
    change: impl Fn(&mut Grant, &mut Credential),
) -> Issued {
    let now = SystemClock.now();
    let later = now + Duration::from_secs(600);
    let resources = ResourceSet::from(RESOURCE.parse::<oauth_core::ResourceUri>().unwrap());
    let mut grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read".parse().unwrap(),
        resources: resources.clone(),
        issued_at: now,
        expires_at: later,
        auth_time: Some(now),
        revoked_at: None,
    };
    let (mut tokens, mut credentials) = (Vec::new(), Vec::new());
    for kind in kinds {
        let (token, key) = TokenFormat::default().mint(*kind, grant.id, &OsEntropy);
        let mut credential = Credential {
            key,
            kind: *kind,
            binding: oauth_core::Binding::Bearer,
            scopes: grant.scopes.clone(),
            resources: resources.clone(),
            issued_at: now,
            expires_at: later,
            code: None,
        };
        change(&mut grant, &mut credential);
        credentials.push(credential);
        tokens.push(token);
    }
    stores.grants.open(&grant, &credentials).await.unwrap();
    Issued { grant: grant.id, tokens }
}

fn protect(stores: &Stores) -> ProtectedLayer {
    let rules = ScopeRules::builder("notes:read");
    ProtectedResource::builder(RESOURCE, ISSUER).scopes(rules).stores(stores).build().unwrap().layer()
}

async fn status(layer: &ProtectedLayer, inner: &Inner, token: &str) -> u16 {
    let request: http::Request<Full<Bytes>> = post(token, &method("tools/list"));
    layer.layer(inner.clone()).oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn only_a_live_access_token_opens_the_door() {
    let stores = Stores::memory();
    let (layer, inner) = (protect(&stores), Inner::default());
    let kinds = [CredentialKind::AccessToken, CredentialKind::RefreshToken, CredentialKind::DeviceCode];
    let issued = open(&stores, &kinds, |_, _| {}).await;
    let [access, others @ ..] = issued.tokens.as_slice() else { panic!("three were asked for") };
    assert_eq!(status(&layer, &inner, access.expose()).await, 200);
    let caller = inner.last().caller.unwrap();
    assert_eq!(
        (caller.subject().as_str(), caller.issuer(), caller.claims().grant),
        ("alice", ISSUER, Some(issued.grant))
    );
    assert_eq!(caller.scopes().as_str(), "notes:read");
    for other in others {
        // A refresh token is no access token, whatever its prefix.
        assert_eq!(status(&layer, &inner, other.expose()).await, 401);
    }
    let (unknown, _) = TokenFormat::default().mint(CredentialKind::AccessToken, issued.grant, &OsEntropy);
    for bad in [unknown.expose(), &access.expose()[1..], "mcp_at_x"] {
        assert_eq!(status(&layer, &inner, bad).await, 401);
    }
}

#[tokio::test]
async fn a_token_is_good_where_it_was_issued_for_and_as_long() {
    // RS-47, A-AUD-1
    let stores = Stores::memory();
    let (layer, inner) = (protect(&stores), Inner::default());
    let elsewhere = open(&stores, &[CredentialKind::AccessToken], |grant, credential| {
        grant.resources =
            ResourceSet::from("https://mcp.example/other".parse::<oauth_core::ResourceUri>().unwrap());
        credential.resources = grant.resources.clone();
    });
    let expired = open(&stores, &[CredentialKind::AccessToken], |_, credential| {
        credential.expires_at = Timestamp::from_secs(1);
    });
    let over =
        open(&stores, &[CredentialKind::AccessToken], |grant, _| grant.expires_at = Timestamp::from_secs(1));
    for issued in [elsewhere.await, expired.await, over.await] {
        assert_eq!(status(&layer, &inner, issued.tokens[0].expose()).await, 401);
    }
}

#[tokio::test]
async fn a_revoked_grant_is_refused_at_once() {
    let stores = Stores::memory();
    let (layer, inner) = (protect(&stores), Inner::default());
    let issued = open(&stores, &[CredentialKind::AccessToken], |_, _| {}).await;
    let beside = open(&stores, &[CredentialKind::AccessToken], |_, _| {}).await;
    for issued in [&issued, &beside] {
        assert_eq!(status(&layer, &inner, issued.tokens[0].expose()).await, 200);
    }
    stores.grants.revoke(Revocation::Grant(&issued.grant), SystemClock.now()).await.unwrap();
    // Though it was accepted a moment ago.
    assert_eq!(status(&layer, &inner, issued.tokens[0].expose()).await, 401);
    assert_eq!(status(&layer, &inner, beside.tokens[0].expose()).await, 200);
}

#[tokio::test]
async fn a_revocation_counts_at_once_behind_several_verifiers_too() {
    // RS-71
    let stores = Stores::memory();
    let issuer = ISSUER.parse().unwrap();
    let ledger = StoreVerifier::new(stores.grants.clone().into(), &issuer);
    let keys = ApiKeys::new(&issuer, &RESOURCE.parse().unwrap());
    // One within another: each hands on what it hears.
    let several = AnyOf::new().or(keys).or(Arc::new(ledger));
    assert!(ByIssuer::new().with(&issuer, several.clone()).revocations().is_some());
    let rules = ScopeRules::builder("notes:read");
    let resource = ProtectedResource::builder(RESOURCE, ISSUER).scopes(rules).verifier(several).build();
    let (layer, inner) = (resource.unwrap().layer(), Inner::default());
    let issued = open(&stores, &[CredentialKind::AccessToken], |_, _| {}).await;
    let token = issued.tokens[0].expose();
    let call = async || {
        let request: http::Request<Full<Bytes>> = post(token, &method("tools/list"));
        layer.layer(inner.clone()).oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!((call().await, call().await), (200, 200));
    stores.grants.revoke(Revocation::Grant(&issued.grant), SystemClock.now()).await.unwrap();
    assert_eq!(call().await, 401);
}
