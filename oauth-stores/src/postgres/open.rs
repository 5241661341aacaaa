//! Opening the store, and what to say when that fails.

use std::future::Future;
use std::io;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;
use url::Url;

use crate::postgres::PostgresStore;
use crate::postgres::fault;
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

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened. Each names the URL, without its password, and what helps.
///
/// ```
/// use oauth_stores::{PostgresOpenError, PostgresStore};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let error = PostgresStore::open("postgres://app:secret@127.0.0.1:port/oauth").await.unwrap_err();
/// assert!(matches!(error, PostgresOpenError::BadUrl { .. }));
/// assert!(!error.to_string().contains("secret"));
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresOpenError {
    /// The URL cannot be read.
    #[error("cannot open {url}: {why}; write it as postgres://user:password@host:port/database")]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The schema's name would need quotes.
    #[error(
        "cannot use the schema {schema:?}: its name must be of lower-case letters, digits and _, at most 40; choose another"
    )]
    BadSchema {
        /// Its name.
        schema: String,
    },
    /// Nobody listens there, or not in time.
    #[error("cannot open {url}: the server does not answer ({source}); start it, or correct host and port")]
    Down {
        /// The URL.
        url: String,
        /// What the system or the server said.
        source: Source,
    },
    /// No secure connection.
    #[error(
        "cannot open {url}: there is no TLS to be had ({source}); correct sslmode and sslrootcert, or the server's certificate"
    )]
    Tls {
        /// The URL.
        url: String,
        /// What went wrong.
        source: Source,
    },
    /// The user or the password is wrong.
    #[error(
        "cannot open {url}: the server does not accept this user and password ({source}); correct them in the URL"
    )]
    WrongPassword {
        /// The URL.
        url: String,
        /// What the server said.
        source: Source,
    },
    /// There is no such database.
    #[error(
        "cannot open {url}: the server has no such database; create it (createdb), or correct its name in the URL"
    )]
    UnknownDatabase {
        /// The URL.
        url: String,
    },
    /// The user may not do what is necessary.
    #[error(
        "cannot open {url}: the user may not do what is needed ({source}); grant it, or let another user migrate, with \
         `PostgresOptions::migrate`, and grant this one the use of the schema and its tables"
    )]
    Forbidden {
        /// The URL.
        url: String,
        /// What the server said.
        source: Source,
    },
    /// The server is a standby, or the database may not be written.
    #[error("cannot open {url}: it can only be read; name the primary server in the URL")]
    ReadOnly {
        /// The URL.
        url: String,
    },
    /// The tables are missing or older, and may not be changed.
    #[error(
        "cannot open {url}: the tables in schema {schema} have version {found} (0: there are none), and this program needs {needed}; run \
         `PostgresOptions::migrate` as a user who may, or open without `without_migration`"
    )]
    OlderSchema {
        /// The URL.
        url: String,
        /// In which schema.
        schema: String,
        /// The version of what is there.
        found: i64,
        /// The version needed.
        needed: i64,
    },
    /// The tables were made by a newer version of this crate.
    #[error(
        "cannot open {url}: the tables in schema {schema} have version {found}, and this program knows versions up to {known}; run the newer \
         program, or restore a backup of the older one's"
    )]
    NewerSchema {
        /// The URL.
        url: String,
        /// In which schema.
        schema: String,
        /// The version of what is there.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// Anything else.
    #[error("cannot open {url}: {source}")]
    Other {
        /// The URL.
        url: String,
        /// What the server said.
        source: Source,
    },
}

/// Opens a store.
pub(super) async fn store(url: &str, options: &PostgresOptions) -> Result<PostgresStore, PostgresOpenError> {
    let place = Place::read(url, options)?;
    place.prepare(options, options.migrate).await?;
    Ok(PostgresStore::new(Pool::new(place.connect, options)))
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
            || text.split_once("://").map_or("the URL".into(), |(scheme, _)| format!("{scheme}://…"));
        let url = match Url::parse(text) {
            Ok(url) if text.contains("://") => url,
            Ok(_) => return Err(PostgresOpenError::BadUrl { url: hidden(), why: "there is no host".into() }),
            Err(error) => return Err(PostgresOpenError::BadUrl { url: hidden(), why: error.to_string() }),
        };
        let shown = crate::shown::shown(text);
        let bad = |why: String| PostgresOpenError::BadUrl { url: shown.clone(), why };
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(bad(format!("{} is another kind of database", url.scheme())));
        }
        if let Some((key, _)) = url.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key)) {
            // What is no plain word may be a piece of a password.
            let plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
            return Err(bad(if plain {
                format!("there is no parameter {key:?}")
            } else {
                "there is a parameter that is none".into()
            }));
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
        let prepared = async {
            let writable =
                sqlx::query("SELECT current_setting('transaction_read_only') <> 'on'").persistent(false);
            if !writable.fetch_one(&mut connection).await?.try_get::<bool, _>(0)? {
                return Ok(Err(PostgresOpenError::ReadOnly { url: self.shown.clone() }));
            }
            if migrate {
                schema::migrate(&mut connection, &options.schema, MIGRATIONS).await?;
            } else {
                schema::check(&mut connection, &options.schema, MIGRATIONS).await?;
            }
            Ok(Ok(()))
        };
        let prepared = prepared.await.map_err(|mismatch| self.of_schema(mismatch, &options.schema));
        // Whether it ends well does not matter any more.
        let _ = timeout(options.connect_time, connection.close()).await;
        prepared?
    }

    /// The first connection, for which nobody waits longer than needed: a pool would knock again and again.
    async fn connect(&self, options: &PostgresOptions) -> Result<PgConnection, PostgresOpenError> {
        let connecting = PgConnection::connect_with(&self.connect);
        match limited(options.connect_time, connecting).await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.of_engine(error)),
        }
    }

    fn of_schema(&self, mismatch: Mismatch, schema: &str) -> PostgresOpenError {
        let (url, schema) = (self.shown.clone(), schema.to_owned());
        let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        match mismatch {
            Mismatch::Newer(found) => PostgresOpenError::NewerSchema { url, schema, found, known: version },
            Mismatch::Older(found) => PostgresOpenError::OlderSchema { url, schema, found, needed: version },
            Mismatch::Engine(error) => self.of_engine(error),
        }
    }

    fn of_engine(&self, error: sqlx::Error) -> PostgresOpenError {
        let (url, code) = (self.shown.clone(), fault::code(&error));
        match (&error, code.as_deref()) {
            (_, Some("28P01" | "28000")) => PostgresOpenError::WrongPassword { url, source: error.into() },
            (_, Some("3D000")) => PostgresOpenError::UnknownDatabase { url },
            (_, Some("42501")) => PostgresOpenError::Forbidden { url, source: error.into() },
            (_, Some("25006")) => PostgresOpenError::ReadOnly { url },
            // A certificate that is not to be trusted comes in this form.
            (sqlx::Error::Io(io), _) if io.kind() == io::ErrorKind::InvalidData => {
                PostgresOpenError::Tls { url, source: error.into() }
            }
            // Starting, ending, or full.
            (_, Some("57P01" | "57P02" | "57P03" | "53300")) | (sqlx::Error::Io(_), _) => {
                PostgresOpenError::Down { url, source: error.into() }
            }
            (sqlx::Error::Tls(_), _) => PostgresOpenError::Tls { url, source: error.into() },
            (sqlx::Error::Configuration(_), _) => PostgresOpenError::BadUrl { url, why: error.to_string() },
            _ => PostgresOpenError::Other { url, source: error.into() },
        }
    }
}

async fn limited<T>(
    limit: std::time::Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}
