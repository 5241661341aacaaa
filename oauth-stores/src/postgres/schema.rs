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
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

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
        let first = "CREATE SCHEMA IF NOT EXISTS oauth; CREATE TABLE IF NOT EXISTS oauth.migrations (version BIGINT PRIMARY KEY)";
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
