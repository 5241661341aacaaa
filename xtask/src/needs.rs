//! What the steps need from outside: found, installed where we may, or said to be missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::report::run;

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Answers whether `program` is on the path.
pub fn has(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Makes sure that `program` is there, from Debian's `packages` where we may install them.
pub fn program(program: &str, packages: &[&str]) -> Result<(), String> {
    if has(program) {
        return Ok(());
    }
    debian(packages).map_err(|why| format!("there is no {program}, and {why}"))
}

/// Installs Debian packages, if this is Debian and we are root.
pub fn debian(packages: &[&str]) -> Result<(), String> {
    if !has("apt-get") {
        return Err("no apt-get to install it with".to_owned());
    }
    let user = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    if !user.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Err(format!("only root may install {}", packages.join(", ")));
    }
    println!("    installing {}", packages.join(", "));
    run(apt().args(["update", "-qq"]), LIMIT)?;
    run(apt().args(["install", "-qq", "--yes", "--no-install-recommends"]).args(packages), LIMIT)
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    command
}

/// Installs the databases that the tests of the stores start, where we may. Elsewhere these tests are skipped, each with a line.
pub fn databases() -> Result<(), String> {
    let debian_bin = |version: &Path| version.join("bin/initdb").is_file();
    let postgres = has("initdb")
        || fs::read_dir("/usr/lib/postgresql")
            .is_ok_and(|versions| versions.flatten().any(|version| debian_bin(&version.path())));
    if !postgres {
        // Debian's package starts a cluster of its own; ours are elsewhere, on ports and sockets of their own.
        no_cluster();
        debian(&["postgresql"]).map_err(|why| format!("there is no PostgreSQL, and {why}"))?;
    }
    program("redis-server", &["redis-server"])
}

/// Tells Debian's PostgreSQL package, before it is installed, not to make and start a cluster of its own. Only the cluster would
/// go unused, so it does not matter if that cannot be written.
fn no_cluster() {
    let folder = Path::new("/etc/postgresql-common");
    let settings = folder.join("createcluster.conf");
    // What an operator has set counts.
    if has("apt-get") && !settings.exists() && fs::create_dir_all(folder).is_ok() {
        let _ = fs::write(&settings, "create_main_cluster = false\n");
    }
}

/// Installs the npm packages that the lock file of `folder` names, unless they are there.
pub fn npm(folder: &Path) -> Result<(), String> {
    program("npm", &["nodejs", "npm"])?;
    let lock = folder.join("package-lock.json");
    once(&lock, &folder.join("node_modules"), || {
        println!("    npm ci in {}", folder.display());
        let mut command = Command::new("npm");
        run(command.args(["ci", "--loglevel=error"]).current_dir(folder).stdout(Stdio::null()), LIMIT)
    })
}

/// The Node that runs every driver: the newest packages want one newer than a stable Debian has.
pub fn node(clients: &Path) -> Result<PathBuf, String> {
    let folder = clients.join("conformance");
    npm(&folder)?;
    Ok(folder.join("node_modules/node/bin/node"))
}

/// The Python of a virtual environment with what `requirements.txt` in `folder` names.
pub fn python(folder: &Path) -> Result<PathBuf, String> {
    program("python3", &["python3", "python3-venv"])?;
    let venv = folder.join(".venv");
    let python = venv.join("bin/python");
    let wanted = folder.join("requirements.txt");
    once(&wanted, &venv, || {
        println!("    pip install in {}", venv.display());
        let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), LIMIT);
        make().or_else(|_| debian(&["python3-venv"]).and_then(|()| make()))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(&python).args(pip).arg(&wanted), LIMIT)
    })?;
    Ok(python)
}

/// Chromium, with fonts that show what the pages say.
pub fn chromium() -> Result<PathBuf, String> {
    if let Some(chosen) = std::env::var_os("CHROMIUM") {
        return Ok(chosen.into());
    }
    let usual = PathBuf::from("/usr/bin/chromium");
    let fonts = Path::new("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf");
    if !usual.is_file() || !fonts.is_file() {
        debian(&["chromium", "fonts-dejavu-core"])
            .map_err(|why| format!("there is no Chromium, and {why}"))?;
    }
    Ok(usual)
}

/// The reverse proxies that forward auth is tested behind: two of Debian's, and two that come as packages of Python, in `folder`.
pub fn proxies(folder: &Path) -> Result<(), String> {
    // Debian keeps servers where users' paths do not lead.
    let nginx = has("nginx") || Path::new("/usr/sbin/nginx").is_file();
    let missing = [("nginx", nginx), ("caddy", has("caddy"))].into_iter().filter(|(_, found)| !found);
    let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
    if !missing.is_empty() {
        debian(&missing).map_err(|why| format!("there is no {}, and {why}", missing.join(" and no ")))?;
    }
    python(folder).map(drop).map_err(|why| format!("there is no envoy and no traefik: {why}"))
}

/// Does `work` unless `made` was made from this very `source` before.
fn once(source: &Path, made: &Path, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let stamp = made.join(".made-from");
    let text = fs::read(source).map_err(|error| format!("{}: {error}", source.display()))?;
    if fs::read(&stamp).is_ok_and(|before| before == text) {
        return Ok(());
    }
    work()?;
    fs::write(&stamp, text).map_err(|error| format!("{}: {error}", stamp.display()))
}
