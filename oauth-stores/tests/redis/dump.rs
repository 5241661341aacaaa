//! The documented way to copy a server and to restore it. What the test does stands in `SCHEMA.md`, line by line.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oauth_core::{CredentialStatus, Exchanged, GrantStore as _};
use oauth_stores::RedisOptions;
use oauth_stores::testing::{TestRedis, available, fresh_prefix, needed};

use crate::scene::{GRACE, NOW, begin, spend, tokens};

const SCHEMA: &str = include_str!("../../SCHEMA.md");

/// What an operator has who must not lose anything.
const DURABLE: [&str; 2] = ["appendonly=yes", "appendfsync=always"];

/// The rest of the line of the documentation that starts with this, without what it says about it.
#[track_caller]
fn documented(start: &str) -> &'static str {
    let rest = SCHEMA.lines().find_map(|line| line.trim_start_matches('`').strip_prefix(start));
    let rest = rest.unwrap_or_else(|| panic!("the documentation says no `{start}`"));
    rest.split(['#', '`']).next().unwrap().trim()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dumped_and_restored_is_there_and_spent_stays_spent() {
    let Some(program) = available(needed("redis-cli")) else { return };
    let Some(server) = available(TestRedis::own()) else { return };
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let store = options.clone().open(&server.url()).await.unwrap();
    let (grant, code) = begin(&store).await.unwrap();
    let live = tokens(&grant);
    assert_eq!(spend(&store, &code, &live, Duration::ZERO).await.unwrap(), Exchanged::Done);

    let folder = tempfile::tempdir().unwrap();
    let arguments = documented("redis-cli --rdb");
    let copied = Command::new(program)
        .args(["-p", &server.port().to_string(), "--rdb", arguments])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(copied.success());

    // Another server, with nothing in its folder but that.
    let mut other = TestRedis::own_with(&DURABLE).unwrap();
    let dump = other.folder().join("dump.rdb");
    let empty = |server: &mut TestRedis| {
        server.kill();
        std::fs::remove_dir_all(server.folder().join("appendonlydir")).unwrap();
    };
    assert!(documented("cp ").starts_with("oauth.rdb \"$FOLDER/dump.rdb\""));
    empty(&mut other);
    std::fs::copy(folder.path().join("oauth.rdb"), &dump).unwrap();
    // The warning is none too many.
    assert!(SCHEMA.contains("beside a `dump.rdb` alone **it starts empty**"));
    other.restart().unwrap();
    assert_eq!(other.ask("DBSIZE").unwrap(), "0");

    empty(&mut other);
    std::fs::copy(folder.path().join("oauth.rdb"), &dump).unwrap();
    assert!(documented("redis-server redis.conf").ends_with("--appendonly no"));
    other.set_settings(&["appendonly=no"]);
    other.restart().unwrap();
    assert_eq!(other.ask(&format!("CONFIG SET {}", documented("redis-cli CONFIG SET"))).unwrap(), "OK");
    assert!(SCHEMA.contains("redis-cli INFO persistence"));
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_written = |server: &TestRedis| {
        let info = server.ask("INFO persistence").unwrap();
        ["aof_rewrite_in_progress:0", "aof_last_bgrewrite_status:ok"].into_iter().all(|sign| {
            assert!(SCHEMA.contains(sign));
            info.contains(sign)
        })
    };
    while !is_written(&other) {
        assert!(Instant::now() < deadline, "the append-only file is not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // From then on it may be killed and restarted with `appendonly yes`.
    other.kill();
    other.set_settings(&DURABLE);
    other.restart().unwrap();
    let restored = options.open(&other.url()).await.unwrap();
    let found = restored.find(&live[0].key).await.unwrap().unwrap();
    assert_eq!((found.status(NOW), found.grant), (CredentialStatus::Live, grant.clone()));
    assert!(restored.find(&code.key).await.unwrap().unwrap().spent.is_some());
    // A replay ends the grant there, as it would have here.
    let replayed = spend(&restored, &code, &tokens(&grant), GRACE).await.unwrap();
    assert_eq!(replayed, Exchanged::Replayed);
    assert_eq!(store.find(&live[0].key).await.unwrap().unwrap().status(NOW), CredentialStatus::Live);
}
