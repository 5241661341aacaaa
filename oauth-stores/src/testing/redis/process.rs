//! Starting a server, with what it must have, and finding it again by its folder.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use super::ask::{STEP, answers, is_process};
use crate::testing::launch::{LaunchError, START_LIMIT};
use crate::testing::lease::detached;
use crate::testing::port::free_port;

/// How often to try other ports.
const PORTS: usize = 5;

/// What all have. Nothing is thrown away, as the store insists.
const SETTINGS: &[&str] = &[
    "bind=127.0.0.1",
    "save=",
    "maxmemory-policy=noeviction",
    "databases=16",
    // Replicas are not made to wait for others that might come.
    "repl-diskless-sync-delay=0",
];

/// What an operator has who must not lose anything: each answer is on the disk.
pub(super) const DURABLE: &[&str] = &["appendonly=yes", "appendfsync=always"];

/// Starts a server on some free port, and waits until it answers.
pub(super) fn launch(
    program: &Path,
    folder: &Path,
    settings: &[String],
) -> Result<(Child, u16), LaunchError> {
    for _ in 1..PORTS {
        let port = free_port().map_err(failed)?;
        match launch_at(program, folder, port, settings) {
            Err(LaunchError::Failed { log, .. }) if log.contains("in use") => {}
            other => return Ok((other?, port)),
        }
    }
    let port = free_port().map_err(failed)?;
    Ok((launch_at(program, folder, port, settings)?, port))
}

pub(super) fn launch_at(
    program: &Path,
    folder: &Path,
    port: u16,
    settings: &[String],
) -> Result<Child, LaunchError> {
    let log = folder.join("log");
    let _ = fs::remove_file(&log);
    let mut command = detached(program, &log).map_err(failed)?;
    command.current_dir(folder).args(["--port", &port.to_string()]).arg("--dir").arg(folder);
    for setting in SETTINGS.iter().copied().chain(settings.iter().map(String::as_str)) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        command.args([&format!("--{name}"), value]);
    }
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    let deadline = Instant::now() + START_LIMIT;
    while child.try_wait().map_err(failed)?.is_none() {
        // Another server may have that port; ours then ends by itself.
        if answers(port) && is_process(port, child.id()) {
            return Ok(child);
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(LaunchError::failed("redis-server", "it does not answer within its time"));
        }
        std::thread::sleep(STEP);
    }
    Err(LaunchError::failed("redis-server", &fs::read_to_string(log).unwrap_or_default()))
}

pub(super) fn all_answer(folder: &Path) -> bool {
    read_ports(folder).is_ok_and(|ports| !ports.is_empty() && ports.into_iter().all(answers))
}

pub(super) fn write_ports(folder: &Path, ports: &[u16]) -> io::Result<()> {
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    fs::write(folder.join("ports"), text)
}

pub(super) fn read_ports(folder: &Path) -> io::Result<Vec<u16>> {
    let text = fs::read_to_string(folder.join("ports"))?;
    text.lines().map(|line| line.parse().map_err(io::Error::other)).collect()
}

pub(super) fn failed(error: io::Error) -> LaunchError {
    LaunchError::system("redis-server", error)
}
