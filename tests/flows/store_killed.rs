//! The database killed or locked while servers run: 503 for as long as it is, and afterwards all goes on, without a restart of ours.
#![cfg(unix)]

use std::time::Duration;

use oauth_core::Backend;
use oauth_stores::testing::{TestPostgres, TestRedis, TestRedisCluster, available};
use oauth_stores::{PostgresOptions, RedisOptions, SqliteStore};
use oauth_testing::{Answer, KnownClient, Site, Tokens, Visit};

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

/// What writes is refused, as an outage is.
async fn assert_takes_no_writes(visit: &mut Visit, tokens: &Tokens) {
    for form in [visit.refresh(tokens).unwrap(), visit.revoke(&tokens.access_token).unwrap()] {
        let answer = visit.send(&form).await.unwrap();
        assert_unavailable(&answer, form.url.as_str());
        assert_eq!(answer.error(), Some("temporarily_unavailable"));
    }
}

/// Who has tokens goes on with them, and somebody who comes now gets in.
async fn assert_goes_on(site: &Site, visit: &mut Visit, tokens: &Tokens) {
    let form = visit.refresh(tokens).unwrap();
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
    let mut other = site.visit_of_newcomer().await.unwrap();
    other.connect().await.unwrap();
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
    assert_takes_no_writes(&mut visit, &tokens).await;
    expect::shown_unavailable(&visit.browser.get(request.url().as_str()).await.unwrap());

    restart();
    assert_goes_on(&site, &mut visit, &tokens).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_killed_is_503_and_recovery_needs_no_restart() {
    let Some(cluster) = available(TestRedisCluster::own()) else { return };
    let store = RedisOptions::default().open(&cluster.url()).await.unwrap();
    let cluster = std::sync::Mutex::new(cluster);
    killed_and_back(
        store,
        || cluster.lock().unwrap().kill_all(),
        || cluster.lock().unwrap().restart_all().unwrap(),
    )
    .await;
}

const LOCKED: &str = "OAUTH_LOCK_FILE";

/// The other process, which is this program once more: it locks the file until its input ends.
#[test]
#[allow(clippy::print_stdout, reason = "it tells the test when it has the lock")]
fn lock_of_another_process() {
    use std::io::Read as _;
    let Some(path) = std::env::var_os(LOCKED) else { return };
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    println!("\nlocked");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_locked_by_another_process_is_503_to_writers_and_recovery_needs_no_restart() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let site = Site::builder().store(SqliteStore::open(&path).unwrap()).build().await.unwrap();
    let mut visit = site.visit(KnownClient::Gateway).await.unwrap();
    let tokens = visit.connect().await.unwrap();

    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_killed::lock_of_another_process", "--nocapture"])
        .env(LOCKED, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "locked"));
    // Readers wait for nobody: a token is looked up in the file, once its memory has ended.
    site.clock().advance(Duration::from_secs(11));
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    assert_takes_no_writes(&mut visit, &tokens).await;

    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    assert_goes_on(&site, &mut visit, &tokens).await;
}
