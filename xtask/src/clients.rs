//! The real clients, each against a `quickstart` of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};
use crate::rust::cargo;
use crate::server::{CALLBACK_PORT, PASSPHRASE, Server, empty_folder};

const NAMES: [&str; 5] = ["rmcp", "ts", "python", "conformance", "browser"];
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Runs the clients named, or all.
pub fn run_all(root: &Path, report: &mut Report, names: &[&str]) {
    let chosen = if names.is_empty() { &NAMES[..] } else { names };
    let Some(binary) = build(root, report) else { return };
    let folder = root.join("tests/clients");
    for name in chosen {
        match *name {
            "rmcp" => rmcp(report, &binary),
            "ts" => ts(report, &binary, &folder),
            "python" => python(report, &binary, &folder),
            "conformance" => conformance(report, &binary, &folder),
            "browser" => browser(report, &binary, &folder, None),
            other => {
                report.step(other, || Err(format!("no such client; there are {}", NAMES.join(" "))));
            }
        }
    }
}

/// Keeps the pages as pictures in `docs/`.
pub fn screenshots(root: &Path, report: &mut Report) {
    if let Some(binary) = build(root, report) {
        browser(report, &binary, &root.join("tests/clients"), Some(&root.join("docs")));
    }
}

/// Builds `quickstart` with the features that the tests were built with, so that nothing is built twice.
fn build(root: &Path, report: &mut Report) -> Option<PathBuf> {
    let built = report.step("build quickstart", || {
        cargo(root, &["build", "--workspace", "--all-features", "--bin", "quickstart"])
    });
    let found = target(root).map(|folder| folder.join("debug/quickstart"));
    if !built {
        report.skip("clients", "quickstart was not built");
        return None;
    }
    if found.is_none() {
        report.skip("clients", "cargo does not say where it builds");
    }
    found
}

/// Where cargo builds: `CARGO_TARGET_DIR`, a configuration file or the default.
fn target(root: &Path) -> Option<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(root);
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, rest) = text.split_once(r#""target_directory":""#)?;
    Some(PathBuf::from(rest.split_once('"')?.0))
}

/// The official Rust client: `quickstart tour` is that client on the whole path.
fn rmcp(report: &mut Report, binary: &Path) {
    report.step("client: rmcp", || {
        let folder = empty_folder("tour")?;
        let mut command = Command::new(binary);
        command.args(["tour", "--port", "0", "--data"]).arg(folder.join("data")).env("NO_COLOR", "1");
        let ended = run(&mut command, LIMIT);
        let _ = std::fs::remove_dir_all(folder);
        ended
    });
}

fn ts(report: &mut Report, binary: &Path, clients: &Path) {
    let folder = clients.join("ts");
    let node = match needs::node(clients).and_then(|node| needs::npm(&folder).map(|()| node)) {
        Ok(node) => node,
        Err(why) => return report.skip("client: typescript", &why),
    };
    for script in ["sdk-1x.mjs", "sdk-2x.mjs"] {
        report.step(&format!("client: typescript {script}"), || {
            drive(binary, script, Command::new(&node).arg(script).current_dir(&folder))
        });
    }
}

fn python(report: &mut Report, binary: &Path, clients: &Path) {
    let folder = clients.join("python");
    match needs::python(&folder) {
        Ok(python) => {
            report.step("client: python", || {
                drive(binary, "python", Command::new(python).arg("flow.py").current_dir(&folder))
            });
        }
        Err(why) => report.skip("client: python", &why),
    }
}

fn conformance(report: &mut Report, binary: &Path, clients: &Path) {
    match needs::node(clients) {
        Ok(node) => {
            report.step("client: conformance suite", || {
                let mut command = Command::new(node);
                command.arg("authorization.mjs").current_dir(clients.join("conformance"));
                drive(binary, "conformance", command.env("CALLBACK_PORT", CALLBACK_PORT.to_string()))
            });
        }
        Err(why) => report.skip("client: conformance suite", &why),
    }
}

fn browser(report: &mut Report, binary: &Path, clients: &Path, pictures: Option<&Path>) {
    let folder = clients.join("browser");
    let ready = || {
        let node = needs::node(clients)?;
        needs::npm(&folder)?;
        Ok::<_, String>((node, needs::chromium()?))
    };
    match ready() {
        Ok((node, chromium)) => {
            report.step("client: chromium", || {
                let mut command = Command::new(node);
                command.arg("pages.mjs").current_dir(&folder).env("CHROMIUM", chromium);
                if let Some(pictures) = pictures {
                    command.env("SCREENSHOTS", pictures);
                }
                drive(binary, "browser", &mut command)
            });
        }
        Err(why) => report.skip("client: chromium", &why),
    }
}

/// Runs a driver against a server of its own; a failure shows what the server wrote.
fn drive(binary: &Path, name: &str, command: &mut Command) -> Result<(), String> {
    let server = Server::start(binary, name)?;
    command.env("MCP_URL", server.url()).env("PASSPHRASE", PASSPHRASE);
    run(command, LIMIT).inspect_err(|_| println!("quickstart wrote:\n{}", server.log()))
}
