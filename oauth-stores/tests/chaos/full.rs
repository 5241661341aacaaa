//! No room: a disk of some megabytes, a memory limit. What does not fit is an outage, what was answered stays, and with room again all goes on.

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
        let why = "only root may mount a small disk";
        let all = std::env::var("OAUTH_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!all, "{why}, and OAUTH_REQUIRE_ALL=1 lets nothing be skipped");
        eprintln!("skipped: {why}");
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
        fn port(&self) -> Option<u16> {
            None
        }
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

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis() {
    use oauth_stores::testing::{TestRedis, available};

    let Some(server) = available(TestRedis::own()) else { return };
    let info = server.ask("INFO memory").unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() + (3 << 20);
    server.ask(&format!("CONFIG SET maxmemory {limit}")).unwrap();
    let engine: Box<dyn Engine> = Box::new(crate::engine::Redis { server });
    let (history, clock) = (History::default(), FixedClock::default());
    let port = engine.port().unwrap();
    let make_room = || {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"CONFIG SET maxmemory 0\r\n").unwrap();
        let mut answer = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    };
    fill(&engine.url(), &history, &clock, make_room).await;
    engine.hold("the memory full", &history, &clock).await;
}
