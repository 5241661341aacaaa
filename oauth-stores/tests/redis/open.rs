//! What cannot be opened says why, and what helps, and never the password.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};
use oauth_stores::{RedisOpenError, RedisOptions, RedisStore};

/// The error names the place and the remedy, and not the password.
#[track_caller]
fn assert_says(error: &RedisOpenError, place: &str, remedy: &str) {
    let text = format!("{error} {error:?}");
    assert!(text.contains(place) && text.contains(remedy), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

async fn fault(url: &str) -> RedisOpenError {
    RedisOptions::default().with_prefix(&fresh_prefix()).open(url).await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_url_is_named() {
    for (url, place, remedy) in [
        ("http://:s3cret@db.example", "db.example", "write redis, rediss"),
        ("redis://me:s3cret@host:port", "redis://…", "URL"),
        ("redis://me:s3cret@host/zero", "host/zero", "database"),
        ("redis-cluster://me:s3cret@a:1,b:x", "redis-cluster://…", "no port"),
        ("redis-cluster://me:s3cret@a:1,b:2/3", "a:1,b:2/3", "tell deployments apart by their prefix"),
        ("redis-sentinel://me:s3cret@a:1", "a:1", "does not name the master"),
    ] {
        let error = fault(url).await;
        assert!(matches!(error, RedisOpenError::Misconfigured { .. }), "{error:?}");
        assert_says(&error, place, remedy);
    }
    let error = RedisOptions::default().with_prefix("a{b}").open("redis://h").await.unwrap_err();
    assert_says(&error, "redis://h", "`a{b}` is no prefix");
}

#[tokio::test]
async fn a_server_that_is_down_is_named() {
    for url in [
        "redis://:s3cret@127.0.0.1:1",
        "redis-cluster://:s3cret@127.0.0.1:1",
        "redis-sentinel://:s3cret@127.0.0.1:1/main",
    ] {
        let error = fault(url).await;
        assert!(matches!(error, RedisOpenError::Unreachable { .. }), "{url}: {error:?}");
        assert_says(&error, "127.0.0.1:1", "start it");
    }
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let Some(server) = available(TestRedis::own_with(&["requirepass=p@ss"])) else { return };
    let place = format!("127.0.0.1:{}", server.port());
    for url in
        [format!("redis://{place}"), format!("redis://:s3cret@{place}"), format!("redis://me:s3cret@{place}")]
    {
        let error = fault(&url).await;
        assert!(matches!(error, RedisOpenError::Refused { .. }), "{url}: {error:?}");
        assert_says(&error, &place, "correct them");
    }
    RedisStore::open(&format!("redis://:p%40ss@{place}")).await.unwrap();

    let Some(cluster) = available(TestRedisCluster::shared()) else { return };
    let error = fault(&cluster.url().replace("://", "://me:s3cret@")).await;
    assert!(matches!(error, RedisOpenError::Refused { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1:", "correct them");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let error = fault(&format!("{}/99", server.url())).await;
    assert!(matches!(error, RedisOpenError::NoDatabase { .. }), "{error:?}");
    assert_says(&error, "/99", "leave the number out");
    RedisOptions::default().with_prefix(&fresh_prefix()).open(&format!("{}/3", server.url())).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_not_taken_for_a_server_nor_the_other_way_round() {
    let (Some(server), Some(cluster)) =
        (available(TestRedis::shared()), available(TestRedisCluster::shared()))
    else {
        return;
    };
    let error = fault(&format!("redis://127.0.0.1:{}", cluster.ports()[0])).await;
    assert!(matches!(error, RedisOpenError::OtherKind { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "write redis-cluster://");
    let error = fault(&format!("redis-cluster://127.0.0.1:{}", server.port())).await;
    assert!(matches!(error, RedisOpenError::OtherKind { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "write redis://");
}

#[tokio::test]
async fn data_of_a_newer_version_is_left_alone() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let prefix = fresh_prefix();
    server.ask(&format!("SET {prefix}:schema 2")).unwrap();
    let error = RedisOptions::default().with_prefix(&prefix).open(&server.url()).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::NewerData { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "version 2");
    assert_eq!(server.ask(&format!("GET {prefix}:schema")).unwrap(), "2");
}

#[tokio::test]
async fn a_server_that_throws_keys_away_is_refused() {
    let Some(server) = available(TestRedis::own_with(&["maxmemory=50mb", "maxmemory-policy=volatile-lru"]))
    else {
        return;
    };
    let error = fault(&server.url()).await;
    assert!(matches!(error, RedisOpenError::Evicts { .. }), "{error:?}");
    assert_says(&error, "volatile-lru", "set maxmemory-policy noeviction");
    server.ask("CONFIG SET maxmemory-policy noeviction").unwrap();
    RedisStore::open(&server.url()).await.unwrap();
}

/// Answers as a server of that version would, as far as it is asked here.
fn old_server(version: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines() {
                    let answer = match line.unwrap_or_default().to_uppercase().as_str() {
                        "HELLO" if version < "6" => {
                            "-ERR unknown command `HELLO`, with args beginning with: `3`\r\n".into()
                        }
                        "HELLO" => "%1\r\n+server\r\n+redis\r\n".to_owned(),
                        "CLIENT" => "+OK\r\n".into(),
                        "INFO" => {
                            let info = format!("# Server\r\nredis_version:{version}\r\n");
                            format!("${}\r\n{info}\r\n", info.len())
                        }
                        _ => continue,
                    };
                    let _ = answers.write_all(answer.as_bytes());
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_too_old_is_named() {
    for version in ["5.0.14", "6.2.7"] {
        let error = fault(&format!("redis://127.0.0.1:{}", old_server(version))).await;
        assert!(matches!(error, RedisOpenError::OldServer { .. }), "{version}: {error:?}");
        assert_says(&error, "127.0.0.1", "update it");
    }
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_the_settings_is_let_in_all_the_same() {
    let Some(server) = available(TestRedis::own_with(&[])) else { return };
    server.ask("ACL SETUSER app on >pw ~* +@all -info").unwrap();
    RedisStore::open(&server.url().replace("://", "://app:pw@")).await.unwrap();
    // Without what it needs it is no store.
    server.ask("ACL SETUSER app -set").unwrap();
    let error = fault(&server.url().replace("://", "://app:pw@")).await;
    assert!(matches!(error, RedisOpenError::Forbidden { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "ACL SETUSER");
    let error = fault(&server.url().replace("://", "://app:s3cret@")).await;
    assert!(matches!(error, RedisOpenError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_named_with_what_helps() {
    let (Some(master), Some(replica)) =
        (available(TestRedis::own_with(&[])), available(TestRedis::own_with(&["save=1 1"])))
    else {
        return;
    };
    master.ask("CONFIG SET min-replicas-to-write 1").unwrap();
    let error = fault(&master.url()).await;
    assert!(matches!(error, RedisOpenError::TakesNoWrites { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "min-replicas-to-write");
    master.ask("CONFIG SET min-replicas-to-write 0").unwrap();
    master.ask("CONFIG SET maxmemory 1").unwrap();
    assert_says(&fault(&master.url()).await, "127.0.0.1", "raise its maxmemory");
    master.ask("CONFIG SET maxmemory 0").unwrap();

    // It cannot save: where its file would be is a folder.
    std::fs::create_dir(replica.folder().join("dump.rdb")).unwrap();
    replica.ask("BGSAVE").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !replica.ask("INFO persistence").unwrap().contains("rdb_last_bgsave_status:err") {
        assert!(Instant::now() < deadline, "it saves all the same");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_says(&fault(&replica.url()).await, "127.0.0.1", "cannot save");
    replica.ask("CONFIG SET stop-writes-on-bgsave-error no").unwrap();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    let error = fault(&replica.url()).await;
    assert!(matches!(error, RedisOpenError::TakesNoWrites { .. }), "{error:?}");
    assert_says(&error, "127.0.0.1", "name its master");
}
