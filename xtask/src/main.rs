//! `cargo xtask`: what a contributor and CI run, in one command each.

mod chaos;
mod clients;
mod engines;
mod fuzz;
mod needs;
mod report;
mod rust;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use report::Report;

const HELP: &str = "\
cargo xtask <command>

  test [--fast]         formatting, lints, tests, doc tests, real clients, fuzz targets
                        (--fast: without real clients and fuzz targets)
  clients [NAME...]     real clients against the built servers: rmcp ts versions python conformance browser; and issuer, an
                        issuer of others whose keys change
  engines               the tests of the stores with Valkey 8, Valkey 9 and PostgreSQL 18 in place of what Debian has
  fuzz [SECONDS]        each fuzz target for so many seconds (20)
  chaos [EXCHANGES]     everything that may break, on every engine, over so many exchanges each (10000)
                        before it the model of the ledger, with the number of its states
  screenshots           the pages as Chromium shows them, into docs/

OAUTH_REQUIRE_ALL=1 makes every skip a failure, as CI wants it.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let mut report = Report::new(std::env::var("OAUTH_REQUIRE_ALL").is_ok_and(|value| value == "1"));
    match words.as_slice() {
        ["test"] => test(&root, &mut report, false),
        ["test", "--fast"] => test(&root, &mut report, true),
        ["clients", names @ ..] => clients::run_all(&root, &mut report, names),
        ["engines"] => engines::run_all(&root, &mut report),
        ["fuzz"] => fuzz::run_all(&root, &mut report, fuzz::DEFAULT),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run_all(&root, &mut report, Duration::from_secs(seconds)),
            Err(_) => return usage(&format!("no number of seconds: {seconds}")),
        },
        ["chaos"] => chaos::run_all(&root, &mut report, chaos::DEFAULT),
        ["chaos", exchanges] => match exchanges.parse() {
            Ok(exchanges) => chaos::run_all(&root, &mut report, exchanges),
            Err(_) => return usage(&format!("no number of exchanges: {exchanges}")),
        },
        ["screenshots"] => clients::screenshots(&root, &mut report),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [] => return usage("a command is needed"),
        other => return usage(&format!("no such command: {}", other.join(" "))),
    }
    report.close()
}

fn test(root: &Path, report: &mut Report, fast: bool) {
    rust::run_all(root, report);
    if !fast {
        clients::run_all(root, report, &[]);
        fuzz::run_all(root, report, fuzz::BRIEF);
    }
}

fn usage(problem: &str) -> ExitCode {
    eprint!("{problem}\n\n{HELP}");
    ExitCode::from(2)
}

/// The workspace's folder: the parent of this crate's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
