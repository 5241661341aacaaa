//! What cargo can say about the workspace: formatting, lints, tests, doc tests.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::report::{Report, run};
use crate::{engines, needs};

/// A build from nothing on two slow cores stays well below.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs all four.
pub fn run_all(root: &Path, report: &mut Report) {
    report.step("fmt", || cargo(root, &["fmt", "--all", "--check", "--", "--color", "never"]));
    report.step("clippy", || {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
    });
    // A test that does not find its proxy says so and passes; here it is said too.
    if let Err(why) = needs::proxies(&root.join("oauth-resource/tests/forward")) {
        report.skip("forward auth behind real proxies", &why);
    }
    // Without them the tests that need them are skipped, each with a line.
    if let Err(why) = needs::databases() {
        report.skip("databases", &why);
    }
    let nextest = needs::has("cargo-nextest");
    report.step("tests", || {
        if nextest {
            cargo(root, &["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"])
        } else {
            let targets = ["--lib", "--bins", "--tests", "--no-fail-fast"];
            cargo(root, &[&["test", "--workspace", "--all-features"], &targets[..]].concat())
        }
    });
    engines::run_all(root, report);
    report.step("doc tests", || cargo(root, &["test", "--workspace", "--doc", "--all-features"]));
    report.step("docs", || {
        let mut command = Command::new("cargo");
        command.args(["doc", "--workspace", "--lib", "--all-features", "--no-deps"]).current_dir(root);
        run(command.env("RUSTDOCFLAGS", "-D warnings"), LIMIT)
    });
}

/// Runs cargo in the workspace.
pub fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(Command::new("cargo").args(arguments).current_dir(root), LIMIT)
}
