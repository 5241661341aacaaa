//! A sentinel beside a master.

use std::fs;
use std::process::{Child, Command};

use super::TestRedis;
use super::ask::{answers, ask, until};
use super::process::failed;
use crate::testing::launch::{LaunchError, needed};
use crate::testing::lease::{Lease, detached};
use crate::testing::port::free_port;

/// Where Redis Sentinel is started: beside a master, under its name.
///
/// ```
/// use oauth_stores::testing::{TestRedis, TestSentinel, available};
///
/// if let Some(master) = available(TestRedis::own()) {
///     let sentinel = TestSentinel::watching("main", &master)?;
///     assert!(sentinel.url().ends_with("/main"));
/// }
/// # Ok::<(), oauth_stores::testing::LaunchError>(())
/// ```
#[derive(Debug)]
pub struct TestSentinel {
    child: Child,
    port: u16,
    name: String,
    _lease: Lease,
}

impl TestSentinel {
    /// A sentinel that alone decides whether `master` is down.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn watching(name: &str, master: &TestRedis) -> Result<Self, LaunchError> {
        Self::watching_with(name, master, &[])
    }

    /// The same, with these settings besides (`requirepass word`), each a line of its file. One that wants a password answers no
    /// [`ask`](Self::ask).
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn watching_with(name: &str, master: &TestRedis, settings: &[&str]) -> Result<Self, LaunchError> {
        let lease = Lease::own("redis-sentinel")?;
        let folder = lease.folder();
        let port = free_port().map_err(failed)?;
        let file = folder.join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 2000\n{}\n",
            folder.display(),
            master.port(),
            settings.join("\n")
        );
        fs::write(&file, settings).map_err(failed)?;
        let mut command: Command = detached(&needed("redis-server")?, &folder.join("log")).map_err(failed)?;
        let child = command.arg(&file).arg("--sentinel").current_dir(folder).spawn().map_err(failed)?;
        lease.guard(&[child.id()])?;
        let sentinel = Self { child, port, name: name.to_owned(), _lease: lease };
        until("sentinel", || answers(port))?;
        Ok(sentinel)
    }

    /// The URL of the master that it names.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/{}", self.port, self.name)
    }

    /// Runs a command, as [`TestRedis::ask`] does.
    ///
    /// # Errors
    /// [`LaunchError`] with what the sentinel said.
    pub fn ask(&self, command: &str) -> Result<String, LaunchError> {
        ask(self.port, command)
    }
}

impl Drop for TestSentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
