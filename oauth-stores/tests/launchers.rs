//! The launchers of test databases: shared, private, and gone when nobody uses them.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oauth_stores::testing::{LaunchError, Lease, Service, TestPostgres, available, detached};

/// A server that only sleeps.
struct Sleeper(String);

impl Service for Sleeper {
    fn name(&self) -> &str {
        &self.0
    }

    fn is_alive(&self, folder: &Path) -> bool {
        std::fs::read_to_string(folder.join("pid")).is_ok_and(|pid| is_running(&pid))
    }

    fn start(&self, folder: &Path) -> Result<Vec<u32>, LaunchError> {
        let child = detached(Path::new("sleep"), &folder.join("log"))
            .and_then(|mut command| command.arg("300").current_dir(folder).spawn())
            .map_err(|error| LaunchError::system("sleep", error))?;
        std::fs::write(folder.join("pid"), child.id().to_string()).unwrap();
        Ok(vec![child.id()])
    }
}

/// Whether a process is there, and not only its name, kept for us who started it.
fn is_running(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_shared_server_is_started_once_and_ends_after_its_last_user() {
    let service = Sleeper(format!("sleeper-{}", std::process::id()));
    let leases: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Lease::shared(&service).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let folder = leases[0].folder().to_owned();
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    assert!(leases.iter().all(|lease| lease.folder() == folder));
    drop(leases);
    // Within the pause somebody comes back, and finds it running.
    let lease = Lease::shared(&service).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("pid")).unwrap(), pid);
    // One that is killed is started again.
    Command::new("kill").args(["-9", &pid]).status().unwrap();
    soon("the server is killed", || !is_running(&pid));
    let again = Lease::shared(&service).unwrap();
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    assert!(is_running(&pid));
    drop((lease, again));
    soon("the folder goes", || !folder.exists() && !folder.parent().unwrap().exists());
    soon("the server ends", || !is_running(&pid));
}

/// Run by the test below, in a process that is killed: it holds a server until then.
#[test]
#[ignore = "the other half of the test below"]
fn hold_a_server() {
    let lease = Lease::own("held").unwrap();
    lease.guard(&Sleeper(String::new()).start(lease.folder()).unwrap()).unwrap();
    std::fs::write(std::env::var("OAUTH_HELD").unwrap(), lease.folder().to_str().unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn what_a_killed_test_had_for_itself_ends_too() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_server", "--ignored"])
        .env("OAUTH_HELD", note.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(note.path()).unwrap();
    soon("the server starts", || !read().is_empty());
    let folder = read();
    let pid = std::fs::read_to_string(Path::new(&folder).join("pid")).unwrap();
    assert!(is_running(&pid));
    test.kill().unwrap();
    test.wait().unwrap();
    soon("the server ends", || !is_running(&pid));
    soon("the folder goes", || !Path::new(&folder).exists());
}

#[test]
fn a_postgres_of_ones_own_keeps_what_was_written_when_it_is_killed() {
    let Some(mut server) = available(TestPostgres::own()) else { return };
    let folder = server.folder().to_owned();
    server.sql("CREATE TABLE notes AS SELECT 1 AS number").unwrap();
    assert_eq!(server.sql("SHOW fsync").unwrap(), "on");
    let url = server.url();
    server.kill();
    assert!(server.sql("SELECT 1").is_err());
    server.restart().unwrap();
    assert_eq!(server.sql("SELECT number FROM notes").unwrap(), "1");
    assert_eq!(server.url(), url);
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn databases_of_the_shared_postgres_are_new_and_empty() {
    let Some(server) = available(TestPostgres::shared()) else { return };
    let (one, two) = (server.fresh_database().unwrap(), server.fresh_database().unwrap());
    assert_ne!(one, two);
    assert_eq!(server.sql("SHOW fsync").unwrap(), "off");
}
