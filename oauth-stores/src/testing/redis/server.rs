//! One server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::ask::{ask, is_replicated, until};
use super::process::{DURABLE, all_answer, failed, launch, launch_at, read_ports, write_ports};
use crate::testing::launch::{LaunchError, needed};
use crate::testing::lease::{Lease, Service};

/// A Redis server for tests.
///
/// ```
/// use oauth_stores::testing::{TestRedis, available};
///
/// // Where Redis is not installed there is nothing to test.
/// if let Some(server) = available(TestRedis::shared()) {
///     assert!(server.url().starts_with("redis://"));
///     assert_eq!(server.ask("PING")?, "PONG");
/// }
/// # Ok::<(), oauth_stores::testing::LaunchError>(())
/// ```
#[derive(Debug)]
pub struct TestRedis {
    program: PathBuf,
    settings: Vec<String>,
    /// Our child, where it is this process's own; none after [`kill`](Self::kill).
    child: Option<Child>,
    port: u16,
    lease: Lease,
}

impl TestRedis {
    /// The server that all test processes share, started unless it runs. It keeps everything in memory alone.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn shared() -> Result<Self, LaunchError> {
        let program = needed("redis-server")?;
        let lease = Lease::shared(&Single { program: program.clone() })?;
        let port = read_ports(lease.folder()).map_err(failed)?.first().copied().unwrap_or_default();
        Ok(Self { program, settings: Vec::new(), child: None, port, lease })
    }

    /// A durable server (`appendfsync always`) of this test's own, to be killed and started again. It ends when this is dropped, or the
    /// process ends.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn own() -> Result<Self, LaunchError> {
        Self::own_with(DURABLE)
    }

    /// A server of this test's own, with these settings (`name=value`) and no others than it must have.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn own_with(settings: &[&str]) -> Result<Self, LaunchError> {
        let program = needed("redis-server")?;
        let lease = Lease::own("redis-own")?;
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (child, port) = launch(&program, lease.folder(), &settings)?;
        lease.guard(&[child.id()])?;
        Ok(Self { program, settings, child: Some(child), port, lease })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1: the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where the server has its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lease.folder()
    }

    /// Runs a command, its words separated by spaces, and gives the answer, if it is a text or a number.
    ///
    /// # Errors
    /// [`LaunchError`] with what the server said.
    pub fn ask(&self, command: &str) -> Result<String, LaunchError> {
        ask(self.port, command)
    }

    /// Waits until its replicas, of which there is one at least, have all that was written.
    ///
    /// # Errors
    /// [`LaunchError`] if that takes too long.
    pub fn await_replicas(&self) -> Result<(), LaunchError> {
        until("replication", || is_replicated(self.port()))
    }

    /// Kills the server (`kill -9`).
    ///
    /// # Panics
    /// If the server is not this test's own.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            panic!("only a server of the test's own may be killed, and once");
        };
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Lets it hang: it takes connections, and answers nothing until [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`LaunchError`] if it is not this test's own, or does not run.
    pub fn hang(&self) -> Result<(), LaunchError> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// [`LaunchError`] if it is not this test's own, or does not run.
    pub fn resume(&self) -> Result<(), LaunchError> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), LaunchError> {
        let Some(child) = &self.child else {
            return Err(LaunchError::failed("kill", "only a server of the test's own may be stopped"));
        };
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status().map_err(failed)?;
        if status.success() { Ok(()) } else { Err(LaunchError::failed("kill", signal)) }
    }

    /// Gives it other settings (`name=value`) from the next start on.
    pub fn set_settings(&mut self, settings: &[&str]) {
        self.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    }

    /// Starts it again, on the same port, and waits until it has read its file.
    ///
    /// # Errors
    /// [`LaunchError`] if it does not come up.
    pub fn restart(&mut self) -> Result<(), LaunchError> {
        if self.child.is_some() {
            self.kill();
        }
        let child = launch_at(&self.program, self.lease.folder(), self.port, &self.settings)?;
        self.lease.guard(&[child.id()])?;
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

struct Single {
    program: PathBuf,
}

impl Service for Single {
    fn name(&self) -> &str {
        "redis"
    }

    fn program(&self) -> Option<&Path> {
        Some(&self.program)
    }

    fn is_alive(&self, folder: &Path) -> bool {
        all_answer(folder)
    }

    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
        let (child, port) = launch(&self.program, folder, &[])?;
        write_ports(folder, &[port]).map_err(failed)?;
        Ok(vec![child.id()])
    }
}
