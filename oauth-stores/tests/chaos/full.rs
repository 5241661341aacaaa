//! No room: a disk of some megabytes, a limit on files, a limit on memory. What does not fit is an outage, what was answered stays, and with room
//! again all goes on.
//!
//! A disk of that size needs leave to mount one, and is skipped where there is none; the limits need nobody's leave, and are never skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oauth_core::testing::FixedClock;
use oauth_stores::testing::History;

use crate::engine::{Engine, opened, sqlite_url};
use crate::load::Load;

/// A file system of its own in memory, as small as it is told to be.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and a line that says why, where we may not mount one.
    fn of_megabytes(size: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m,mode=0777"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { folder });
        }
        eprintln!("skipped: nobody may mount a small disk here; the limits on files are tested all the same");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes room away until the file is removed.
    fn ballast(&self, megabytes: usize) -> PathBuf {
        let path = self.path().join("ballast");
        std::fs::write(&path, vec![7; megabytes << 20]).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).stderr(Stdio::null()).status();
    }
}

/// Works until there is no room, and goes on when there is.
async fn fill(url: &str, history: &History, clock: &FixedClock, make_room: impl FnOnce()) {
    let stores = opened(url).await;
    let callers = Load::new(&stores, history, clock, usize::MAX).start(16);
    let load = callers.load.clone();
    load.until_outages(20).await;
    make_room();
    load.until_answered(load.answered() + 100).await;
    load.stop();
    callers.end().await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    struct On(SmallDisk);
    impl Engine for On {
        fn name(&self) -> &'static str {
            "SQLite"
        }
        fn url(&self) -> String {
            sqlite_url(self.0.path())
        }
        fn ports(&self) -> Vec<u16> {
            Vec::new()
        }
        fn lead_through(&self, _: &[u16]) {}
        fn kill(&mut self) {}
        fn restart(&mut self) {}
    }
    let Some(disk) = SmallDisk::of_megabytes(24) else { return };
    let ballast = disk.ballast(22);
    let engine: Box<dyn Engine> = Box::new(On(disk));
    let (history, clock) = (History::default(), FixedClock::default());
    fill(&engine.url(), &history, &clock, || std::fs::remove_file(ballast).unwrap()).await;
    engine.hold("the disk full", &history, &clock).await;
}

/// A file that may not grow, with ballast in it: whoever takes that away makes room.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_by_a_limit() {
    let engine = crate::engine::sqlite().unwrap();
    drop(engine.open().await);
    let path = engine.url().strip_prefix("sqlite://").unwrap().to_owned();
    let other = rusqlite::Connection::open(path).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    other
        .execute_batch("CREATE TABLE ballast (bytes BLOB); INSERT INTO ballast VALUES (zeroblob(22 << 20))")
        .unwrap();
    let (history, clock) = (History::default(), FixedClock::default());
    let limited = format!("{}?size_limit={}", engine.url(), 24 << 20);
    fill(&limited, &history, &clock, || other.execute_batch("DROP TABLE ballast").unwrap()).await;
    drop(other);
    engine.hold("the file at its limit", &history, &clock).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres() {
    use std::os::unix::fs::MetadataExt as _;

    use oauth_stores::testing::{TestPostgres, available};

    let Some(server) = available(TestPostgres::own()) else { return };
    let Some(disk) = SmallDisk::of_megabytes(48) else { return };
    // The tables alone: a log that has no room takes the server down, which another test does by other means.
    let space = disk.path().join("space");
    std::fs::create_dir(&space).unwrap();
    let owner = server.folder().join("data").metadata().unwrap();
    std::os::unix::fs::chown(&space, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display())).unwrap();
    server.sql("CREATE DATABASE small TABLESPACE small").unwrap();
    let url = server.url().replace("/postgres", "/small").replacen("/small:", "/postgres:", 1);
    let url = format!("{}/small", url.rsplit_once('/').unwrap().0);
    drop(opened(&url).await);
    let free = || {
        let output = Command::new("df").args(["--output=avail", "-m"]).arg(disk.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().last().unwrap().trim().parse::<usize>().unwrap()
    };
    let ballast = disk.ballast(free().saturating_sub(2));
    let engine: Box<dyn Engine> = Box::new(crate::engine::Postgres { server, url });
    let (history, clock) = (History::default(), FixedClock::default());
    fill(&engine.url(), &history, &clock, || std::fs::remove_file(ballast).unwrap()).await;
    engine.hold("the disk full", &history, &clock).await;
    // The server before its disk.
    drop(engine);
    drop(disk);
}

