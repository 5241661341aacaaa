//! PostgreSQL for tests: one server that all share, or one that a test may kill.

mod programs;
mod standby;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::launch::LaunchError;
use super::lease::Lease;
use programs::{Programs, failed, read_port};

/// The user of the tests. Its password has what a URL must escape, so that nothing that forgets to passes.
const USER: &str = "oauth";
const PASSWORD: &str = "p@ss/word";
const PASSWORD_IN_URL: &str = "p%40ss%2Fword";

/// What an operator has: each answer is on the disk.
const DURABLE: &str = "fsync = on
synchronous_commit = on
full_page_writes = on
";

/// A PostgreSQL server for tests.
///
/// ```
/// use oauth_stores::testing::{TestPostgres, available};
///
/// // Where PostgreSQL is not installed there is nothing to test.
/// if let Some(server) = available(TestPostgres::shared()) {
///     let (one, two) = (server.fresh_database()?, server.fresh_database()?);
///     assert!(one.starts_with("postgres://") && one != two);
/// }
/// # Ok::<(), oauth_stores::testing::LaunchError>(())
/// ```
#[derive(Debug)]
pub struct TestPostgres {
    programs: Programs,
    /// Our child, where it is this process's own; none after [`kill`](Self::kill).
    child: Option<Child>,
    port: u16,
    /// What goes with this value, lest a run of many tests fills the disk.
    databases: Mutex<Vec<String>>,
    lease: Lease,
}

impl TestPostgres {
    /// The server that all test processes share, started unless it runs. It is fast, and not durable.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where PostgreSQL is not installed.
    pub fn shared() -> Result<Self, LaunchError> {
        let programs = Programs::find()?;
        let lease = Lease::shared(&programs)?;
        let port = read_port(lease.folder()).map_err(failed)?;
        Ok(Self { programs, child: None, port, databases: Mutex::default(), lease })
    }

    /// A durable server of this test's own, to be killed and started again. It ends when this is dropped, or the process ends.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where PostgreSQL is not installed.
    pub fn own() -> Result<Self, LaunchError> {
        Self::own_with("")
    }

    /// The same, with more lines of settings (`name = value`), which count before others.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where PostgreSQL is not installed.
    pub fn own_with(settings: &str) -> Result<Self, LaunchError> {
        let programs = Programs::find()?;
        let lease = Lease::own("postgres-own")?;
        programs.create(lease.folder(), &[DURABLE, settings, "\n"].concat())?;
        let (child, port) = programs.launch(lease.folder())?;
        lease.guard(&[child.id()])?;
        Ok(Self { programs, child: Some(child), port, databases: Mutex::default(), lease })
    }

    /// The URL of the database that is always there, as the user who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The port on 127.0.0.1: the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where the server has its files; it listens on a socket there, too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lease.folder()
    }

    /// The URL of a new, empty database. It goes when this value is dropped.
    ///
    /// # Errors
    /// [`LaunchError`] if it cannot be created.
    pub fn fresh_database(&self) -> Result<String, LaunchError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Process numbers come again while the server lives on.
        self.sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.sql(&format!("CREATE DATABASE {name}"))?;
        let url = self.url_of(&name);
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        Ok(url)
    }

    /// Runs a statement as the user who may do everything, in the database that is always there.
    ///
    /// # Errors
    /// [`LaunchError::Failed`] with what the server said.
    pub fn sql(&self, statement: &str) -> Result<String, LaunchError> {
        let output = Command::new(self.programs.folder.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--command", statement, "--dbname"])
            .arg(self.url())
            .env("PGCONNECT_TIMEOUT", "30")
            .stdin(Stdio::null())
            .output()
            .map_err(failed)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(LaunchError::failed("psql", &String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Kills the server and all its processes (`kill -9`): a power failure, but for what the system had in its caches.
    ///
    /// # Panics
    /// If the server is not this test's own.
    pub fn kill(&mut self) {
        let Some(child) = &mut self.child else {
            panic!("only a server of the test's own may be killed, and once");
        };
        let postmaster = child.id().to_string();
        // The processes of a killed server end by themselves, but later.
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.unwrap_or_default();
        let _ = Command::new("kill")
            .args(["-9", &postmaster])
            .args(children.split_whitespace())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = child.kill();
        let _ = child.wait();
        self.child = None;
    }

    /// Starts it again, on the same port, and waits until it has recovered.
    ///
    /// # Errors
    /// [`LaunchError`] if it does not come up.
    pub fn restart(&mut self) -> Result<(), LaunchError> {
        if self.child.is_some() {
            self.kill();
        }
        let child = self.programs.launch_at(self.lease.folder(), self.port)?;
        self.lease.guard(&[child.id()])?;
        self.child = Some(child);
        Ok(())
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
            return;
        }
        for name in
            self.databases.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..).collect::<Vec<_>>()
        {
            // If that fails it goes with the server.
            let _ = self.sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}
