//! A real program that a test needs beside it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How often to look whether it listens, and how many times.
const LOOK: (Duration, u32) = (Duration::from_millis(50), 400);

/// A program that listens at a port of this machine, and ends with the test, also with one that panics.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use oauth_testing::Program;
///
/// let Some(caddy) = Program::find("caddy", &[]) else { return Ok(()) };
/// let port = Program::free_port()?;
/// let mut command = std::process::Command::new(caddy);
/// command.args(["respond", "--listen", &format!("127.0.0.1:{port}"), "hello"]);
/// let program = Program::start(command, port, tempfile::tempdir()?).await?;
/// println!("listens at {}", program.address);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Program {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    // Goes after it.
    folder: TempDir,
}

impl Program {
    /// Where a program is: in the path, where Debian keeps servers, or in one of `further` folders. Without it, one line says so.
    ///
    /// # Panics
    /// If it is not there and `OAUTH_REQUIRE_ALL` is 1: then nothing may be skipped.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a test that does less than its name says tells")]
    pub fn find(name: &str, further: &[&str]) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let usual = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
        let found = std::env::split_paths(&path)
            .chain(usual.iter().chain(further).map(PathBuf::from))
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        if found.is_none() {
            assert!(std::env::var("OAUTH_REQUIRE_ALL").as_deref() != Ok("1"), "{name} is not installed");
            eprintln!("skipped: {name} is not installed");
        }
        found
    }

    /// A port where nothing listens now.
    ///
    /// # Errors
    /// If there is none.
    pub fn free_port() -> io::Result<u16> {
        Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
    }

    /// Starts it, and waits until it listens at `port`. What it writes goes to a file in `folder`, which is removed at the end.
    ///
    /// # Errors
    /// If it cannot be started, or ends before it listens: with what it wrote.
    pub async fn start(mut command: Command, port: u16, folder: TempDir) -> io::Result<Self> {
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut program = Self { address, child, folder };
        for _ in 0..LOOK.1 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(program);
            }
            if program.child.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(LOOK.0).await;
        }
        Err(io::Error::other(std::fs::read_to_string(&log)?))
    }

    /// The folder that is removed with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
