//! A folder with servers in it, for as long as some process uses it.
//!
//! Tests run in processes of their own, at once and one after another, and may be killed at any moment; to start a database for
//! each takes too long. So:
//!
//! 1. Each user holds the lock `users` of the folder, shared. The system lets go of it when the process ends, whichever way.
//! 2. Who needs the server takes the lock `start` for a moment, looks whether the server is alive, and starts it if not.
//! 3. A guardian, a shell script that belongs to no test, waits until nobody has held `users` for some seconds. Then it takes the lock
//!    for itself, ends the servers and removes the folder. Whoever comes at that moment finds it gone, and begins anew.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::launch::{LaunchError, needed};

const GUARDIAN: &str = include_str!("guardian.sh");

/// For how long a shared server outlives its last user: far longer than the pause between two tests.
const SHARED_IDLE: u32 = 5;

/// For how long what one process has for itself outlives it.
const OWN_IDLE: u32 = 1;

/// How often to begin anew when the folder is removed under our hands.
const TRIES: usize = 100;

/// Something that several test processes may use at once.
///
/// ```
/// use std::path::Path;
/// use oauth_stores::testing::{LaunchError, Lease, Service};
///
/// /// A server that does nothing, and is found by a file.
/// struct Nothing;
///
/// impl Service for Nothing {
///     fn name(&self) -> &str {
///         "nothing"
///     }
///     fn is_alive(&self, folder: &Path) -> bool {
///         folder.join("address").is_file()
///     }
///     fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
///         std::fs::write(folder.join("address"), "nowhere").map_err(|error| LaunchError::system("nothing", error))?;
///         Ok(Vec::new())
///     }
/// }
///
/// let lease = Lease::shared(&Nothing)?;
/// let again = Lease::shared(&Nothing)?;
/// assert_eq!(lease.folder(), again.folder());
/// assert!(lease.folder().join("address").is_file());
/// # Ok::<(), LaunchError>(())
/// ```
pub trait Service {
    /// A name for its folder: different settings, different names.
    fn name(&self) -> &str;

    /// Which of several installed programs it starts, if that is not always the same: those of each have folders of their own.
    fn program(&self) -> Option<&Path> {
        None
    }

    /// Whether the server in `folder` answers.
    fn is_alive(&self, folder: &Path) -> bool;

    /// Starts the server in `folder`, which is empty, and waits until it answers. Whatever others need to find it (its port, say) goes
    /// into a file there. The processes that make it up: each in a group of its own ([`detached`]), its working directory in the
    /// folder.
    ///
    /// # Errors
    /// [`LaunchError`], with nothing left running.
    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError>;
}

fn folder_of(service: &impl Service) -> String {
    let name = service.name();
    service.program().map_or_else(
        || name.to_owned(),
        |program| {
            let mut hasher = DefaultHasher::new();
            program.hash(&mut hasher);
            format!("{name}-{:x}", hasher.finish())
        },
    )
}

/// The use of a folder, given back when it is dropped or the process ends.
#[derive(Debug)]
pub struct Lease {
    root: PathBuf,
    folder: PathBuf,
    own: bool,
    /// Locked for as long as it is open.
    _users: File,
}

impl Lease {
    /// The use of a server that all test processes of this user share; it is started unless it is there.
    ///
    /// # Errors
    /// [`LaunchError`] if it cannot be started.
    pub fn shared(service: &impl Service) -> Result<Self, LaunchError> {
        let name = service.name();
        let failed = |error| LaunchError::system(name, error);
        let lease = Self::enter(name, &home().map_err(failed)?.join(folder_of(service)), SHARED_IDLE, false)?;
        let start = lock_file(&lease.root.join("start")).map_err(failed)?;
        start.lock().map_err(failed)?;
        if !service.is_alive(&lease.folder) {
            // One that hangs, or that somebody killed, leaves processes and files behind.
            lease.end().map_err(failed)?;
            fs::remove_dir_all(&lease.folder).map_err(failed)?;
            create_open(&lease.folder).map_err(failed)?;
            let processes = service.start(&lease.folder)?;
            lease.guard(&processes)?;
        }
        Ok(lease)
    }

