//! Redis for tests: one server or cluster that all share, or one that a test may kill.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::launch::{LaunchError, START_LIMIT, needed};
use super::lease::{Lease, Service, detached};
use super::port::free_port;

const STEP: Duration = Duration::from_millis(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How often to try other ports.
const PORTS: usize = 5;

/// What all have. Nothing is thrown away, as the store insists.
const SETTINGS: &[&str] = &[
    "bind=127.0.0.1",
    "save=",
    "maxmemory-policy=noeviction",
    "databases=16",
    // Replicas are not made to wait for others that might come.
    "repl-diskless-sync-delay=0",
];

/// What an operator has who must not lose anything: each answer is on the disk.
const DURABLE: &[&str] = &["appendonly=yes", "appendfsync=always"];

/// How soon the nodes of a cluster give each other up, in milliseconds.
const NODE_TIMEOUT: &str = "cluster-node-timeout=700";

/// A name that no other test of this run has, for the prefix of a store's keys.
///
/// ```
/// use oauth_stores::testing::fresh_prefix;
/// assert_ne!(fresh_prefix(), fresh_prefix());
/// ```
#[must_use]
pub fn fresh_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("test-{}-{}-{since}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

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

/// A Redis Cluster of three masters for tests, with or without replicas.
///
/// ```
/// use oauth_stores::testing::{TestRedisCluster, available};
///
/// if let Some(cluster) = available(TestRedisCluster::shared()) {
///     assert!(cluster.url().starts_with("redis-cluster://127.0.0.1:"));
/// }
/// ```
#[derive(Debug)]
pub struct TestRedisCluster {
    /// The nodes of this process's own; none at the place of one that was killed.
    children: Vec<Option<Child>>,
    program: PathBuf,
    settings: Vec<String>,
    ports: Vec<u16>,
    lease: Lease,
}

/// How many masters a cluster needs at least to elect one.
const MASTERS: usize = 3;

impl TestRedisCluster {
    /// Three masters that all test processes share, started unless they run.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn shared() -> Result<Self, LaunchError> {
        let program = needed("redis-server")?;
        let lease = Lease::shared(&Cluster { program: program.clone() })?;
        let ports = read_ports(lease.folder()).map_err(failed)?;
        Ok(Self { children: Vec::new(), program, settings: Vec::new(), ports, lease })
    }

    /// Three durable masters of this test's own, with a replica each. The node at `n + 3` is the replica of that at `n`.
    ///
    /// # Errors
    /// [`LaunchError::Missing`] where Redis is not installed.
    pub fn own() -> Result<Self, LaunchError> {
        let program = needed("redis-server")?;
        let lease = Lease::own("redis-cluster-own")?;
        let settings: Vec<String> = DURABLE.iter().map(|setting| (*setting).to_owned()).collect();
        let (children, ports) = launch_cluster(&program, lease.folder(), &settings, 2 * MASTERS)?;
        lease.guard(&children.iter().map(Child::id).collect::<Vec<_>>())?;
        let children = children.into_iter().map(Some).collect();
        let cluster = Self { children, program, settings, ports, lease };
        for replica in MASTERS..2 * MASTERS {
            let (master, replica) = (cluster.ports[replica - MASTERS], cluster.ports[replica]);
            let id = ask(master, "CLUSTER MYID")?;
            until("replica", || ask(replica, &format!("CLUSTER REPLICATE {id}")).is_ok())?;
            until("replica", || {
                ask(replica, "INFO replication").is_ok_and(|info| info.contains("link_status:up"))
            })?;
        }
        // Everybody knows of the replicas, so that whoever asks is told.
        for port in &cluster.ports {
            until("cluster", || {
                ask(*port, "CLUSTER NODES").is_ok_and(|nodes| nodes.matches("slave").count() == MASTERS)
            })?;
        }
        Ok(cluster)
    }

    /// Where it is: all its nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// The nodes' ports on 127.0.0.1.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Runs a command at a node, as [`TestRedis::ask`] does.
    ///
    /// # Errors
    /// [`LaunchError`] with what the node said.
    pub fn ask(&self, node: usize, command: &str) -> Result<String, LaunchError> {
        ask(self.ports[node], command)
    }

    /// Kills a node (`kill -9`).
    ///
    /// # Panics
    /// If the cluster is not this test's own, or the node was killed before.
    pub fn kill(&mut self, node: usize) {
        let Some(mut child) = self.children.get_mut(node).and_then(Option::take) else {
            panic!("only a node of the test's own may be killed, and once");
        };
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts a killed node again.
    ///
    /// # Errors
    /// [`LaunchError`] if it does not come up.
    pub fn restart(&mut self, node: usize) -> Result<(), LaunchError> {
        let (folder, port) = (self.lease.folder().join(node.to_string()), self.ports[node]);
        let child = launch_at(&self.program, &folder, port, &cluster_settings(&folder, &self.settings)?)?;
        self.children[node] = Some(child);
        let running: Vec<_> = self.children.iter().flatten().map(Child::id).collect();
        self.lease.guard(&running)
    }

    /// Waits until the replicas of the master at `node` have all that was written there.
    ///
    /// # Errors
    /// [`LaunchError`] if that takes too long.
    pub fn await_replicas(&self, node: usize) -> Result<(), LaunchError> {
        until("replication", || is_replicated(self.ports[node]))
    }

    /// Waits until some other node has taken over from one that was killed, and gives its place.
    ///
    /// # Errors
    /// [`LaunchError`] if that takes too long.
    pub fn await_failover(&self, of: usize) -> Result<usize, LaunchError> {
        let replica = of + MASTERS;
        until("failover", || ask(self.ports[replica], "ROLE").is_ok_and(|role| role == "master"))?;
        let others = (0..self.ports.len()).filter(|node| *node != of && self.children[*node].is_some());
        for node in others {
            until("failover", || {
                ask(self.ports[node], "CLUSTER INFO").is_ok_and(|info| info.contains("cluster_state:ok"))
            })?;
        }
        Ok(replica)
    }
}

impl Drop for TestRedisCluster {
    fn drop(&mut self) {
        for mut child in self.children.drain(..).flatten() {
            let _ = child.kill();
            let _ = child.wait();
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

    fn is_alive(&self, folder: &Path) -> bool {
        all_answer(folder)
    }

    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
        let (child, port) = launch(&self.program, folder, &[])?;
        write_ports(folder, &[port]).map_err(failed)?;
        Ok(vec![child.id()])
    }
}

struct Cluster {
    program: PathBuf,
}

impl Service for Cluster {
    fn name(&self) -> &str {
        "redis-cluster"
    }

    fn is_alive(&self, folder: &Path) -> bool {
        all_answer(folder)
    }

    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
        let (children, ports) = launch_cluster(&self.program, folder, &[], MASTERS)?;
        write_ports(folder, &ports).map_err(failed)?;
        Ok(children.iter().map(Child::id).collect())
    }
}

/// Starts nodes, and makes a cluster of the first three.
fn launch_cluster(
    program: &Path,
    folder: &Path,
    settings: &[String],
    nodes: usize,
) -> Result<(Vec<Child>, Vec<u16>), LaunchError> {
    let (mut children, mut ports) = (Killed(Vec::new()), Vec::new());
    for node in 0..nodes {
        let folder = folder.join(node.to_string());
        fs::create_dir(&folder).map_err(failed)?;
        let (child, port) = launch(program, &folder, &cluster_settings(&folder, settings)?)?;
        children.0.push(child);
        ports.push(port);
    }
    let ranges = ["0 5461", "5462 10922", "10923 16383"];
    for (epoch, (port, range)) in ports.iter().zip(ranges).enumerate() {
        ask(*port, &format!("CLUSTER ADDSLOTSRANGE {range}"))?;
        ask(*port, &format!("CLUSTER SET-CONFIG-EPOCH {}", epoch + 1))?;
    }
    for (port, node) in ports.iter().zip(0..).skip(1) {
        let bus = fs::read_to_string(folder.join(node.to_string()).join("bus")).map_err(failed)?;
        ask(ports[0], &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))?;
    }
    for port in &ports {
        until("cluster", || {
            ask(*port, "CLUSTER INFO").is_ok_and(|info| {
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}"))
            })
        })?;
    }
    Ok((std::mem::take(&mut children.0), ports))
}

