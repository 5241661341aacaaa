//! The way into a cluster.
//!
//! The driver bounds what it asks a node, and not what it waits for while it looks for the nodes anew: what came to it when a master had just
//! died has been seen to wait for ever. So every call has an end here, and after one that the driver did not end another connection takes
//! the place of the one that kept it.

use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, RedisResult, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A cluster. `WAIT` keeps back all that comes behind it on its connection: what waits has connections of its own.
pub(super) struct Cluster {
    client: ClusterClient,
    /// How long a call may take, whatever becomes of it.
    patience: Duration,
    usual: Way,
    waiting: Option<Way>,
}

/// A connection, and another in its place once it answers no more.
struct Way {
    live: RwLock<ClusterConnection>,
    renewing: Mutex<()>,
}

impl Way {
    async fn open(client: &ClusterClient) -> RedisResult<Self> {
        let live = RwLock::new(client.get_async_connection().await?);
        Ok(Self { live, renewing: Mutex::new(()) })
    }

    fn connection(&self) -> ClusterConnection {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of those who waited in vain looks for another connection; the others need not.
    async fn renew(&self, client: &ClusterClient, patience: Duration) {
        let Ok(_renewing) = self.renewing.try_lock() else { return };
        match timeout(patience, client.get_async_connection()).await {
            Ok(Ok(fresh)) => *self.live.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the cluster is not there");
            }
            Err(_) => tracing::warn!("the cluster does not answer"),
        }
    }
}

impl Cluster {
    pub(super) async fn open(client: ClusterClient, waits: bool, patience: Duration) -> RedisResult<Self> {
        let usual = Way::open(&client).await?;
        let waiting = if waits { Some(Way::open(&client).await?) } else { None };
        Ok(Self { client, patience, usual, waiting })
    }

    /// Sends commands once, and in one go with them what waits for replicas: who asks for those later may be answered by a master that took
    /// over, and never had the write. The driver answers with one refusal for all of them.
    pub(super) async fn send(
        &self,
        mut commands: Vec<Cmd>,
        wait: Option<&[Cmd; 2]>,
        route: &SingleNodeRoutingInfo,
        asking: bool,
    ) -> RedisResult<Vec<Value>> {
        let way = self.waiting.as_ref().filter(|_| wait.is_some()).unwrap_or(&self.usual);
        commands.extend(wait.into_iter().flatten().cloned());
        match timeout(self.patience, ask(way.connection(), commands, route, asking)).await {
            Ok(answers) => answers,
            Err(_) => {
                tracing::warn!("a call to the cluster had no end");
                way.renew(&self.client, self.patience).await;
                Err(io::Error::from(io::ErrorKind::TimedOut).into())
            }
        }
    }
}

async fn ask(
    mut cluster: ClusterConnection,
    mut commands: Vec<Cmd>,
    route: &SingleNodeRoutingInfo,
    asking: bool,
) -> RedisResult<Vec<Value>> {
    let count = commands.len();
    if count == 1 && !asking {
        let routing = RoutingInfo::SingleNode(route.clone());
        return cluster.route_command(commands.remove(0), routing).await.map(|answer| vec![answer]);
    }
    // Each command is asked for on its own: every other answer is to that.
    let (pipeline, all) = (piped(commands, asking), if asking { 2 * count } else { count });
    let answers = cluster.route_pipeline(pipeline, 0, all, route.clone()).await?;
    let (first, step) = if asking { (1, 2) } else { (0, 1) };
    Ok(answers.into_iter().skip(first).step_by(step).collect())
}

fn piped(commands: Vec<Cmd>, asking: bool) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(2 * commands.len());
    for command in commands {
        if asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(command);
    }
    pipeline
}

#[cfg(all(test, unix, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::{TestRedisCluster, available};
    use redis::cluster::ClusterClientBuilder;
    use redis::cmd;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_without_an_end_ends_and_leaves_its_connection_behind() {
        let Some(server) = available(TestRedisCluster::own()) else { return };
        let node = server.url().replace("redis-cluster://", "redis://");
        let node = node.split([',', '?']).next().unwrap_or_default();
        // A driver that waits for ever by itself.
        let client = ClusterClientBuilder::new(vec![node])
            .response_timeout(Duration::from_secs(3600))
            .build()
            .expect("it is an address");
        let cluster = Cluster::open(client, true, Duration::from_millis(700)).await.expect("it is there");
        let route = crate::redis::slot::master_of("key");
        let who = async |wait: Option<&[Cmd; 2]>| {
            let answers = cluster.send(vec![cmd("CLIENT").arg("ID").to_owned()], wait, &route, false).await;
            answers.expect("it answers").swap_remove(0)
        };
        let wait = [cmd("PING"), cmd("WAIT").arg(0).arg(1).to_owned()];
        let (usual, waiting) = (who(None).await, who(Some(&wait)).await);
        assert_ne!(usual, waiting);
        let never = cmd("BLPOP").arg("key").arg(0).to_owned();
        let error = cluster.send(vec![never], None, &route, false).await.expect_err("nobody pushes");
        assert!(error.is_timeout(), "{error}");
        assert_ne!(who(None).await, usual);
        // What waits has ways of its own.
        assert_eq!(who(Some(&wait)).await, waiting);
    }
}