    /// An empty folder of this process's own. Dropping it removes the folder; if the process is killed, the guardian does.
    ///
    /// # Errors
    /// [`LaunchError`] if there is no room for it.
    pub fn own(name: &str) -> Result<Self, LaunchError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = home().map_err(|error| LaunchError::system(name, error))?;
        let root = home.join(format!("{name}-{}-{number}", std::process::id()));
        Self::enter(name, &root, OWN_IDLE, true)
    }

    /// Where the server has its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says which processes are to be ended with the folder, in place of what was said before.
    ///
    /// # Errors
    /// [`LaunchError`] if that cannot be written down.
    pub fn guard(&self, processes: &[u32]) -> Result<(), LaunchError> {
        let lines: String = processes.iter().map(|pid| format!("{pid}\n")).collect();
        fs::write(self.root.join("pids"), lines).map_err(|error| LaunchError::system("guardian", error))
    }

    fn enter(name: &str, root: &Path, idle: u32, own: bool) -> Result<Self, LaunchError> {
        needed("flock")?;
        let failed = |error| LaunchError::system(name, error);
        for _ in 0..TRIES {
            let folder = root.join("server");
            create_open(root).and_then(|()| create_open(&folder)).or_else(gone).map_err(failed)?;
            let Some(users) = join(&root.join("users")).map_err(failed)? else { continue };
            // Servers say where they work by their real path.
            let root = fs::canonicalize(root).map_err(failed)?;
            let folder = root.join("server");
            create_open(&folder).map_err(failed)?;
            watch(&root, idle).map_err(failed)?;
            return Ok(Self { root, folder, own, _users: users });
        }
        Err(failed(io::Error::other("its folder is removed again and again")))
    }

    fn end(&self) -> io::Result<()> {
        Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", "--end"])
            .arg(&self.root)
            .stdin(Stdio::null())
            .status()
            .map(drop)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.own {
            // What is left of it the guardian removes.
            let _ = self.end();
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// A command whose process outlives ours, and is not reached by what is sent to our group (Ctrl-C, a test runner's time-out).
/// It writes to the file at `log`.
///
/// # Errors
/// [`io::Error`] if the file cannot be written.
pub fn detached(program: &Path, log: &Path) -> io::Result<Command> {
    let out = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    Ok(command)
}

/// Holds the lock at `path` shared, unless the file is removed meanwhile.
fn join(path: &Path) -> io::Result<Option<File>> {
    let users = match lock_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    users.lock_shared()?;
    let held = users.metadata()?;
    match fs::metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(Some(users)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Starts the guardian of a folder, unless there is one.
fn watch(root: &Path, idle: u32) -> io::Result<()> {
    let lock = lock_file(&root.join("guardian"))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => drop(lock),
    }
    // By way of a shell that ends at once: the guardian is nobody's child, so nobody has to wait for it.
    let launch = r#"sh -c "$1" guardian "$2" "$3" </dev/null >/dev/null 2>&1 &"#;
    let status = Command::new("sh")
        .args(["-c", launch, "launcher", GUARDIAN])
        .arg(root)
        .arg(idle.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("the guardian did not start")) }
}

/// A folder of this user's in that for temporary files.
fn home() -> io::Result<PathBuf> {
    let probe = tempfile::tempfile()?;
    let user = probe.metadata()?.uid();
    let home = std::env::temp_dir().join(format!("oauth-stores-{user}"));
    create_open(&home)?;
    // The name can be guessed: what somebody else put there is not ours to use.
    let found = fs::symlink_metadata(&home)?;
    if found.is_dir() && found.uid() == user {
        Ok(home)
    } else {
        Err(io::Error::other(format!("{} is not this user's own folder", home.display())))
    }
}

/// Creates a folder unless it is there. Servers may run as other users: all may pass, none may look.
fn create_open(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o711)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).read(true).open(path)
}

/// What the guardian removed under our hands is made again.
fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
