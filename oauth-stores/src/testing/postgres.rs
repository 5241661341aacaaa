//! PostgreSQL for tests: one server that all share, or one that a test may kill.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::launch::{LaunchError, START_LIMIT, needed};
use super::lease::{Lease, Service, detached};
use super::port::free_port;

/// The user of the tests. Its password has what a URL must escape, so that nothing that forgets to passes.
const USER: &str = "oauth";
const PASSWORD: &str = "p@ss/word";
const PASSWORD_IN_URL: &str = "p%40ss%2Fword";

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

/// What an operator has: each answer is on the disk.
const DURABLE: &str = "fsync = on
synchronous_commit = on
full_page_writes = on
";

/// How often to look whether a server is up.
const STEP: Duration = Duration::from_millis(20);

/// How often to try another port.
const PORTS: usize = 5;

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
        let programs = Programs::find()?;
        let lease = Lease::own("postgres-own")?;
        programs.create(lease.folder(), DURABLE)?;
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

/// The installed programs, and as whom to run them.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    /// PostgreSQL refuses to run as root: the user and group that its package made, then.
    user: Option<(u32, u32)>,
}

impl Programs {
    /// The newest that is installed.
    fn find() -> Result<Self, LaunchError> {
        let version = |folder: &Path| {
            let name = folder.parent()?.file_name()?.to_str()?;
            name.split('.').next()?.parse::<u32>().ok()
        };
        let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = debian
            .map(|entry| entry.path().join("bin"))
            .filter(|folder| folder.join("initdb").is_file())
            .max_by_key(|folder| version(folder));
        let folder = match newest {
            Some(folder) => folder,
            None => {
                let initdb = fs::canonicalize(needed("initdb")?).map_err(failed)?;
                initdb.parent().map(Path::to_owned).unwrap_or_default()
            }
        };
        for program in ["initdb", "postgres", "psql"] {
            if !folder.join(program).is_file() {
                return Err(LaunchError::Missing { program: program.into() });
            }
        }
        Ok(Self { folder, user: unprivileged()? })
    }

    fn command(&self, program: &str, log: &Path) -> Result<Command, LaunchError> {
        let mut command = detached(&self.folder.join(program), log).map_err(failed)?;
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Makes a cluster in `folder`.
    fn create(&self, folder: &Path, durability: &str) -> Result<(), LaunchError> {
        // Its own, because the server insists on that; and its socket's, which its user must be able to create.
        let hand_over = |path: &Path| match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        };
        hand_over(folder).map_err(failed)?;
        let (log, password) = (folder.join("log"), folder.join("password"));
        let mut file = fs::File::create(&password).map_err(failed)?;
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
        writeln!(file, "{PASSWORD}").map_err(failed)?;
        hand_over(&password).map_err(failed)?;
        let status = self
            .command("initdb", &log)?
            .args(["--username", USER, "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync"])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(folder.join("data"))
            .current_dir(folder)
            .status()
            .map_err(failed)?;
        if !status.success() {
            return Err(LaunchError::failed("initdb", &fs::read_to_string(log).unwrap_or_default()));
        }
        let sockets = format!("unix_socket_directories = '{}'\n", folder.display());
        let mut settings =
            fs::File::options().append(true).open(folder.join("data/postgresql.conf")).map_err(failed)?;
        settings.write_all([SETTINGS, durability, &sockets].concat().as_bytes()).map_err(failed)
    }

    /// Starts the server of a cluster on some free port, and waits until it answers.
    fn launch(&self, folder: &Path) -> Result<(Child, u16), LaunchError> {
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

    fn launch_at(&self, folder: &Path, port: u16) -> Result<Child, LaunchError> {
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

fn read_port(folder: &Path) -> io::Result<u16> {
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

fn failed(error: io::Error) -> LaunchError {
    LaunchError::system("postgres", error)
}
