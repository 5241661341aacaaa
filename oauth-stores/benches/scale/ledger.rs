//! Grants that can be made again from their number: as spread over the keys as random ones.

use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Grant, GrantId, ResourceUri, SubjectKind, Timestamp,
    TokenHash,
};

pub(crate) use oauth_stores::testing::scene::{NOW, reply};

/// Of how many grants one has ended.
pub(crate) const ENDED: usize = 10;

/// For how long a grant is given.
pub(crate) const LIFE: u64 = 90 * 86_400_000;

/// Grants were given one after another, in an order that is not that of their numbers: a prime, for [`ends`].
pub(crate) const STRIDE: u64 = 7_103_000_017;

/// For how long nobody has looked for what has ended.
pub(crate) const UNSWEPT: u64 = 9 * 86_400_000;

/// When a grant ends, in milliseconds: each at a moment of its own, the ended ones within the last days, the others within those to come.
pub(crate) fn ends(number: usize) -> u64 {
    let along = number as u64 * STRIDE;
    if number.is_multiple_of(ENDED) {
        NOW.as_millis() - along % UNSWEPT
    } else {
        NOW.as_millis() + LIFE - along % (LIFE - UNSWEPT)
    }
}

/// A grant with its refresh token.
pub(crate) fn session(number: usize) -> (Grant, Credential) {
    let resource: ResourceUri = "https://mcp.example/mcp".parse().expect("this is a resource");
    let key = key(number);
    let ends = ends(number);
    let (issued_at, expires_at) = (Timestamp::from_millis(ends - LIFE), Timestamp::from_millis(ends));
    let grant = Grant {
        id: key.grant,
        subject: format!("user-{number}").parse().expect("this is a subject"),
        subject_kind: SubjectKind::User,
        client_id: format!("app-{}", number % 50).parse().expect("this is a client's identifier"),
        scopes: "notes:read notes:write".parse().expect("these are scopes"),
        resources: resource.into(),
        issued_at,
        expires_at,
        auth_time: None,
        revoked_at: None,
    };
    let token = Credential {
        key,
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at,
        expires_at,
        code: None,
    };
    (grant, token)
}

/// The moment of the `at`th exchange: the clock goes on, else what was issued would lie in the indexes as no server's does.
pub(crate) fn moment(at: usize) -> Timestamp {
    NOW + Duration::from_millis(at as u64)
}

/// What a refresh buys: an access token of an hour, and a refresh token of as long as the grant was given for.
pub(crate) fn issued(grant: &Grant, now: Timestamp) -> [Credential; 2] {
    let mut issued = oauth_stores::testing::scene::tokens(grant);
    for (credential, life) in issued.iter_mut().zip([3_600_000, LIFE]) {
        (credential.issued_at, credential.expires_at) = (now, now + Duration::from_millis(life));
    }
    issued
}

/// The key of a grant's refresh token.
pub(crate) fn key(number: usize) -> CredentialKey {
    let id = TokenHash::of(&format!("g{number}"));
    let mut grant = [0; 16];
    grant.copy_from_slice(&id.as_bytes()[..16]);
    CredentialKey { grant: GrantId::from_bytes(grant), hash: TokenHash::of(&format!("r{number}")) }
}
