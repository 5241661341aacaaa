//! The schema: embedded migrations, each counted by a row of its own.
//!
//! 1. A migration runs in one transaction, which begins by inserting its row: of two servers that start at once, one waits there,
//!    finds it taken and looks again. No lock is needed that not every engine has.
//! 2. What was released is never edited, only followed, and what follows adds: servers of the version before go on beside it.
//! 3. A version newer than ours is left alone.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::sleep;

use crate::postgres::fault;

/// The schema that the statements name.
pub(super) const SCHEMA: &str = "oauth";

/// Migration `n` leads from version `n` to `n + 1`.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql")];

/// How often to look again when another server is at it.
const TRIES: u32 = 100;

/// How long that takes at most, each time.
const STEP: Duration = Duration::from_millis(50);

/// Why a database cannot be used as it is.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// Its version, newer than ours.
    Newer(i64),
    /// The version of its tables, older than ours; zero: there are none.
    Older(i64),
    /// Of the right version, and without this table.
    Missing(&'static str),
    /// What the server said.
    Engine(sqlx::Error),
}

impl From<sqlx::Error> for Mismatch {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error)
    }
}

/// A statement of ours in another schema.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    if schema == SCHEMA {
        return sql.to_owned();
    }
    sql.replace("oauth.", &format!("{schema}."))
        .replace("SCHEMA IF NOT EXISTS oauth", &format!("SCHEMA IF NOT EXISTS {schema}"))
}

/// Whether the name needs no quotes, whatever the engine.
pub(super) fn is_plain(schema: &str) -> bool {
    let mut bytes = schema.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && schema.len() <= 40
}

/// Looks whether the tables are those of the newest of `migrations`.
pub(super) async fn check(
    connection: &mut PgConnection,
    schema: &str,
    migrations: &[&str],
) -> Result<(), Mismatch> {
    let (found, known) = (version(connection, schema).await?, newest(migrations));
    match found {
        found if found > known => Err(Mismatch::Newer(found)),
        found if found < known => Err(Mismatch::Older(found)),
        _ => Ok(()),
    }
}

/// Looks whether all tables are there: a server that lacks one would fail at the first request that needs it.
pub(super) async fn whole(connection: &mut PgConnection, schema: &str) -> Result<(), Mismatch> {
    let sql = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1";
    let rows = sqlx::query(sql).bind(schema).persistent(false).fetch_all(connection).await?;
    let there = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    match tables().find(|table| !there.iter().any(|there| there == table)) {
        Some(table) => Err(Mismatch::Missing(table)),
        None => Ok(()),
    }
}

/// The tables that the migrations make.
fn tables() -> impl Iterator<Item = &'static str> {
    let lines = MIGRATIONS.iter().flat_map(|migration| migration.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS oauth.")?.split_whitespace().next())
}

/// Brings the tables to the newest of `migrations`; of servers that start at once, one does.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    schema: &str,
    migrations: &[&str],
) -> Result<(), Mismatch> {
    let mut tries = 0;
    loop {
        let found = match check(connection, schema, migrations).await {
            Err(Mismatch::Older(found)) => found,
            other => return other,
        };
        let step = step(connection, schema, migrations, found).await;
        if let Err(error) = step {
            tries += 1;
            if !is_race(&error) || tries == TRIES {
                return Err(error.into());
            }
            sleep(STEP).await;
        }
    }
}

