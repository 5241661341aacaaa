//! Opening the store.

use std::future::Future;
use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;
use url::Url;

use crate::postgres::PostgresStore;
use crate::postgres::fault;
use crate::postgres::open_error::PostgresOpenError;
use crate::postgres::options::PostgresOptions;
use crate::postgres::pool::Pool;
use crate::postgres::schema::{self, MIGRATIONS, Mismatch};

/// What a URL may say besides where and as whom.
const PARAMETERS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// By how much the server's own limit comes before ours: its answer says more.
const HEADSTART: Duration = Duration::from_millis(500);

/// Opens a store.
pub(super) async fn store(url: &str, options: &PostgresOptions) -> Result<PostgresStore, PostgresOpenError> {
    let place = Place::read(url, options)?;
    place.prepare(options, options.migrate).await?;
    Ok(PostgresStore::new(Pool::new(place.connect, options), options.purge_by_grant))
}

/// Brings the tables up to date.
pub(super) async fn migrate(url: &str, options: &PostgresOptions) -> Result<(), PostgresOpenError> {
    Place::read(url, options)?.prepare(options, true).await
}

/// Where the database is, and how to name it.
struct Place {
    shown: String,
    connect: PgConnectOptions,
}

impl Place {
    fn read(text: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        if !schema::is_plain(&options.schema) {
            return Err(PostgresOpenError::BadSchema { schema: options.schema.to_string() });
        }
        // Where the password is in what cannot be read nobody knows.
        let hidden =
            || crate::shown::split(text).map_or("the URL".into(), |(scheme, _)| format!("{scheme}://…"));
        let url = match Url::parse(text) {
            Ok(url) if crate::shown::split(text).is_some() => url,
            Ok(_) => return Err(PostgresOpenError::BadUrl { url: hidden(), why: "there is no host".into() }),
            Err(error) => return Err(PostgresOpenError::BadUrl { url: hidden(), why: error.to_string() }),
        };
        let shown = crate::shown::shown(text);
        let bad = |why: String| PostgresOpenError::BadUrl { url: shown.clone(), why };
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(bad(format!("{} is another kind of database", url.scheme())));
        }
        if let Some((key, _)) = url.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key)) {
            return Err(bad(crate::shown::no_parameter(&key)));
        }
        // The driver would show the value: what was meant as another parameter may be in it.
        let is_word = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if url.query_pairs().any(|(key, value)| matches!(&*key, "sslmode" | "ssl-mode") && !is_word(&value)) {
            return Err(bad("its sslmode is none".into()));
        }
        let connect = PgConnectOptions::from_url(&url).map_err(|error| bad(error.to_string()))?;
        // Statements and how long they took are no news at every request.
        let connect = connect.disable_statement_logging();
        let connect = if connect.get_application_name().is_none() {
            connect.application_name("oauth")
        } else {
            connect
        };
        Ok(Self { shown, connect })
    }

    async fn prepare(&self, options: &PostgresOptions, migrate: bool) -> Result<(), PostgresOpenError> {
        let mut connection = self.connect(options).await?;
        let prepared = self.prepare_over(&mut connection, options, migrate).await;
        // Whether it ends well does not matter any more.
        let _ = timeout(options.connect_time, connection.close()).await;
        prepared
    }

    /// Each step has its time: whoever has locked a table may keep it for ever.
    async fn prepare_over(
        &self,
        connection: &mut PgConnection,
        options: &PostgresOptions,
        migrate: bool,
    ) -> Result<(), PostgresOpenError> {
        let of_look = |mismatch| self.of_schema(mismatch, options, || self.slow_look(options));
        let of_migration = |mismatch| self.of_schema(mismatch, options, || self.slow(options));
        let (time, schema) = (options.connect_time, &*options.schema);
        let look = async {
            limit_statements(connection, time).await?;
            let writable =
                sqlx::query("SELECT current_setting('transaction_read_only') <> 'on'").persistent(false);
            let writable: bool = writable.fetch_one(&mut *connection).await?.try_get(0)?;
            if !writable {
                return Ok(Some(Err(PostgresOpenError::ReadOnly { url: self.shown.clone() })));
            }
            match schema::check(connection, schema, MIGRATIONS).await {
                Err(Mismatch::Older(_)) if migrate => Ok(None),
                other => other.map(|()| Some(Ok(()))),
            }
        };
        let looked = limited(time, look).await.map_err(of_look)?;
        if let Some(done) = looked {
            done?;
        } else {
            let bring = async {
                limit_statements(connection, options.migration_time).await?;
                schema::migrate(connection, schema, MIGRATIONS).await
            };
            timeout(options.migration_time + HEADSTART, bring)
                .await
                .map_err(|_| self.slow(options))?
                .map_err(of_migration)?;
            // What is looked at now has the time of a look again.
            limited(time, limit_statements(connection, time)).await.map_err(|error| of_look(error.into()))?;
        }
        limited(time, schema::whole(connection, schema)).await.map_err(of_look)
    }

    /// The first connection, for which nobody waits longer than needed: a pool would knock again and again.
    async fn connect(&self, options: &PostgresOptions) -> Result<PgConnection, PostgresOpenError> {
        let connecting = PgConnection::connect_with(&self.connect);
        limited(options.connect_time, connecting).await.map_err(|error| self.of_engine(error))
    }

    fn slow(&self, options: &PostgresOptions) -> PostgresOpenError {
        PostgresOpenError::Slow { url: self.shown.clone(), time: options.migration_time }
    }

    fn slow_look(&self, options: &PostgresOptions) -> PostgresOpenError {
        let (url, schema) = (self.shown.clone(), options.schema.to_string());
        PostgresOpenError::SlowLook { url, schema, time: options.connect_time }
    }

    fn of_schema(
        &self,
        mismatch: Mismatch,
        options: &PostgresOptions,
        slow: impl FnOnce() -> PostgresOpenError,
    ) -> PostgresOpenError {
        let (url, schema) = (self.shown.clone(), options.schema.to_string());
        let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        match mismatch {
            Mismatch::Newer(found) => PostgresOpenError::NewerSchema { url, schema, found, known: version },
            Mismatch::Older(found) => PostgresOpenError::OlderSchema { url, schema, found, needed: version },
            Mismatch::Missing(table) => PostgresOpenError::MissingTable { url, schema, table },
            Mismatch::Engine(error) => match fault::code(&error).as_deref() {
                Some("55P03") => PostgresOpenError::Locked { url, schema, source: error.into() },
                Some("57014") => slow(),
                _ => self.of_engine(error),
            },
        }
    }

    fn of_engine(&self, error: sqlx::Error) -> PostgresOpenError {
        let (url, code) = (self.shown.clone(), fault::code(&error));
        match (&error, code.as_deref()) {
            (_, Some("28P01" | "28000")) => PostgresOpenError::WrongPassword { url, source: error.into() },
            (_, Some("3D000")) => PostgresOpenError::UnknownDatabase { url },
            (_, Some("42501")) => PostgresOpenError::Forbidden { url, source: error.into() },
            (_, Some("25006")) => PostgresOpenError::ReadOnly { url },
            (_, Some("53100")) => PostgresOpenError::Full { url, source: error.into() },
            // A certificate that is not to be trusted comes in this form.
            (sqlx::Error::Io(io), _) if io.kind() == io::ErrorKind::InvalidData => {
                PostgresOpenError::Tls { url, source: error.into() }
            }
            (_, Some("53300")) => PostgresOpenError::Crowded { url, source: error.into() },
            // Starting, or ending.
            (_, Some("57P01" | "57P02" | "57P03")) | (sqlx::Error::Io(_), _) => {
                PostgresOpenError::Down { url, source: error.into() }
            }
            (sqlx::Error::Tls(_), _) => PostgresOpenError::Tls { url, source: error.into() },
            (sqlx::Error::Configuration(_), _) => PostgresOpenError::BadUrl { url, why: error.to_string() },
            _ => PostgresOpenError::Other { url, source: error.into() },
        }
    }
}

/// Has the server itself give up: what it says then tells why.
async fn limit_statements(connection: &mut PgConnection, time: Duration) -> Result<(), sqlx::Error> {
    let time = time.as_millis().max(1);
    // What waits for a lock is said to do so.
    let limits =
        format!("SET lock_timeout = {time}; SET statement_timeout = {}", time + HEADSTART.as_millis() / 2);
    sqlx::raw_sql(AssertSqlSafe(limits)).execute(connection).await.map(drop)
}

/// Does not wait for a server that says nothing.
async fn limited<T, E: From<sqlx::Error>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let late = || sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut));
    timeout(limit + HEADSTART, work).await.unwrap_or_else(|_| Err(late().into()))
}
