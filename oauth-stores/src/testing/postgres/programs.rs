//! The installed programs: making a cluster, starting its server, finding it again by its folder.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::{PASSWORD, USER};
use crate::testing::launch::{LaunchError, START_LIMIT, needed};
use crate::testing::lease::{Service, detached};
use crate::testing::port::free_port;

/// What both kinds have. Enough connections for the tests that run at once.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'
max_connections = 300
shared_buffers = 64MB
wal_level = minimal
max_wal_senders = 0
log_min_messages = warning
timezone = 'UTC'
";

/// The shared one loses everything in a power failure, and nobody is told by when it is.
const FAST: &str = "fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
";

/// How often to look whether a server is up.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// How often to try another port.
const PORTS: usize = 5;

/// The installed programs, and as whom to run them.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    /// PostgreSQL refuses to run as root: the user and group that its package made, then.
    user: Option<(u32, u32)>,
}

impl Programs {
    /// Those in the folder that the variable `OAUTH_POSTGRES` names, or the newest that are installed.
    pub(super) fn find() -> Result<Self, LaunchError> {
        match std::env::var_os("OAUTH_POSTGRES") {
            Some(folder) => Self::of(folder.into()),
            None => Self::of(Self::installed()?),
        }
    }

    fn installed() -> Result<PathBuf, LaunchError> {
        let version = |folder: &Path| {
            let name = folder.parent()?.file_name()?.to_str()?;
            name.split('.').next()?.parse::<u32>().ok()
        };
        let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = debian
            .map(|entry| entry.path().join("bin"))
            .filter(|folder| folder.join("initdb").is_file())
            .max_by_key(|folder| version(folder));
        if let Some(folder) = newest {
            return Ok(folder);
        }
        let initdb = fs::canonicalize(needed("initdb")?).map_err(failed)?;
        Ok(initdb.parent().map(Path::to_owned).unwrap_or_default())
    }

    fn of(folder: PathBuf) -> Result<Self, LaunchError> {
        for program in ["initdb", "postgres", "psql"] {
            if !folder.join(program).is_file() {
                return Err(LaunchError::Missing { program: program.into() });
            }
        }
        Ok(Self { folder, user: unprivileged()? })
    }

    pub(super) fn command(&self, program: &str, log: &Path) -> Result<Command, LaunchError> {
        let mut command = detached(&self.folder.join(program), log).map_err(failed)?;
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Has a program write a cluster's data into `folder`.
    pub(super) fn make(
        &self,
        program: &str,
        folder: &Path,
        how: impl FnOnce(&mut Command),
    ) -> Result<(), LaunchError> {
        let log = folder.join("log");
        let mut command = self.command(program, &log)?;
        how(&mut command);
        let status =
            command.arg("--pgdata").arg(folder.join("data")).current_dir(folder).status().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(LaunchError::failed(program, &fs::read_to_string(log).unwrap_or_default()))
    }

    /// Makes a cluster in `folder`.
    pub(super) fn create(&self, folder: &Path, durability: &str) -> Result<(), LaunchError> {
        // Its own, because the server insists on that; and its socket's, which its user must be able to create.
        self.hand_over(folder)?;
        let password = folder.join("password");
        let mut file = fs::File::create(&password).map_err(failed)?;
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
        writeln!(file, "{PASSWORD}").map_err(failed)?;
        self.hand_over(&password)?;
        self.make("initdb", folder, |command| {
            command
                .args([
                    "--username",
                    USER,
                    "--auth=scram-sha-256",
                    "--no-locale",
                    "--encoding=UTF8",
                    "--no-sync",
                ])
                .arg("--pwfile")
                .arg(&password);
        })?;
        self.set(folder, &[SETTINGS, durability].concat())
    }

    /// Adds settings to a cluster; its socket is in its folder.
    pub(super) fn set(&self, folder: &Path, settings: &str) -> Result<(), LaunchError> {
        let file = folder.join("data/postgresql.conf");
        let mut file = fs::File::options().append(true).open(file).map_err(failed)?;
        let sockets = format!("unix_socket_directories = '{}'\n", folder.display());
        file.write_all([settings, &sockets].concat().as_bytes()).map_err(failed)
    }

    /// Makes a file or folder the server's own.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), LaunchError> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)).map_err(failed),
            None => Ok(()),
        }
    }

    /// Starts the server of a cluster on some free port, and waits until it answers.
    pub(super) fn launch(&self, folder: &Path) -> Result<(Child, u16), LaunchError> {
        for _ in 1..PORTS {
            let port = free_port().map_err(failed)?;
            match self.launch_at(folder, port) {
                Err(LaunchError::Failed { log, .. }) if log.contains("could not bind") => {}
                other => return Ok((other?, port)),
            }
        }
        let port = free_port().map_err(failed)?;
        Ok((self.launch_at(folder, port)?, port))
    }

    pub(super) fn launch_at(&self, folder: &Path, port: u16) -> Result<Child, LaunchError> {
        let log = folder.join("log");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let written = fs::metadata(&log).map_or(0, |log| log.len());
            let mut child = self
                .command("postgres", &log)?
                .arg("-D")
                .arg(folder.join("data"))
                .args(["-p", &port.to_string()])
                .current_dir(folder)
                .spawn()
                .map_err(failed)?;
            while child.try_wait().map_err(failed)?.is_none() {
                if ready(folder) == Some(child.id()) {
                    fs::write(folder.join("port"), port.to_string()).map_err(failed)?;
                    return Ok(child);
                }
                if Instant::now() >= deadline {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(LaunchError::failed("postgres", "it is not up within its time"));
                }
                std::thread::sleep(STEP);
            }
            let all = fs::read(&log).unwrap_or_default();
            let said =
                String::from_utf8_lossy(&all[usize::try_from(written).unwrap_or_default().min(all.len())..])
                    .into_owned();
            // The processes of a server that was killed hold its memory for a moment.
            if !said.contains("still in use") || Instant::now() >= deadline {
                return Err(LaunchError::failed("postgres", &said));
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Service for Programs {
    fn name(&self) -> &str {
        "postgres"
    }

    fn program(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn is_alive(&self, folder: &Path) -> bool {
        ready(folder).is_some()
            && read_port(folder).is_ok_and(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
        self.create(folder, FAST)?;
        // Whom it outlives does not wait for it.
        self.launch(folder).map(|(child, _)| vec![child.id()])
    }
}

/// The process that says, in the last line of a file of its own, that it takes connections. A killed one leaves that behind.
fn ready(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let process = lines.next()?.trim().parse().ok()?;
    lines.nth(6).filter(|state| state.trim() == "ready").map(|_| process)
}

pub(super) fn read_port(folder: &Path) -> io::Result<u16> {
    fs::read_to_string(folder.join("port"))?.trim().parse().map_err(io::Error::other)
}

/// As whom to run what refuses to be run by root: nobody in particular, unless we are root.
fn unprivileged() -> Result<Option<(u32, u32)>, LaunchError> {
    let probe = tempfile::tempfile().and_then(|file| file.metadata()).map_err(failed)?;
    if probe.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(failed)?;
    let found = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    found.map(Some).ok_or_else(|| LaunchError::Missing { program: "the user postgres".into() })
}

pub(super) fn failed(error: io::Error) -> LaunchError {
    LaunchError::system("postgres", error)
}
