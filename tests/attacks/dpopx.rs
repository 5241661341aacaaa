//! DPOPX: tokens that were given to a key, at an authorization server that asks for no proof. Proofs are tried beside the resource.

use oauth_core::jose::SigningKey;
use oauth_core::{
    Binding, Clock as _, Credential, CredentialKey, CredentialKind, CredentialStatus, GrantId, OsEntropy,
    TokenFormat,
};

use crate::host::{Host, assert_refused, redeem, refresh};

/// A live credential like the one of this text, bound to a key, as another server over the same store would write it.
async fn bound(host: &Host, text: &str, kind: CredentialKind) -> (String, CredentialKey) {
    let stores = host.stores();
    let found = stores.grants.find(&CredentialKey::of(text).unwrap()).await.unwrap().unwrap();
    let mut grant = found.grant;
    grant.id = GrantId::generate(&OsEntropy);
    let (secret, key) = TokenFormat::default().mint(kind, grant.id, &OsEntropy);
    let thumbprint = SigningKey::generate_es256().public_jwk().thumbprint();
    let credential = Credential { key, binding: Binding::Dpop(thumbprint), ..found.credential };
    stores.grants.open(&grant, &[credential]).await.unwrap();
    (secret.expose().to_owned(), key)
}

#[tokio::test]
async fn a_dpopx_15_stripped_by_exchange() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let refresh_token = tokens.refresh_token.as_deref().unwrap();
    let (theirs, key) = bound(&host, refresh_token, CredentialKind::RefreshToken).await;
    let answer = host.client().send(&refresh("app", &theirs)).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    let code = host.code().await;
    let (theirs, of_code) = bound(&host, &code, CredentialKind::AuthorizationCode).await;
    let answer = host.client().send(&redeem("app", &theirs)).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    // Nothing was spent and nobody's grant has ended: whoever holds the key goes on where proofs are asked for.
    for key in [key, of_code] {
        let found = host.stores().grants.find(&key).await.unwrap().unwrap();
        assert_eq!(found.status(host.clock().now()), CredentialStatus::Live);
    }
    // A bearer's is worth what it was.
    host.client().send(&refresh("app", refresh_token)).await.unwrap().tokens().unwrap();
}
