//! The fuzz targets in `fuzz/`, each for a little while.
//!
//! They are ordinary `libfuzzer-sys` targets, so `cargo fuzz run` works too. Here they are built by plain cargo with
//! the compiler's own coverage flags, which a stable toolchain has: CI needs neither nightly nor cargo-fuzz.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};

/// How long each target runs when asked for by name.
pub const DEFAULT: Duration = Duration::from_secs(20);

/// How long each target runs as part of `test`.
pub const BRIEF: Duration = Duration::from_secs(10);

/// How often each target is tried as part of `test`.
const TRIES: u32 = 100_000;

const BUILD: Duration = Duration::from_secs(20 * 60);

/// What cargo-fuzz sets, less the address sanitizer: `unsafe` is forbidden in what is fuzzed.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks";

/// Builds all targets, then runs them one after the other.
pub fn run_all(root: &Path, report: &mut Report, each: Duration) {
    let folder = root.join("fuzz");
    let targets = match targets(&folder) {
        Ok(targets) => targets,
        Err(why) => return report.skip("fuzz", &why),
    };
    if let Err(why) = needs::program("c++", &["g++"]) {
        return report.skip("fuzz", &why);
    }
    let Some(host) = host() else { return report.skip("fuzz", "rustc does not say what it builds for") };
    let target_folder = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(shared) => PathBuf::from(shared).join("fuzz"),
        None => folder.join("target"),
    };
    let built = report.step("fuzz: build", || {
        let mut command = Command::new("cargo");
        // With a named target the flags stay out of build scripts and macros.
        command.args(["build", "--release", "--bins", "--target", &host]).current_dir(&folder);
        command.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &target_folder);
        run(&mut command, BUILD)
    });
    if !built {
        return;
    }
    for name in targets {
        report.step(&format!("fuzz: {name}"), || {
            let corpus = folder.join("corpus").join(&name);
            let artifacts = folder.join("artifacts").join(&name);
            for made in [&corpus, &artifacts] {
                fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
            }
            let mut command = Command::new(target_folder.join(&host).join("release").join(&name));
            command.current_dir(&folder).arg(&corpus);
            // What is known to be worth trying is kept in the repository; what was found is not.
            let seeds = folder.join("seeds").join(&name);
            if seeds.is_dir() {
                command.arg(seeds);
            }
            command.arg(format!("-max_total_time={}", each.as_secs()));
            if each == BRIEF {
                // As part of the tests: the same tries each time. What is new is looked for by `cargo xtask fuzz`.
                command.args(["-seed=1", &format!("-runs={TRIES}")]);
            }
            command.arg(format!("-artifact_prefix={}/", artifacts.display()));
            command.args(["-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]);
            run(&mut command, each + Duration::from_secs(60))
        });
    }
}

/// The fuzz targets of `folder`.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let manifest =
        fs::read_to_string(folder.join("Cargo.toml")).map_err(|_| "there is no fuzz/Cargo.toml")?;
    let names = binaries(&manifest);
    if names.is_empty() { Err("fuzz/Cargo.toml lists no target".to_owned()) } else { Ok(names) }
}

/// The names of the binaries that a manifest lists.
fn binaries(manifest: &str) -> Vec<String> {
    let lists = manifest.split("[[bin]]").skip(1);
    lists
        .filter_map(|list| {
            list.lines().find_map(|line| line.trim().strip_prefix("name")?.trim().strip_prefix('='))
        })
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect()
}

fn host() -> Option<String> {
    let output = Command::new("rustc").arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::binaries;

    #[test]
    fn a_manifest_lists_its_targets_and_not_its_package() {
        let manifest = "[package]\nname = \"fuzz\"\n[[bin]]\nname = \"form\"\npath = \"form.rs\"\n\n[[bin]]\nname=\"scope\"\n";
        assert_eq!(binaries(manifest), ["form", "scope"]);
        assert!(binaries("[package]\nname = \"fuzz\"\n").is_empty());
    }
}
