//! Many at once: 64 on one code and on one refresh token, and a revocation among them, in many rounds.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{CredentialKind, CredentialStatus, Exchanged, GrantStore as _, Revocation, StoreError};
use oauth_stores::RedisStore;
use oauth_stores::testing::{TestRedis, TestRedisCluster, available};
use tokio::sync::Barrier;

use crate::scene::{GRACE, NOW, credential, grant, open, spend, tokens};

const RACERS: usize = 64;
const ROUNDS: usize = 200;

async fn at_once<F: Future<Output: Send> + Send + 'static>(racers: Vec<F>) -> Vec<F::Output> {
    let barrier = Arc::new(Barrier::new(racers.len()));
    let start = |racer: F| {
        let barrier = barrier.clone();
        tokio::spawn(async move {
            barrier.wait().await;
            racer.await
        })
    };
    let tasks: Vec<_> = racers.into_iter().map(start).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn race(store: &RedisStore, kind: CredentialKind, grace: Duration) {
    for _ in 0..ROUNDS {
        let grant = grant();
        let spent = credential(&grant, kind);
        store.open(&grant, std::slice::from_ref(&spent)).await.unwrap();
        let racer = |_| {
            let (store, spent, issued) = (store.clone(), spent.clone(), tokens(&grant));
            async move { (spend(&store, &spent, &issued, grace).await.unwrap(), issued) }
        };
        let results = at_once((0..RACERS).map(racer).collect()).await;
        let done: Vec<_> = results.iter().filter(|(exchanged, _)| *exchanged == Exchanged::Done).collect();
        assert_eq!(done.len(), 1, "one is done");
        for (exchanged, issued) in &results {
            match exchanged {
                Exchanged::Done => {}
                Exchanged::Retried(_) => assert!(!grace.is_zero(), "without grace there is no retry"),
                Exchanged::Replayed | Exchanged::Gone => {
                    assert!(grace.is_zero(), "within the window all retry");
                }
            }
            if *exchanged != Exchanged::Done {
                assert_eq!(store.find(&issued[1].key).await.unwrap(), None, "two different successors");
            }
        }
        let bought = store.find(&done[0].1[1].key).await.unwrap().unwrap().status(NOW);
        assert_eq!(bought, if grace.is_zero() { CredentialStatus::Revoked } else { CredentialStatus::Live });
    }
}

/// A subject's grants are revoked while one is refreshed and another is opened.
async fn revoke_in_between(store: &RedisStore) {
    for round in 0..ROUNDS {
        let mut grant = grant();
        grant.subject = format!("subject-{round}").parse().unwrap();
        let refresh = credential(&grant, CredentialKind::RefreshToken);
        store.open(&grant, std::slice::from_ref(&refresh)).await.unwrap();
        let racer = |at: usize| {
            let (store, grant, refresh) = (store.clone(), grant.clone(), refresh.clone());
            async move {
                if at == 0 {
                    let revoked = store.revoke(Revocation::Subject(&grant.subject), NOW).await.unwrap();
                    assert!(revoked >= 1, "a grant that was open when it began is reached");
                    return None;
                }
                let issued = tokens(&grant);
                let exchanged = spend(&store, &refresh, &issued, GRACE).await.unwrap();
                assert_ne!(exchanged, Exchanged::Replayed, "a revocation makes no replay of a retry");
                Some(issued)
            }
        };
        for issued in at_once((0..8).map(racer).collect()).await.into_iter().flatten() {
            let found = store.find(&issued[1].key).await.unwrap();
            let live = found.is_some_and(|found| found.status(NOW) == CredentialStatus::Live);
            assert!(!live, "nothing outlives the revocation");
        }
    }
}

/// Grants of one subject are opened while all of the subject's are revoked: whatever was acknowledged before it began is revoked.
async fn open_in_between(store: &RedisStore) {
    for round in 0..ROUNDS {
        let subject: oauth_core::Subject = format!("opener-{round}").parse().unwrap();
        let opened_before = {
            let grant = oauth_core::Grant { subject: subject.clone(), ..grant() };
            store.open(&grant, &[]).await.unwrap();
            grant
        };
        let racer = |at: usize| {
            let (store, subject) = (store.clone(), subject.clone());
            async move {
                if at == 0 {
                    store.revoke(Revocation::Subject(&subject), NOW).await.map(drop)
                } else {
                    store.open(&oauth_core::Grant { subject, ..grant() }, &[]).await
                }
            }
        };
        let results: Vec<Result<(), StoreError>> = at_once((0..8).map(racer).collect()).await;
        assert!(results.iter().all(Result::is_ok));
        assert!(store.grant(&opened_before.id).await.unwrap().unwrap().revoked_at.is_some());
        // Those that were opened meanwhile are in the index all the same: the next revocation reaches the rest.
        let _ = store.revoke(Revocation::Subject(&subject), NOW).await.unwrap();
        let listed = store
            .list(oauth_core::GrantFilter::Subject(&subject), oauth_core::PageRequest::first(50))
            .await
            .unwrap();
        assert_eq!(listed.items.len(), 8);
        assert!(listed.items.iter().all(|grant| grant.revoked_at.is_some()));
    }
}

async fn all(store: &RedisStore) {
    race(store, CredentialKind::AuthorizationCode, Duration::ZERO).await;
    race(store, CredentialKind::RefreshToken, GRACE).await;
    revoke_in_between(store).await;
    open_in_between(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_on_one_server_one_is_done() {
    let Some(server) = available(TestRedis::shared()) else { return };
    all(&open(&server.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_on_a_cluster_one_is_done() {
    let Some(cluster) = available(TestRedisCluster::shared()) else { return };
    all(&open(&cluster.url()).await).await;
}
