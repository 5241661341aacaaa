//! What to say when a store cannot be opened.

use std::time::Duration;

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
    /// All connections that the server may have are taken.
    #[error(
        "cannot open {url}: the server has no room for another connection ({source}); raise its max_connections, or lower `connections` in \
         the URLs of those that share it"
    )]
    Crowded {
        /// The URL.
        url: String,
        /// What the server said.
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
    /// A table was removed.
    #[error(
        "cannot open {url}: the table {schema}.{table} is missing; restore it from a dump, or drop the whole schema {schema} to begin anew"
    )]
    MissingTable {
        /// The URL.
        url: String,
        /// In which schema.
        schema: String,
        /// The table.
        table: &'static str,
    },
    /// Somebody has locked the tables.
    #[error(
        "cannot open {url}: another session has locked tables in schema {schema} ({source}); end it (pg_locks and pg_stat_activity show \
         which it is), or wait until it has done"
    )]
    Locked {
        /// The URL.
        url: String,
        /// In which schema.
        schema: String,
        /// What the server said.
        source: Source,
    },
    /// Bringing the tables up to date takes too long.
    #[error(
        "cannot open {url}: the tables were not up to date within {time:?}; look what else the database does, or give it more time with \
         `PostgresOptions::with_migration_time`"
    )]
    Slow {
        /// The URL.
        url: String,
        /// How long it had.
        time: Duration,
    },
    /// Looking at the tables takes too long.
    #[error(
        "cannot open {url}: the server has not said within {time:?} what is in schema {schema}; look what else the database does, or give it more \
         time with `PostgresOptions::with_connect_time`"
    )]
    SlowLook {
        /// The URL.
        url: String,
        /// In which schema.
        schema: String,
        /// How long it had.
        time: Duration,
    },
    /// There is no room.
    #[error("cannot open {url}: the server's disk is full ({source}); free some space there")]
    Full {
        /// The URL.
        url: String,
        /// What the server said.
        source: Source,
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
