//! A server that follows another one, and may take its place.

use std::sync::Mutex;
use std::time::Instant;

use super::programs::Programs;
use super::{PASSWORD_IN_URL, TestPostgres, USER};
use crate::testing::launch::{LaunchError, START_LIMIT};
use crate::testing::lease::Lease;

impl TestPostgres {
    /// A server whose log is enough for [`standby`](Self::standby).
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where PostgreSQL is not installed.
    pub fn primary() -> Result<Self, LaunchError> {
        Self::own_with("wal_level = replica\nmax_wal_senders = 4")
    }

    /// A copy that follows this server under `name`, by way of `port`: its own, or that of a proxy before it. It is up when it has what this one has.
    ///
    /// # Errors
    /// [`LaunchError`] if this is no [`primary`](Self::primary), or the copy does not come up.
    pub fn standby(&self, name: &str, port: u16) -> Result<Self, LaunchError> {
        let programs = Programs::find()?;
        let lease = Lease::own("postgres-standby")?;
        let folder = lease.folder();
        programs.hand_over(folder)?;
        let primary =
            format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/postgres?application_name={name}");
        programs.make("pg_basebackup", folder, |command| {
            command.args([
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
                "--dbname",
                &primary,
            ]);
        })?;
        programs.set(folder, "")?;
        let (child, port) = programs.launch(folder)?;
        lease.guard(&[child.id()])?;
        let standby = Self { programs, child: Some(child), port, databases: Mutex::default(), lease };
        self.await_standby(name)?;
        Ok(standby)
    }

    /// Waits until the standby of that name has all that was written before.
    ///
    /// # Errors
    /// [`LaunchError`] if that takes too long.
    pub fn await_standby(&self, name: &str) -> Result<(), LaunchError> {
        let written = self.sql("SELECT pg_current_wal_lsn()")?;
        let has = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{name}' AND replay_lsn >= '{written}'"
        );
        self.until(&has, "1")
    }

    /// Commits nothing from now on without the standby of that name.
    ///
    /// # Errors
    /// [`LaunchError`] if that does not come about.
    pub fn wait_for_standby(&self, name: &str) -> Result<(), LaunchError> {
        self.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"))?;
        self.sql("SELECT pg_reload_conf()")?;
        self.until("SELECT sync_state FROM pg_stat_replication", "sync")
    }

    /// Makes a standby a server of its own, and waits until it takes writes.
    ///
    /// # Errors
    /// [`LaunchError`] if it is none, or does not come up.
    pub fn promote(&self) -> Result<(), LaunchError> {
        self.sql("SELECT pg_promote()")?;
        self.until("SELECT pg_is_in_recovery()", "f")
    }

    fn until(&self, question: &str, answer: &str) -> Result<(), LaunchError> {
        let deadline = Instant::now() + START_LIMIT;
        while self.sql(question)? != answer {
            if Instant::now() >= deadline {
                return Err(LaunchError::failed("replication", "it did not come about within its time"));
            }
            std::thread::sleep(super::programs::STEP);
        }
        Ok(())
    }
}