async fn step(
    connection: &mut PgConnection,
    schema: &str,
    migrations: &[&str],
    found: i64,
) -> Result<(), sqlx::Error> {
    if found == 0 {
        let there = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        let there =
            sqlx::query(there).bind(schema).persistent(false).fetch_optional(&mut *connection).await?;
        if there.is_none() {
            // Asked for only then: it takes a right over the whole database, also where there is nothing to make.
            let make = in_schema("CREATE SCHEMA IF NOT EXISTS oauth", schema);
            sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *connection).await?;
        }
        let first = "CREATE TABLE IF NOT EXISTS oauth.migrations (version BIGINT PRIMARY KEY)";
        sqlx::raw_sql(AssertSqlSafe(in_schema(first, schema))).execute(&mut *connection).await?;
    }
    let Some(migration) = migrations.get(usize::try_from(found).unwrap_or(usize::MAX)) else { return Ok(()) };
    let mut transaction = connection.begin().await?;
    let claim = format!("INSERT INTO oauth.migrations (version) VALUES ({})", found + 1);
    sqlx::raw_sql(AssertSqlSafe(in_schema(&claim, schema))).execute(&mut *transaction).await?;
    sqlx::raw_sql(AssertSqlSafe(in_schema(migration, schema))).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// The version of the tables; zero: there are none.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64, sqlx::Error> {
    let sql = in_schema("SELECT coalesce(max(version), 0)::bigint FROM oauth.migrations", schema);
    match sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await {
        Ok(row) => row.try_get(0),
        // Neither the table nor, on some engines, the schema.
        Err(error) if matches!(fault::code(&error).as_deref(), Some("42P01" | "3F000")) => Ok(0),
        Err(error) => Err(error),
    }
}