/// Children that are killed unless they are taken out.
struct Killed(Vec<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The settings of a node. The port at which it talks to other nodes is kept in its folder.
fn cluster_settings(folder: &Path, settings: &[String]) -> Result<Vec<String>, LaunchError> {
    let file = folder.join("bus");
    let bus = match fs::read_to_string(&file) {
        Ok(bus) => bus,
        Err(_) => {
            let bus = free_port().map_err(failed)?.to_string();
            fs::write(file, &bus).map_err(failed)?;
            bus
        }
    };
    let mut all = settings.to_vec();
    all.extend(["cluster-enabled=yes", NODE_TIMEOUT].map(str::to_owned));
    all.push(format!("cluster-port={bus}"));
    Ok(all)
}

/// Starts a server on some free port, and waits until it answers.
fn launch(program: &Path, folder: &Path, settings: &[String]) -> Result<(Child, u16), LaunchError> {
    for _ in 1..PORTS {
        let port = free_port().map_err(failed)?;
        match launch_at(program, folder, port, settings) {
            Err(LaunchError::Failed { log, .. }) if log.contains("in use") => {}
            other => return Ok((other?, port)),
        }
    }
    let port = free_port().map_err(failed)?;
    Ok((launch_at(program, folder, port, settings)?, port))
}

fn launch_at(program: &Path, folder: &Path, port: u16, settings: &[String]) -> Result<Child, LaunchError> {
    let log = folder.join("log");
    let _ = fs::remove_file(&log);
    let mut command = detached(program, &log).map_err(failed)?;
    command.current_dir(folder).args(["--port", &port.to_string()]).arg("--dir").arg(folder);
    for setting in SETTINGS.iter().copied().chain(settings.iter().map(String::as_str)) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        command.args([&format!("--{name}"), value]);
    }
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    let deadline = Instant::now() + START_LIMIT;
    while child.try_wait().map_err(failed)?.is_none() {
        // Another server may have that port; ours then ends by itself.
        if answers(port) && is_process(port, child.id()) {
            return Ok(child);
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(LaunchError::failed("redis-server", "it does not answer within its time"));
        }
        std::thread::sleep(STEP);
    }
    Err(LaunchError::failed("redis-server", &fs::read_to_string(log).unwrap_or_default()))
}

