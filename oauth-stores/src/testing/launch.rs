//! How starting a test database fails, and what a test then does.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// For how long a server may take until it answers. The machine may be busy with other tests.
pub const START_LIMIT: Duration = Duration::from_secs(60);

/// Why a test database could not be started.
///
/// ```
/// use oauth_stores::testing::LaunchError;
/// let error = LaunchError::Missing { program: "postgres".into() };
/// assert!(error.to_string().contains("`postgres`"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A program is not installed.
    #[error("there is no `{program}` on this machine")]
    Missing {
        /// Its name.
        program: Box<str>,
    },
    /// The system refused something.
    #[error("cannot start {what}: {source}")]
    System {
        /// What was to be started.
        what: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{what} failed: {log}")]
    Failed {
        /// What was run.
        what: Box<str>,
        /// The end of what it wrote.
        log: String,
    },
}

impl LaunchError {
    /// The system refused something.
    #[must_use]
    pub fn system(what: &str, source: io::Error) -> Self {
        Self::System { what: what.into(), source }
    }

    /// A program ran and failed; `log` is what it wrote.
    #[must_use]
    pub fn failed(what: &str, log: &str) -> Self {
        const LINES: usize = 12;
        let lines: Vec<_> = log.lines().collect();
        Self::Failed { what: what.into(), log: lines[lines.len().saturating_sub(LINES)..].join("\n") }
    }
}

/// Where a program on the path is.
///
/// # Errors
/// [`LaunchError::Missing`] names it.
pub fn needed(program: &str) -> Result<PathBuf, LaunchError> {
    std::env::var_os("PATH")
        .and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
        })
        .ok_or_else(|| LaunchError::Missing { program: program.into() })
}

/// The database, or nothing and a line that says why: a machine without it skips its tests. With `OAUTH_REQUIRE_ALL=1` in the
/// environment nothing is skipped.
///
/// ```
/// use oauth_stores::testing::{LaunchError, available};
/// assert_eq!(available(Ok("a database")), Some("a database"));
/// ```
///
/// # Panics
/// If the database is there and does not start, and if nothing may be skipped.
#[allow(clippy::print_stderr, reason = "whoever reads the test's output is to see what was not tested")]
pub fn available<T>(launched: Result<T, LaunchError>) -> Option<T> {
    match launched {
        Ok(database) => Some(database),
        Err(error @ LaunchError::Missing { .. })
            if std::env::var("OAUTH_REQUIRE_ALL").is_ok_and(|value| value == "1") =>
        {
            panic!("{error}, and OAUTH_REQUIRE_ALL=1 lets nothing be skipped")
        }
        Err(error @ LaunchError::Missing { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
