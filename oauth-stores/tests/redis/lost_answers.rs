//! A write whose answer was lost is never sent again: with a code, the second would be taken for a thief's.

use std::time::Duration;

use oauth_core::{CredentialStatus, GrantStore as _};
use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};
use oauth_stores::{RedisOptions, RedisStore};

use crate::proxy::Proxy;
use crate::scene::{NOW, assert_unavailable, begin, recovered, session, spend, tokens};

/// Redeems a code whose answer is lost, and looks by another way at what happened.
async fn lose_an_answer(proxies: &[Proxy], store: &RedisStore, direct: &RedisStore) {
    // Each node knows the scripts, so that what is lost is no `NOSCRIPT`.
    for _ in 0..30 {
        session(direct).await.unwrap();
    }
    for _ in 0..5 {
        let (grant, code) = recovered(|| async { begin(store).await }).await;
        let issued = tokens(&grant);
        let lost = || proxies.iter().map(Proxy::lost).sum::<usize>();
        let before = lost();
        proxies.iter().for_each(|proxy| proxy.cut(Some("EVALSHA")));
        assert_unavailable(spend(store, &code, &issued, Duration::ZERO).await);
        assert_eq!(lost(), before + 1, "it was sent once");
        proxies.iter().for_each(|proxy| proxy.cut(None));
        // It happened, once: sent a second time, it would have ended the grant.
        let bought = direct.find(&issued[0].key).await.unwrap().unwrap();
        assert_eq!(bought.status(NOW), CredentialStatus::Live);
        // The next goes by another connection.
        assert!(recovered(|| async { store.grant(&grant.id).await }).await.is_some());
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let proxy = Proxy::before(server.port()).await;
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let direct = options.clone().open(&server.url()).await.unwrap();
    let store = options.open(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    lose_an_answer(&[proxy], &store, &direct).await;
}

#[tokio::test]
async fn a_cluster_is_not_sent_a_write_again_either() {
    let Some(cluster) = available(TestRedisCluster::own()) else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let direct = options.clone().open(&cluster.url()).await.unwrap();
    // Nodes are known by the addresses that they announce.
    let mut proxies = Vec::new();
    for node in 0..3 {
        let proxy = Proxy::before(cluster.ports()[node]).await;
        proxies.push(proxy);
    }
    let announced: Vec<_> = proxies.iter().map(|proxy| proxy.port).collect();
    cluster.announce(&announced).unwrap();
    let url: Vec<_> = proxies.iter().map(|proxy| format!("127.0.0.1:{}", proxy.port)).collect();
    let store = options.open(&format!("redis-cluster://{}", url.join(","))).await.unwrap();
    lose_an_answer(&proxies, &store, &direct).await;
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_asked_again() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let proxy = Proxy::before(server.port()).await;
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let store = options.open(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    let (grant, code) = begin(&store).await.unwrap();
    proxy.cut(Some("HGETALL"));
    let asking = store.find(&code.key);
    let mending = async {
        while proxy.lost() == 0 {
            tokio::task::yield_now().await;
        }
        proxy.cut(None);
    };
    let (found, ()) = tokio::join!(asking, mending);
    assert_eq!((found.unwrap().unwrap().grant, proxy.lost()), (grant, 1));
}