/// Whether a server answers, and has read its file. One that asks for a password does.
fn answers(port: u16) -> bool {
    match ask(port, "PING") {
        Ok(_) => true,
        Err(LaunchError::Failed { log, .. }) => log.starts_with("NOAUTH"),
        Err(_) => false,
    }
}

fn is_process(port: u16, process: u32) -> bool {
    match ask(port, "INFO server") {
        Ok(info) => info.lines().any(|line| line.trim() == format!("process_id:{process}")),
        // It does not say; whom the port belongs to was looked at when it was chosen.
        Err(_) => true,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<(), LaunchError> {
    let deadline = Instant::now() + START_LIMIT;
    while !done() {
        if Instant::now() >= deadline {
            return Err(LaunchError::failed(what, "it did not come about within its time"));
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// Sends a line and reads one answer: enough for what tests ask.
fn ask(port: u16, command: &str) -> Result<String, LaunchError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(failed)?;
    stream.write_all(format!("{command}\r\n").as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        match kind {
            "+" | ":" => return Ok(rest.to_owned()),
            "-" => return Err(LaunchError::failed(command, rest)),
            "$" => {
                let mut bytes = vec![0; rest.parse().unwrap_or_default()];
                reader.read_exact(&mut bytes).map_err(failed)?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            // Of several the first.
            "*" if rest != "0" => {}
            _ => return Ok(String::new()),
        }
    }
}

/// Whether every replica has acknowledged all that was written. `WAIT` would say so only of what its own connection wrote.
fn is_replicated(port: u16) -> bool {
    let Ok(info) = ask(port, "INFO replication") else { return false };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let written = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")).and_then(number);
    let mut acknowledged = info
        .lines()
        .filter(|line| line.starts_with("slave") && line.contains("offset="))
        .map(|line| line.split(',').find_map(|part| part.strip_prefix("offset=")).and_then(number))
        .peekable();
    acknowledged.peek().is_some() && acknowledged.all(|offset| offset >= written)
}

fn all_answer(folder: &Path) -> bool {
    read_ports(folder).is_ok_and(|ports| !ports.is_empty() && ports.into_iter().all(answers))
}

fn write_ports(folder: &Path, ports: &[u16]) -> io::Result<()> {
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    fs::write(folder.join("ports"), text)
}

fn read_ports(folder: &Path) -> io::Result<Vec<u16>> {
    let text = fs::read_to_string(folder.join("ports"))?;
    text.lines().map(|line| line.parse().map_err(io::Error::other)).collect()
}

fn failed(error: io::Error) -> LaunchError {
    LaunchError::system("redis-server", error)
}

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
        let lease = Lease::own("redis-sentinel")?;
        let folder = lease.folder();
        let port = free_port().map_err(failed)?;
        let file = folder.join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 2000\n",
            folder.display(),
            master.port()
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
