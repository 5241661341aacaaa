//! The store in Redis, held to the promises of the ports: on one server, and on a cluster of three. Two servers over one of
//! these are in `two_servers`.

use std::cell::RefCell;

use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};
use oauth_stores::{RedisOptions, RedisStore};

thread_local! {
    // As long as the test's thread: the server is in use until then.
    static SERVER: RefCell<Option<TestRedis>> = const { RefCell::new(None) };
    static CLUSTER: RefCell<Option<TestRedisCluster>> = const { RefCell::new(None) };
}

async fn fresh(url: &str) -> RedisStore {
    RedisOptions::default().with_prefix(&fresh_prefix()).open(url).await.unwrap()
}

async fn on_one_server() -> Option<RedisStore> {
    let server = available(TestRedis::shared())?;
    let store = fresh(&server.url()).await;
    SERVER.set(Some(server));
    Some(store)
}

async fn on_a_cluster() -> Option<RedisStore> {
    let cluster = available(TestRedisCluster::shared())?;
    let store = fresh(&cluster.url()).await;
    CLUSTER.set(Some(cluster));
    Some(store)
}

mod single {
    oauth_core::store_tests!(super::on_one_server());
}

mod cluster {
    oauth_core::store_tests!(super::on_a_cluster());
}
