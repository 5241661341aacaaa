//! A `quickstart` of its own for each client: a free port, an empty folder, ended when dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the owner types in these runs.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// The port that the client registered beforehand is called back at.
pub const CALLBACK_PORT: u16 = 33420;

const START: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Server {
    /// Starts the built binary and waits until it answers.
    pub fn start(binary: &Path, name: &str) -> Result<Self, String> {
        let folder = empty_folder(name)?;
        let clients = folder.join("clients.json");
        let registered = format!(
            r#"[{{"client_id":"conformance","client_name":"Conformance suite","redirect_uris":["http://127.0.0.1:{CALLBACK_PORT}/callback"],"token_endpoint_auth_method":"none"}}]"#
        );
        fs::write(&clients, registered).map_err(|error| format!("{}: {error}", clients.display()))?;
        let log =
            File::create(folder.join("log")).map_err(|error| format!("{}: {error}", folder.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let address = free_address()?;
        let child = Command::new(binary)
            .args(["--port", &address.port().to_string(), "--passphrase", PASSPHRASE, "--data"])
            .arg(folder.join("data"))
            .arg("--clients")
            .arg(&clients)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut server = Self { child, folder, address };
        server.wait()?;
        Ok(server)
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What the server has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("quickstart left with {status}:\n{}", self.log()));
            }
            if answers(self.address).unwrap_or(false) {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        Err(format!("quickstart did not answer at {}:\n{}", self.address, self.log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A fresh folder among the temporary ones.
pub fn empty_folder(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("oauth-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// A loopback address that nobody listens at.
fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let path = "/.well-known/oauth-authorization-server";
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(&start == b"HTTP/1.1 200")
}
