//! What the tests act with.

use std::time::{Duration, Instant};

use oauth_core::{Credential, CredentialKind, Exchanged, Grant, GrantStore, StoreError};
use oauth_stores::testing::{fresh_prefix, scene};
use oauth_stores::{RedisOptions, RedisStore};

pub(crate) use scene::{GRACE, NOW, credential, grant, session, tokens};

pub(crate) async fn open(url: &str) -> RedisStore {
    RedisOptions::default().with_prefix(&fresh_prefix()).open(url).await.unwrap()
}

pub(crate) async fn spend(
    store: &RedisStore,
    spent: &Credential,
    issued: &[Credential],
    grace: Duration,
) -> Result<Exchanged, StoreError> {
    store.exchange(scene::exchange(spent, issued, grace)).await
}

/// A grant with a code.
pub(crate) async fn begin(store: &RedisStore) -> Result<(Grant, Credential), StoreError> {
    scene::opened(store, CredentialKind::AuthorizationCode).await
}

#[track_caller]
pub(crate) fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(source)) => source.to_string(),
        other => panic!("this is an outage, not {other:?}"),
    }
}

/// Asks until the store answers: for as long as a server may take to come back.
pub(crate) async fn recovered<T, F: Future<Output = Result<T, StoreError>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(source)) => {
                assert!(Instant::now() < deadline, "the store does not recover: {source}");
            }
            Err(other) => panic!("an outage is no {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
