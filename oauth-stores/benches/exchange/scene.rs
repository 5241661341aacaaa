//! What is exchanged: a refresh token for an access token and the next refresh token.

use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Grant, GrantId, OsEntropy, ResourceUri, SealedReply,
    SubjectKind, Timestamp, TokenHash, random,
};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A grant and its refresh token.
pub(crate) fn session() -> (Grant, Credential) {
    let resource: ResourceUri = "https://mcp.example/mcp".parse().expect("this is a resource");
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "alice".parse().expect("this is a subject"),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().expect("this is a client's identifier"),
        scopes: "notes:read notes:write".parse().expect("these are scopes"),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: None,
        revoked_at: None,
    };
    let refresh = credential(&grant, CredentialKind::RefreshToken);
    (grant, refresh)
}

/// What a refresh buys.
pub(crate) fn issued(grant: &Grant) -> [Credential; 2] {
    [credential(grant, CredentialKind::AccessToken), credential(grant, CredentialKind::RefreshToken)]
}

/// A reply as long as the real one, sealed.
pub(crate) fn reply() -> SealedReply {
    SealedReply::from_parts(TokenHash::from_bytes([1; 32]), vec![7; 330])
}

fn credential(grant: &Grant, kind: CredentialKind) -> Credential {
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: None,
    }
}
