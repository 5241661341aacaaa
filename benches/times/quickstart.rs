//! What `quickstart` takes while nobody asks it anything.

use std::process::{Command, Stdio};
use std::time::Duration;

use benches::table::Row;

pub(crate) fn measure() -> Vec<Row> {
    let beside = std::env::current_exe().expect("this program is a file");
    let binary = beside
        .parent()
        .and_then(|deps| deps.parent())
        .expect("it lies in a folder of the target's")
        .join("quickstart");
    if !binary.is_file() {
        eprintln!("quickstart is not measured: cargo build --release -p quickstart");
        return Vec::new();
    }
    let folder = tempfile::tempdir().expect("there is a folder for such things");
    let mut child = Command::new(binary)
        .args(["--port", "0", "--data"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // It hashes a passphrase, and then has nothing to do.
    std::thread::sleep(Duration::from_secs(5));
    let resident = resident(child.id());
    let _ = child.kill();
    let _ = child.wait();
    match resident {
        Some(kilobytes) => {
            vec![Row::at_most("quickstart, idle: resident memory", kilobytes / 1000.0, 15.0, "MB", "")]
        }
        None => {
            eprintln!("quickstart is not measured: this system does not tell, or it did not start");
            Vec::new()
        }
    }
}

fn resident(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1.024)
}
