//! The store in Redis, held to the promises of the ports: on one server, and on a cluster of three.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(all(feature = "redis", unix))]

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

async fn on_one_server() -> RedisStore {
    let Some(server) = available(TestRedis::shared()) else { std::process::exit(0) };
    let store = fresh(&server.url()).await;
    SERVER.set(Some(server));
    store
}

async fn on_a_cluster() -> RedisStore {
    let Some(cluster) = available(TestRedisCluster::shared()) else { std::process::exit(0) };
    let store = fresh(&cluster.url()).await;
    CLUSTER.set(Some(cluster));
    store
}

mod single {
    oauth_core::store_tests!(super::on_one_server());
}

mod cluster {
    oauth_core::store_tests!(super::on_a_cluster());
}