fn newest(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

/// Whether another server was faster, with the same.
fn is_race(error: &sqlx::Error) -> bool {
    // Unique, duplicate schema, table and object; "tuple concurrently updated".
    let ours = ["23505", "42P06", "42P07", "42710", "XX000"];
    fault::asks_again(error) || fault::code(error).is_some_and(|code| ours.contains(&&*code))
}

#[cfg(all(test, unix, feature = "testing"))]
mod tests {
    use oauth_core::{GrantFilter, GrantStore as _};

    use super::*;
    use crate::postgres::{PostgresOpenError, PostgresStore};
    use crate::testing::{TestPostgres, available};

    /// What a next version might be: it adds, and may be run again.
    const NEXT: &str = "ALTER TABLE oauth.grants ADD COLUMN IF NOT EXISTS note TEXT;
        CREATE INDEX IF NOT EXISTS grants_by_note ON oauth.grants (note)";

    fn with_next(migrations: &[&'static str]) -> Vec<&'static str> {
        [migrations, &[NEXT]].concat()
    }

    async fn connect(url: &str) -> PgConnection {
        PgConnection::connect(url).await.expect("the server is up")
    }

    #[tokio::test]
    async fn the_schema_of_the_version_before_is_brought_up_to_date_under_a_running_server() {
        let Some(server) = available(TestPostgres::shared()) else { return };
        let url = server.fresh_database().unwrap();
        let old = PostgresStore::open(&url).await.unwrap();
        assert_eq!(old.count(GrantFilter::All).await.unwrap(), 0);

        let (mut new, migrations) = (connect(&url).await, with_next(MIGRATIONS));
        migrate(&mut new, SCHEMA, &migrations).await.unwrap();
        migrate(&mut new, SCHEMA, &migrations).await.unwrap();
        check(&mut new, SCHEMA, &migrations).await.unwrap();
        let added = "INSERT INTO oauth.grants (id, subject, client_id, scopes, resources, issued_at, expires_at, note)
            VALUES ('x', 'a', 'b', '', '', 1, 2, 'new')";
        sqlx::raw_sql(added).execute(&mut new).await.unwrap();
        // The server of the version before goes on, and one that starts now says what is the matter.
        assert_eq!(old.count(GrantFilter::All).await.unwrap(), 1);
        let error = PostgresStore::open(&url).await.unwrap_err();
        assert!(matches!(error, PostgresOpenError::NewerSchema { found: 3, known: 2, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_database_of_version_1_is_brought_up_to_date_under_a_server_of_version_1() {
        use oauth_core::{ClientFilter, ClientStore};

        let Some(server) = available(TestPostgres::shared()) else { return };
        let url = server.fresh_database().unwrap();
        let mut old = connect(&url).await;
        migrate(&mut old, SCHEMA, &MIGRATIONS[..1]).await.unwrap();
        let register = "INSERT INTO oauth.clients (id, version, used, expires_at, fingerprint, record)
            VALUES ($1, 1, FALSE, NULL, NULL, '{}') ON CONFLICT DO NOTHING RETURNING 1";
        let count = "SELECT count(*) FROM oauth.clients WHERE (id LIKE 'https://%' OR id LIKE 'http://%')";
        for id in ["https://a.example/client.json", "c_1"] {
            sqlx::query(register).bind(id).execute(&mut old).await.unwrap();
        }

        let new = PostgresStore::open(&url).await.unwrap();
        check(&mut connect(&url).await, SCHEMA, MIGRATIONS).await.unwrap();
        assert_eq!(ClientStore::count(&new, ClientFilter::Documents).await.unwrap(), 1);
        for id in ["http://localhost/client.json", "httpsx", "c_2"] {
            sqlx::query(register).bind(id).execute(&mut old).await.unwrap();
        }
        let counted: i64 = sqlx::query(count).fetch_one(&mut old).await.unwrap().get(0);
        assert_eq!((counted, ClientStore::count(&new, ClientFilter::Documents).await.unwrap()), (2, 2));
        assert_eq!(ClientStore::count(&new, ClientFilter::All).await.unwrap(), 5);

        // Counting looks at documents alone, whatever the collation.
        let mut planner = connect(&url).await;
        sqlx::raw_sql("SET enable_seqscan = off").execute(&mut planner).await.unwrap();
        let plan =
            sqlx::query(AssertSqlSafe(format!("EXPLAIN {count}"))).fetch_all(&mut planner).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains("clients_documents")), "{plan:?}");
    }

    #[tokio::test]
    async fn of_servers_that_migrate_at_once_each_step_is_made_by_one() {
        let Some(server) = available(TestPostgres::shared()) else { return };
        for old in [0, 1, 2] {
            let url = server.fresh_database().unwrap();
            migrate(&mut connect(&url).await, SCHEMA, &MIGRATIONS[..old]).await.unwrap();
            let migrating: Vec<_> = (0..8)
                .map(|_| {
                    let url = url.clone();
                    tokio::spawn(async move {
                        // Not to be run twice.
                        let migrations =
                            [MIGRATIONS, &["ALTER TABLE oauth.grants ADD COLUMN note TEXT"]].concat();
                        migrate(&mut connect(&url).await, SCHEMA, &migrations).await
                    })
                })
                .collect();
            for migrated in migrating {
                migrated.await.unwrap().unwrap();
            }
            let count = sqlx::query("SELECT count(*) FROM oauth.migrations");
            let row = count.fetch_one(&mut connect(&url).await).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 3);
        }
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_the_version_before() {
        let Some(server) = available(TestPostgres::shared()) else { return };
        let url = server.fresh_database().unwrap();
        let mut connection = connect(&url).await;
        let broken = [MIGRATIONS, &["CREATE TABLE oauth.half (id BIGINT); SELECT nonsense"]].concat();
        assert!(matches!(migrate(&mut connection, SCHEMA, &broken).await, Err(Mismatch::Engine(_))));
        check(&mut connection, SCHEMA, MIGRATIONS).await.unwrap();
        let half = sqlx::query("SELECT 1 FROM oauth.half").fetch_all(&mut connection).await;
        assert_eq!(fault::code(&half.unwrap_err()).as_deref(), Some("42P01"));
    }

    #[test]
    fn a_schema_of_another_name_is_named_in_every_statement() {
        let sql = in_schema(&MIGRATIONS.concat(), "login_2");
        assert!(sql.contains("login_2.grants") && !sql.contains("oauth."));
        for name in ["Login", "2login", "", "a b", "a\"b", "a;b", &"a".repeat(41)] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
