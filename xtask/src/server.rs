//! The servers that clients are run against: free ports, empty folders, ended when dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the owner types in these runs, where it can be chosen.
const PASSPHRASE: &str = "correct horse battery staple";

/// The port that the client registered beforehand is called back at. None that a system gives to outgoing connections, nor to the stores of the
/// tests.
pub const CALLBACK_PORT: u16 = 13420;

/// With which the MCP servers ask about tokens.
const SECRET: &str = "a secret of these runs alone, which nobody else has to know";

const START: Duration = Duration::from_secs(30);

const AS_METADATA: &str = "/.well-known/oauth-authorization-server";
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// The built programs.
pub struct Programs(pub PathBuf);

/// What a driver is run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `quickstart`: both in one process.
    Notes,
    /// The two of `separate-servers`.
    Calculator,
    /// `resource-only`, and the authorization server of `separate-servers`.
    Tools,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Notes, Self::Calculator, Self::Tools];

    /// As the drivers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notes => "notes",
            Self::Calculator => "calculator",
            Self::Tools => "tools",
        }
    }
}

/// Running servers, and who owns them.
pub struct Servers {
    processes: Vec<Process>,
    mcp: String,
    passphrase: String,
}

impl Servers {
    /// Starts them and waits until each answers.
    pub fn start(programs: &Programs, kind: Kind) -> Result<Self, String> {
        match kind {
            Kind::Notes => Self::quickstart(programs),
            Kind::Calculator => Self::separate(programs, &[], |mcp, issuer| {
                let mut command = programs.command("mcp-server");
                command.args(["--mcp", mcp, "--issuer", issuer]).env("MCP_CLIENT_SECRET", SECRET);
                command
            }),
            Kind::Tools => {
                let scopes = [
                    ["--scope", "mcp:tools=Use the tools"],
                    ["--scope", "mcp:resources=Read what it offers"],
                    ["--scope-on-request", "mcp:admin=Restart it"],
                ];
                Self::separate(programs, scopes.as_flattened(), |mcp, issuer| {
                    let mut command = programs.command("resource-only");
                    command
                        .env("OAUTH_ISSUER", issuer)
                        .env("MCP_AUDIENCE", mcp)
                        .env("OAUTH_INTROSPECTION_ENDPOINT", format!("{issuer}/introspect"))
                        .env("MCP_CLIENT_ID", mcp)
                        .env("MCP_CLIENT_SECRET", SECRET);
                    command
                })
            }
        }
    }

    fn quickstart(programs: &Programs) -> Result<Self, String> {
        let folder = Folder::new("quickstart")?;
        let clients = folder.0.join("clients.json");
        let registered = format!(
            r#"[{{"client_id":"conformance","client_name":"Conformance suite","redirect_uris":["http://127.0.0.1:{CALLBACK_PORT}/callback"],"token_endpoint_auth_method":"none"}}]"#
        );
        fs::write(&clients, registered).map_err(|error| format!("{}: {error}", clients.display()))?;
        let address = free_address()?;
        let mut command = programs.command("quickstart");
        command
            .args(["--port", &address.port().to_string(), "--passphrase", PASSPHRASE, "--data"])
            .arg(folder.0.join("data"))
            .arg("--clients")
            .arg(&clients);
        let process = Process::start(command, folder, address, AS_METADATA)?;
        let mcp = format!("http://{address}/mcp");
        Ok(Self { processes: vec![process], mcp, passphrase: PASSPHRASE.to_owned() })
    }

    /// The authorization server of `separate-servers`, and an MCP server beside it.
    fn separate(
        programs: &Programs,
        more: &[&str],
        mcp_server: impl FnOnce(&str, &str) -> Command,
    ) -> Result<Self, String> {
        let (at, mcp_at) = (free_address()?, free_address()?);
        let (issuer, mcp) = (format!("http://{at}"), format!("http://{mcp_at}/mcp"));
        let folder = Folder::new("issuer")?;
        let mut command = programs.command("authorization-server");
        command
            .args(["--issuer", &issuer, "--mcp", &mcp, "--listen", &at.to_string(), "--database"])
            .arg(folder.0.join("database"))
            .args(more)
            .env("MCP_CLIENT_SECRET", SECRET);
        let issuer_process = Process::start(command, folder, at, AS_METADATA)?;
        let mut command = mcp_server(&mcp, &issuer);
        command.args(["--listen", &mcp_at.to_string()]);
        let mcp_process = Process::start(command, Folder::new("mcp")?, mcp_at, RESOURCE_METADATA)?;
        // It is made at the first start, and shown once.
        let log = issuer_process.log();
        let shown = log.lines().find_map(|line| line.strip_prefix("Your passphrase, shown this once: "));
        let passphrase = shown.ok_or("the authorization server shows no passphrase")?.to_owned();
        Ok(Self { processes: vec![issuer_process, mcp_process], mcp, passphrase })
    }

    /// `resource-only` behind an issuer that the driver starts at the port that comes with it.
    pub fn behind_foreign_issuer(programs: &Programs) -> Result<(Self, u16), String> {
        let (at, mcp_at) = (free_address()?, free_address()?);
        let mcp = format!("http://{mcp_at}/mcp");
        let mut command = programs.command("resource-only");
        command
            .args(["--listen", &mcp_at.to_string()])
            .env("OAUTH_ISSUER", format!("http://{at}"))
            .env("MCP_AUDIENCE", &mcp)
            .env("OAUTH_DPOP", "optional");
        let process = Process::start(command, Folder::new("foreign")?, mcp_at, RESOURCE_METADATA)?;
        Ok((Self { processes: vec![process], mcp, passphrase: String::new() }, at.port()))
    }

    /// The MCP endpoint.
    pub fn url(&self) -> &str {
        &self.mcp
    }

    /// What the owner signs in with.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// What the servers have written so far.
    pub fn log(&self) -> String {
        let said = |process: &Process| format!("{} wrote:\n{}", process.name, process.log());
        self.processes.iter().map(said).collect::<Vec<_>>().join("\n")
    }
}

impl Programs {
    /// One of them, with nothing of our own environment that it would take for its configuration.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["OAUTH_", "MCP_", "JWT_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Where one of them is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// One of the servers.
struct Process {
    name: String,
    child: Child,
    folder: Folder,
    address: SocketAddr,
}

impl Process {
    /// Starts it, and waits until it serves `path`.
    fn start(mut command: Command, folder: Folder, address: SocketAddr, path: &str) -> Result<Self, String> {
        let name =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.0.join("log");
        let log = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let mut process = Self { name, child, folder, address };
        process.wait(path)?;
        Ok(process)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.0.join("log")).unwrap_or_default()
    }

    fn wait(&mut self, path: &str) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} left with {status}:\n{}", self.name, self.log()));
            }
            if answers(self.address, path).unwrap_or(false) {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        Err(format!("{} did not answer at {}:\n{}", self.name, self.address, self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that goes with who has it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, String> {
        empty_folder(name).map(Self)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
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

fn answers(address: SocketAddr, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(&start == b"HTTP/1.1 200")
}
