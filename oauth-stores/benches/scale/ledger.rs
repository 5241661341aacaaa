//! Grants that can be made again from their number: as spread over the keys as random ones.

use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Grant, GrantId, ResourceUri, SubjectKind, TokenHash,
};

pub(crate) use oauth_stores::testing::scene::{NOW, tokens as issued};

/// Of how many grants one has ended.
pub(crate) const ENDED: usize = 10;

/// A grant with its refresh token.
pub(crate) fn session(number: usize) -> (Grant, Credential) {
    let resource: ResourceUri = "https://mcp.example/mcp".parse().expect("this is a resource");
    let key = key(number);
    let ended = number.is_multiple_of(ENDED);
    let grant = Grant {
        id: key.grant,
        subject: format!("user-{number}").parse().expect("this is a subject"),
        subject_kind: SubjectKind::User,
        client_id: format!("app-{}", number % 50).parse().expect("this is a client's identifier"),
        scopes: "notes:read notes:write".parse().expect("these are scopes"),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: if ended { NOW } else { NOW + Duration::from_secs(90 * 86_400) },
        auth_time: None,
        revoked_at: None,
    };
    let token = Credential {
        key,
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: grant.expires_at,
        code: None,
    };
    (grant, token)
}

/// The key of a grant's refresh token.
pub(crate) fn key(number: usize) -> CredentialKey {
    let id = TokenHash::of(&format!("g{number}"));
    let mut grant = [0; 16];
    grant.copy_from_slice(&id.as_bytes()[..16]);
    CredentialKey { grant: GrantId::from_bytes(grant), hash: TokenHash::of(&format!("r{number}")) }
}
