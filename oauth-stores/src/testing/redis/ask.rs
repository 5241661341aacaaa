//! Asking a server, by a driver of a few lines.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::process::failed;
use crate::testing::launch::{LaunchError, START_LIMIT};

pub(super) const STEP: Duration = Duration::from_millis(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Whether a server answers, and has read its file. One that asks for a password does.
pub(super) fn answers(port: u16) -> bool {
    match ask(port, "PING") {
        Ok(_) => true,
        Err(LaunchError::Failed { log, .. }) => log.starts_with("NOAUTH"),
        Err(_) => false,
    }
}

pub(super) fn is_process(port: u16, process: u32) -> bool {
    match ask(port, "INFO server") {
        Ok(info) => info.lines().any(|line| line.trim() == format!("process_id:{process}")),
        // It does not say; whom the port belongs to was looked at when it was chosen.
        Err(_) => true,
    }
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<(), LaunchError> {
    let deadline = Instant::now() + START_LIMIT;
    while !done() {
        if Instant::now() >= deadline {
            return Err(LaunchError::failed(what, "it did not come about within its time"));
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// Sends a line and reads one answer: enough for what tests ask.
pub(super) fn ask(port: u16, command: &str) -> Result<String, LaunchError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(failed)?;
    stream.write_all(format!("{command}\r\n").as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        match kind {
            "+" | ":" => return Ok(rest.to_owned()),
            "-" => return Err(LaunchError::failed(command, rest)),
            "$" => {
                let mut bytes = vec![0; rest.parse().unwrap_or_default()];
                reader.read_exact(&mut bytes).map_err(failed)?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            // Of several the first.
            "*" if rest != "0" => {}
            _ => return Ok(String::new()),
        }
    }
}

/// Whether every replica has acknowledged all that was written. `WAIT` would say so only of what its own connection wrote.
pub(super) fn is_replicated(port: u16) -> bool {
    let Ok(info) = ask(port, "INFO replication") else { return false };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let written = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")).and_then(number);
    let mut acknowledged = info
        .lines()
        .filter(|line| line.starts_with("slave") && line.contains("offset="))
        .map(|line| line.split(',').find_map(|part| part.strip_prefix("offset=")).and_then(number))
        .peekable();
    acknowledged.peek().is_some() && acknowledged.all(|offset| offset >= written)
}