/// A table that may not grow: the system refuses every process of the server a larger file.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_by_a_limit() {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;

    use oauth_stores::testing::{TestPostgres, available, needed};

    let Some(server) = available(TestPostgres::own()) else { return };
    let Some(prlimit) = available(needed("prlimit")) else { return };
    let url = server.fresh_database().unwrap();
    drop(opened(&url).await);
    // Larger than a file of the log, which is made in one piece; and no page has room left for anything else.
    let bytes = "(SELECT string_agg(sha256(convert_to(n || '-' || m, 'UTF8')), ''::bytea) FROM generate_series(1, 61) m)";
    let ballast = format!(
        "INSERT INTO oauth.spent (grant_id, hash, spent_at, sealed)
        SELECT sha256(convert_to(n::text, 'UTF8')), '', 1, {bytes} FROM generate_series(1, 8700) n"
    );
    crate::engine::run(&url, &ballast).await;
    let size = crate::engine::number(&url, "SELECT pg_relation_size('oauth.spent')").await;
    assert!(size > 16 << 20, "{size}");
    let postmaster = std::fs::read_to_string(server.folder().join("data/postmaster.pid")).unwrap();
    let postmaster = postmaster.lines().next().unwrap().trim().to_owned();
    let owner = server.folder().join("data").metadata().unwrap();
    let limit = move |limit: &str| {
        // The first, so that what it starts meanwhile has the new limit. Others end at any time.
        let children =
            || std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        let set = |pid: &str| {
            let mut command = Command::new(&prlimit);
            // In its own name: not every root may do that to others.
            command
                .uid(owner.uid())
                .gid(owner.gid())
                .args(["--pid", pid, &format!("--fsize={limit}:")])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        assert!(set(&postmaster), "the limit is set");
        for pid in children().split_whitespace() {
            set(pid);
        }
    };
    limit(&(size + (128 << 10)).to_string());
    let engine: Box<dyn Engine> = Box::new(crate::engine::Postgres { server, url });
    let (history, clock) = (History::default(), FixedClock::default());
    fill(&engine.url(), &history, &clock, || limit("unlimited")).await;
    engine.hold("a table at its limit", &history, &clock).await;
}

#[cfg(feature = "redis")]
mod memory {
    use oauth_stores::testing::{LaunchError, TestRedis, TestRedisCluster, available};

    use super::*;

    /// Leaves a server so much room.
    fn limit(ask: impl Fn(&str) -> Result<String, LaunchError>, room: u64) {
        let info = ask("INFO memory").unwrap();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        let limit = used.trim().parse::<u64>().unwrap() + room;
        ask(&format!("CONFIG SET maxmemory {limit}")).unwrap();
    }

    fn make_room(ports: Vec<u16>) {
        use std::io::{Read as _, Write as _};
        for port in ports {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"CONFIG SET maxmemory 0\r\n").unwrap();
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).unwrap();
        }
    }

    async fn full(engine: Box<dyn Engine>) {
        let (history, clock) = (History::default(), FixedClock::default());
        fill(&engine.url(), &history, &clock, || make_room(engine.ports())).await;
        engine.hold("the memory full", &history, &clock).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn redis() {
        let Some(server) = available(TestRedis::own()) else { return };
        limit(|command| server.ask(command), 3 << 20);
        full(Box::new(crate::engine::Redis { server })).await;
    }

    /// Each of its masters; what a replica has it has from its master.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn redis_cluster() {
        let Some(cluster) = available(TestRedisCluster::own()) else { return };
        for master in 0..3 {
            limit(|command| cluster.ask(master, command), 1 << 20);
        }
        full(Box::new(crate::engine::Cluster { cluster })).await;
    }
}
