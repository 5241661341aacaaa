//! The full chaos runs: everything that may break, on every engine, over 10,000 exchanges each; and the whole model of the ledger.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};

/// How many exchanges a run has, unless the command says otherwise.
pub const DEFAULT: u32 = 10_000;

const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Explores the model, then runs them one after the other, so that each has the machine to itself, and shows all their counts.
pub fn run_all(root: &Path, report: &mut Report, exchanges: u32) {
    report.step("model", || {
        let mut command = Command::new("cargo");
        command
            .args(["test", "--workspace", "--all-features", "--test", "model", "--"])
            .args(["--nocapture", "--test-threads=1", "--include-ignored"])
            .current_dir(root);
        run(&mut command, LIMIT)
    });
    report.step("chaos", || {
        // What is not installed is skipped by the tests, each in a line of its own.
        if let Err(why) = needs::databases() {
            println!("    {why}");
        }
        // Of the whole workspace, as all tests are built: one crate alone has other features below it, and is built anew.
        let mut command = Command::new("cargo");
        command
            .args(["test", "--workspace", "--all-features", "--test", "chaos", "--"])
            .args(["--nocapture", "--test-threads=1"])
            .env("OAUTH_CHAOS_EXCHANGES", exchanges.to_string())
            .current_dir(root);
        run(&mut command, LIMIT)
    });
}
