//! A cluster of three masters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use super::ask::{ask, is_replicated, until};
use super::process::{DURABLE, all_answer, failed, launch, launch_at, read_ports, write_ports};
use crate::testing::launch::{LaunchError, needed};
use crate::testing::lease::{Lease, Service};
use crate::testing::port::free_port;

/// How soon the nodes of a cluster give each other up, in milliseconds.
const NODE_TIMEOUT: &str = "cluster-node-timeout=700";

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

    /// Runs a command at a node, as [`TestRedis::ask`](super::TestRedis::ask) does.
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

    /// Kills all nodes that run, one right after the other (`kill -9`).
    ///
    /// # Panics
    /// If the cluster is not this test's own.
    pub fn kill_all(&mut self) {
        assert!(!self.children.is_empty(), "only a cluster of the test's own may be killed");
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
        }
        for mut child in self.children.iter_mut().filter_map(Option::take) {
            let _ = child.wait();
        }
    }

    /// Starts all killed nodes again, and waits until they are one cluster, with every replica at its master.
    ///
    /// # Errors
    /// [`LaunchError`] if it does not come up.
    pub fn restart_all(&mut self) -> Result<(), LaunchError> {
        // Masters come first: a replica that misses its own would take its place.
        for node in 0..self.ports.len() {
            if self.children[node].is_none() {
                self.restart(node)?;
            }
        }
        for port in &self.ports {
            until("cluster", || {
                ask(*port, "CLUSTER INFO").is_ok_and(|info| info.contains("cluster_state:ok"))
                    && ask(*port, "INFO replication").is_ok_and(|info| {
                        info.contains("role:master") || info.contains("master_link_status:up")
                    })
            })?;
        }
        Ok(())
    }

    /// Has the node at each place say that it is at this port, and waits until all know: so clients come by way of a proxy there.
    ///
    /// # Errors
    /// [`LaunchError`] if that takes too long.
    pub fn announce(&self, ports: &[u16]) -> Result<(), LaunchError> {
        for (node, port) in self.ports.iter().zip(ports) {
            ask(*node, &format!("CONFIG SET cluster-announce-port {port}"))?;
        }
        let announced: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}@")).collect();
        until("announcement", || {
            self.ports.iter().all(|node| {
                ask(*node, "CLUSTER NODES")
                    .is_ok_and(|nodes| announced.iter().all(|address| nodes.contains(address)))
            })
        })
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

struct Cluster {
    program: PathBuf,
}

impl Service for Cluster {
    fn name(&self) -> &str {
        "redis-cluster"
    }

    fn program(&self) -> Option<&Path> {
        Some(&self.program)
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
