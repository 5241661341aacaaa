//! What cargo can say about the workspace: formatting, lints, tests, doc tests.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};

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
    valkey(root, report, nextest);
    report.step("doc tests", || cargo(root, &["test", "--workspace", "--doc", "--all-features"]));
    report.step("docs", || {
        let mut command = Command::new("cargo");
        command.args(["doc", "--workspace", "--lib", "--all-features", "--no-deps"]).current_dir(root);
        run(command.env("RUSTDOCFLAGS", "-D warnings"), LIMIT)
    });
}

/// What is tested with Redis, with Valkey in its place; its package has no TLS.
fn valkey(root: &Path, report: &mut Report, nextest: bool) {
    let programs = match needs::valkey(&root.join("oauth-stores/tests/valkey")) {
        Ok(programs) => programs,
        Err(why) => return report.skip("tests: Valkey", &why),
    };
    report.step("tests: Valkey", || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(programs).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).map_err(|error| error.to_string())?;
        let mut command = Command::new("cargo");
        if nextest {
            let which = "package(oauth-stores) & binary(redis) & not test(tls::)";
            command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "-E", which]);
        } else {
            command.args(["test", "--workspace", "--all-features", "--test", "redis", "--no-fail-fast"]);
            command.args(["--", "--skip", "tls::"]);
        }
        run(command.env("PATH", path).current_dir(root), LIMIT)
    });
}

/// Runs cargo in the workspace.
pub fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(Command::new("cargo").args(arguments).current_dir(root), LIMIT)
}
