//! Grants that can be made again from their number: as spread over the keys as random ones.

use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Grant, GrantId, OsEntropy, ResourceUri, SubjectKind,
    Timestamp, TokenHash, random,
};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

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

/// What a refresh of a grant buys.
pub(crate) fn issued(grant: &Grant) -> [Credential; 2] {
    [CredentialKind::AccessToken, CredentialKind::RefreshToken].map(|kind| Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: None,
    })
}
