//! The database killed while servers run: 503 for as long as it is down, and afterwards all goes on, without a restart of ours.
#![cfg(unix)]

use std::time::Duration;

use oauth_core::Backend;
use oauth_stores::testing::{TestPostgres, TestRedis, available};
use oauth_stores::{PostgresOptions, RedisOptions};
use oauth_testing::{Answer, KnownClient, Site};

use crate::expect;

/// For how long a server may need to find its database again.
const RECOVERY: Duration = Duration::from_secs(30);

/// 503 with `Retry-After`, and nothing by which a client would throw its tokens away.
#[track_caller]
fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.text());
    assert!(answer.headers.contains_key("retry-after"), "{what}");
    assert!(!answer.headers.contains_key("www-authenticate"), "{what}");
}

async fn killed_and_back(store: impl Backend, kill: impl FnOnce(), restart: impl FnOnce()) {
    // TOK-8, LIM-3
    let site = Site::builder().store(store).build().await.unwrap();
    let mut visit = site.visit(KnownClient::Gateway).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    let (request, _) = visit.request().unwrap();

    kill();
    // A token seen a moment ago needs no store; when that memory ends, an outage is no refusal.
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    site.clock().advance(Duration::from_secs(11));
    assert_unavailable(&visit.call_tool(&tokens, "list_notes").await.unwrap().http, "tool call");
    for form in [visit.refresh(&tokens).unwrap(), visit.revoke(&tokens.access_token).unwrap()] {
        let answer = visit.send(&form).await.unwrap();
        assert_unavailable(&answer, form.url.as_str());
        assert_eq!(answer.error(), Some("temporarily_unavailable"));
    }
    expect::shown_unavailable(&visit.browser.get(request.url().as_str()).await.unwrap());

    restart();
    let form = visit.refresh(&tokens).unwrap();
    let deadline = std::time::Instant::now() + RECOVERY;
    let refreshed = loop {
        let answer = visit.send(&form).await.unwrap();
        if answer.status != 503 {
            break answer.tokens().unwrap();
        }
        assert!(std::time::Instant::now() < deadline, "no recovery within {RECOVERY:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    visit.call_tool(&refreshed, "list_notes").await.unwrap().result().unwrap();
    // And somebody who comes now gets in.
    let mut other = site.visit_of_newcomer().await.unwrap();
    other.connect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_is_503_and_recovery_needs_no_restart() {
    let Some(server) = available(TestPostgres::own()) else { return };
    let url = server.fresh_database().unwrap();
    let store =
        PostgresOptions::default().with_acquire_time(Duration::from_secs(1)).open(&url).await.unwrap();
    let server = std::sync::Mutex::new(server);
    killed_and_back(store, || server.lock().unwrap().kill(), || server.lock().unwrap().restart().unwrap())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_is_503_and_recovery_needs_no_restart() {
    let Some(server) = available(TestRedis::own()) else { return };
    let store = RedisOptions::default().open(&server.url()).await.unwrap();
    let server = std::sync::Mutex::new(server);
    killed_and_back(store, || server.lock().unwrap().kill(), || server.lock().unwrap().restart().unwrap())
        .await;
}
