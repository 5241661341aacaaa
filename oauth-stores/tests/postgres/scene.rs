//! A database, and something to keep in it.

use oauth_core::{Credential, CredentialKind, Exchange, Grant};
use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use oauth_stores::testing::{TestPostgres, available, scene};

pub(crate) use scene::NOW;

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

/// A grant and its refresh token, to be opened.
pub(crate) fn session() -> (Grant, Credential) {
    let grant = scene::grant();
    let refresh = refresh(&grant);
    (grant, refresh)
}

pub(crate) fn refresh(grant: &Grant) -> Credential {
    scene::credential(grant, CredentialKind::RefreshToken)
}

/// A refresh, as any client would ask for it.
pub(crate) fn trade<'a>(spent: &'a Credential, issued: &'a [Credential]) -> Exchange<'a> {
    scene::exchange(spent, issued, scene::GRACE)
}
