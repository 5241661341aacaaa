//! The real clients, each against servers of its own, and our resource server behind an issuer of others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};
use crate::rust::cargo;
use crate::server::{CALLBACK_PORT, Kind, Programs, Servers, empty_folder};

const NAMES: [&str; 7] = ["rmcp", "ts", "versions", "python", "conformance", "browser", "issuer"];
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Runs the clients named, or all.
pub fn run_all(root: &Path, report: &mut Report, names: &[&str]) {
    let chosen = if names.is_empty() { &NAMES[..] } else { names };
    let Some(programs) = build(root, report) else { return };
    let folder = root.join("tests/clients");
    for name in chosen {
        match *name {
            "rmcp" => rmcp(report, &programs),
            "ts" => ts(report, &programs, &folder, &["sdk-1x.mjs", "sdk-2x.mjs"]),
            "versions" => ts(report, &programs, &folder, &["versions.mjs"]),
            "python" => python(report, &programs, &folder),
            "conformance" => conformance(report, &programs, &folder),
            "browser" => browser(report, &programs, &folder, None),
            "issuer" => issuer(report, &programs, &folder),
            other => {
                report.step(other, || Err(format!("no such client; there are {}", NAMES.join(" "))));
            }
        }
    }
}

/// Keeps the pages as pictures in `docs/`.
pub fn screenshots(root: &Path, report: &mut Report) {
    if let Some(programs) = build(root, report) {
        browser(report, &programs, &root.join("tests/clients"), Some(&root.join("docs")));
    }
}

/// Builds the servers with the features that the tests were built with, so that nothing is built twice.
fn build(root: &Path, report: &mut Report) -> Option<Programs> {
    let built = report.step("build the servers", || {
        let mut arguments = vec!["build", "--workspace", "--all-features"];
        for name in ["quickstart", "authorization-server", "mcp-server", "resource-only"] {
            arguments.extend(["--bin", name]);
        }
        cargo(root, &arguments)
    });
    let found = target(root).map(|folder| Programs(folder.join("debug")));
    if !built {
        report.skip("clients", "the servers were not built");
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
fn rmcp(report: &mut Report, programs: &Programs) {
    report.step("client: rmcp", || {
        let folder = empty_folder("tour")?;
        let mut command = Command::new(programs.path("quickstart"));
        command.args(["tour", "--port", "0", "--data"]).arg(folder.join("data")).env("NO_COLOR", "1");
        let ended = run(&mut command, LIMIT);
        let _ = std::fs::remove_dir_all(folder);
        ended
    });
}

fn ts(report: &mut Report, programs: &Programs, clients: &Path, scripts: &[&str]) {
    let folder = clients.join("ts");
    let node = match needs::node(clients).and_then(|node| needs::npm(&folder).map(|()| node)) {
        Ok(node) => node,
        Err(why) => return report.skip("client: typescript", &why),
    };
    for (script, kind) in scripts.iter().flat_map(|script| Kind::ALL.map(|kind| (script, kind))) {
        report.step(&format!("client: typescript {script}, {}", kind.name()), || {
            drive(programs, kind, Command::new(&node).arg(script).current_dir(&folder))
        });
    }
}

fn python(report: &mut Report, programs: &Programs, clients: &Path) {
    let folder = clients.join("python");
    match needs::python(&folder) {
        Ok(python) => {
            for kind in Kind::ALL {
                report.step(&format!("client: python, {}", kind.name()), || {
                    drive(programs, kind, Command::new(&python).arg("flow.py").current_dir(&folder))
                });
            }
        }
        Err(why) => report.skip("client: python", &why),
    }
}

/// The tokens of an issuer that is not ours, while its keys change.
fn issuer(report: &mut Report, programs: &Programs, clients: &Path) {
    let folder = clients.join("issuer");
    match needs::node(clients).and_then(|node| needs::npm(&folder).map(|()| node)) {
        Ok(node) => {
            report.step("issuer: oidc-provider", || {
                let (servers, port) = Servers::behind_foreign_issuer(programs)?;
                let mut command = Command::new(node);
                command.arg("rotation.mjs").current_dir(&folder).env("ISSUER_PORT", port.to_string());
                ask(&servers, &mut command)
            });
        }
        Err(why) => report.skip("issuer: oidc-provider", &why),
    }
}

fn conformance(report: &mut Report, programs: &Programs, clients: &Path) {
    match needs::node(clients) {
        Ok(node) => {
            report.step("client: conformance suite", || {
                let mut command = Command::new(node);
                command.arg("authorization.mjs").current_dir(clients.join("conformance"));
                drive(programs, Kind::Notes, command.env("CALLBACK_PORT", CALLBACK_PORT.to_string()))
            });
        }
        Err(why) => report.skip("client: conformance suite", &why),
    }
}

fn browser(report: &mut Report, programs: &Programs, clients: &Path, pictures: Option<&Path>) {
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
                drive(programs, Kind::Notes, &mut command)
            });
        }
        Err(why) => report.skip("client: chromium", &why),
    }
}

/// Runs a driver against servers of its own.
fn drive(programs: &Programs, kind: Kind, command: &mut Command) -> Result<(), String> {
    let servers = Servers::start(programs, kind)?;
    ask(&servers, command.env("SERVER", kind.name()))
}

/// Runs a driver against these servers; a failure shows what they wrote.
fn ask(servers: &Servers, command: &mut Command) -> Result<(), String> {
    command.env("MCP_URL", servers.url()).env("PASSPHRASE", servers.passphrase());
    run(command, LIMIT).inspect_err(|_| println!("{}", servers.log()))
}
