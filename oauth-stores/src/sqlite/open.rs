//! Opening the file, and what to say when that fails.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::sqlite::schema::{self, Mismatch};

/// For how long opening waits for another process to let go of the file.
const OPEN_PATIENCE: Duration = Duration::from_secs(3);

/// In how many steps of [`STEP`] the writer waits for another process's transaction, before it says `Unavailable`.
const WRITE_STEPS: i32 = 5000;

/// In how many steps a reader waits. In WAL mode it waits for nobody, but for a process that is just opening or closing the file.
const READ_STEPS: i32 = 500;

/// Short and even: the engine's own waiting grows to 100 ms, and then seldom finds the gap between two busy servers' batches.
const STEP: Duration = Duration::from_millis(1);

/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// Why a store could not be opened. Each names the file and what helps.
///
/// ```
/// use oauth_stores::{OpenError, SqliteStore};
///
/// let folder = tempfile::tempdir()?;
/// let error = SqliteStore::open(folder.path().join("missing/oauth.sqlite")).unwrap_err();
/// assert!(matches!(error, OpenError::FolderMissing { .. }));
/// assert!(error.to_string().contains("missing/oauth.sqlite"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the file does not exist.
    #[error("cannot open {}: its folder does not exist; create it, or choose another path", path.display())]
    FolderMissing {
        /// The file.
        path: PathBuf,
    },
    /// The folder or the file may not be written.
    #[error(
        "cannot open {}: the file or its folder cannot be written; give this process's user write permission to both \
         (SQLite keeps two files beside it), or choose another path", path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has the file to itself.
    #[error("cannot open {}: another process has locked it; stop that process, or close the tool that has it open", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no room.
    #[error("cannot open {}: the disk is full; free some space, or choose another path", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else, or damaged.
    #[error("cannot open {}: it is not an SQLite database, or is damaged; choose another path, or restore a backup", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is a database of another program.
    #[error("cannot open {}: it is another program's database; choose a path of its own for this store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version of this crate.
    #[error(
        "cannot open {}: its schema has version {found}, and this program knows versions up to {known}; run the newer program, \
         or restore a backup of the older one's", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// Somebody removed a table.
    #[error("cannot open {}: its table `{table}` is missing; restore a backup, or choose another path to begin anew", path.display())]
    TableMissing {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
    /// Anything else.
    #[error("cannot open {}: {source}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn of_system(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::FolderMissing { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source: error.into() }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source: error.into() }
            }
            _ => Self::Other { path, source: error.into() },
        }
    }

    fn of_engine(path: &Path, error: rusqlite::Error) -> Self {
        let (path, code) = (path.to_owned(), error.sqlite_error_code());
        let source = error.into();
        match code {
            // The file is there, or was just made: it may not be read or written, or the two beside it may not.
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { path, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, source },
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotADatabase { path, source },
            _ => Self::Other { path, source },
        }
    }

    fn of_schema(path: &Path, mismatch: &Mismatch) -> Self {
        let path = path.to_owned();
        match mismatch {
            Mismatch::Newer(found) => Self::NewerSchema { path, found: *found, known: schema::VERSION },
            Mismatch::Foreign => Self::Foreign { path },
            Mismatch::Missing(table) => Self::TableMissing { path, table },
        }
    }
}

/// Opens the file at `path`, creates it where there is none, and brings it to the newest schema. Also says where it really is.
pub(super) fn writer(path: &Path, size_limit: Option<u64>) -> Result<(Connection, PathBuf), OpenError> {
    create(path).map_err(|error| OpenError::of_system(path, error))?;
    // Readers open it again later, whatever the working directory is then.
    let real = fs::canonicalize(path).map_err(|error| OpenError::of_system(path, error))?;
    let deadline = Instant::now() + OPEN_PATIENCE;
    loop {
        let error = match prepared(&real, size_limit) {
            Ok(Ok(connection)) => return Ok((connection, real)),
            Ok(Err(mismatch)) => return Err(OpenError::of_schema(path, &mismatch)),
            Err(error) => error,
        };
        // The change to WAL mode does not wait for others by itself.
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || Instant::now() >= deadline {
            return Err(OpenError::of_engine(path, error));
        }
        std::thread::sleep(STEP * 5);
    }
}

fn prepared(path: &Path, size_limit: Option<u64>) -> rusqlite::Result<Result<Connection, Mismatch>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Short, so that the loop above has the say while it opens.
    connection.busy_timeout(STEP * 50)?;
    // Looked at before anything is changed: it may be somebody else's.
    if let Some(mismatch) = schema::mismatch(&connection)? {
        return Ok(Err(mismatch));
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    configure(&connection)?;
    if let Err(mismatch) = schema::migrate(&mut connection)? {
        return Ok(Err(mismatch));
    }
    if let Some(bytes) = size_limit {
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages.max(1)), [], |_| Ok(()))?;
    }
    // A write that changes nothing shows whether one is possible at all: at start, not at the first sign-in.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    connection.busy_handler(Some(|waited| wait(waited, WRITE_STEPS)))?;
    Ok(Ok(connection))
}

/// A database in memory, as empty as a new file.
pub(super) fn memory() -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let open = || -> rusqlite::Result<Result<Connection, Mismatch>> {
        let mut connection = Connection::open_in_memory()?;
        configure(&connection)?;
        Ok(schema::migrate(&mut connection)?.map(|()| connection))
    };
    open()
        .map_err(|error| OpenError::of_engine(path, error))?
        .map_err(|mismatch| OpenError::of_schema(path, &mismatch))
}

/// A connection that reads what the writer has committed.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(|waited| wait(waited, READ_STEPS)))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The log (8 MB) is written back less often than by default. The cache stays the engine's 2 MB: when a tree is balanced, the commit walks through
/// all of the cache's table, and with 32 MB that was a fifth of what an exchange among a million grants took.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY;
        PRAGMA wal_autocheckpoint = 2000;",
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// The file that was opened, as the system knows it: it can be removed or replaced while it is open, and then nobody finds what is written.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    #[cfg(unix)]
    file: (u64, u64),
}

impl Place {
    /// Where the file is now.
    #[cfg(unix)]
    pub(super) fn of(path: PathBuf) -> io::Result<Self> {
        let file = identity(&path)?;
        Ok(Self { path, file })
    }

    /// Elsewhere a file that is open cannot be removed.
    #[cfg(not(unix))]
    pub(super) fn of(path: PathBuf) -> io::Result<Self> {
        Ok(Self { path })
    }

    /// Whether it is still there.
    pub(super) fn is_there(&self) -> bool {
        #[cfg(unix)]
        return identity(&self.path).is_ok_and(|file| file == self.file);
        #[cfg(not(unix))]
        return self.path.exists();
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let there = fs::metadata(path)?;
    Ok((there.dev(), there.ino()))
}

fn wait(waited: i32, steps: i32) -> bool {
    if waited < steps {
        std::thread::sleep(STEP);
    }
    waited < steps
}

/// Creates the file for its owner alone, since it holds keys. One that is there stays as it is, and is not opened: whoever closes a file
/// lets go of all locks that this process has on it, those of the engine's connections too.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map(drop),
    }
    let there = match fs::metadata(path) {
        // A link to where no file is yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return options.create(true).truncate(false).open(path).map(drop);
        }
        there => there?,
    };
    if there.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&there.permissions());
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), mode = format_args!("{:o}", mode & 0o777), "the store's file holds keys, and others may read it");
        }
    }
    Ok(())
}
