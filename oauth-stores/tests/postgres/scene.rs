//! A database, and something to keep in it.

use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Exchange, Grant, GrantId, OsEntropy, ResourceUri,
    SealedReply, SubjectKind, Timestamp, TokenHash, random,
};
use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use oauth_stores::testing::{TestPostgres, available};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The shared server, unless PostgreSQL is not installed, and an empty database's URL.
pub(crate) fn database() -> Option<(TestPostgres, String)> {
    let server = available(TestPostgres::shared())?;
    let url = server.fresh_database().unwrap();
    Some((server, url))
}

/// Runs statements past the store.
pub(crate) async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) fn session() -> (Grant, Credential) {
    let resource: ResourceUri = "https://mcp.example/mcp".parse().unwrap();
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read".parse().unwrap(),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(90 * 86_400),
        auth_time: None,
        revoked_at: None,
    };
    let refresh = refresh(&grant);
    (grant, refresh)
}

pub(crate) fn refresh(grant: &Grant) -> Credential {
    Credential {
        key: CredentialKey { grant: grant.id, hash: TokenHash::from_bytes(random(&OsEntropy)) },
        kind: CredentialKind::RefreshToken,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        code: None,
    }
}

/// A refresh, as any client would ask for it.
pub(crate) fn trade<'a>(spent: &'a Credential, issued: &'a [Credential]) -> Exchange<'a> {
    Exchange {
        spent: &spent.key,
        issued,
        reply: SealedReply::from_parts(TokenHash::from_bytes([1; 32]), vec![7; 330]),
        now: NOW,
        grace: Duration::from_secs(120),
    }
}
