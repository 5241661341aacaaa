//! Real proxies, each with the configuration that stands in the manual, and what has to stand around it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oauth_testing::Program;
use tempfile::TempDir;

use crate::wire::{Behind, get};

const NGINX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/proxies/nginx.conf");
const CADDY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/proxies/Caddyfile");
const TRAEFIK: &str = include_str!("../../src/manual/proxies/traefik.yaml");
const ENVOY: &str = include_str!("../../src/manual/proxies/envoy.yaml");

/// Where `cargo xtask test` puts what Debian does not have.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forward/.venv/bin");

pub(crate) fn program(name: &str) -> Option<PathBuf> {
    Program::find(name, &[PACKAGES])
}

pub(crate) fn free_port() -> u16 {
    Program::free_port().unwrap()
}

async fn run(command: Command, port: u16, folder: TempDir) -> Program {
    Program::start(command, port, folder).await.unwrap_or_else(|log| panic!("no proxy: {log}"))
}

pub(crate) async fn nginx(program: &Path, behind: &Behind) -> Program {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let at = folder.path().display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    let outer = format!(
        "daemon off; master_process off; pid {at}/pid; error_log stderr warn;\n\
         events {{ }}\n\
         http {{\n{paths}access_log off;\n\
         upstream auth {{ server {}; }}\nupstream mcp {{ server {}; }}\n\
         server {{ listen 127.0.0.1:{port}; include {NGINX}; }} }}\n",
        behind.auth, behind.mcp
    );
    let config = folder.path().join("outer.conf");
    std::fs::write(&config, outer).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder.path()).arg("-e").arg("stderr").arg("-c").arg(&config);
    run(command, port, folder).await
}

pub(crate) async fn caddy(program: &Path, behind: &Behind, port: u16) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config", CADDY]);
    command
        .env("SITE", format!("http://localhost:{port}"))
        .env("AUTH", behind.auth.to_string())
        .env("MCP", behind.mcp.to_string())
        .env("CADDY_ADMIN", "off")
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path());
    run(command, port, folder).await
}

/// The manual's but for the names of hosts, and without TLS.
pub(crate) async fn traefik(program: &Path, behind: &Behind, port: u16) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let dynamic = TRAEFIK
        .replace("notes.example", "localhost")
        .replace("      tls: {}\n", "")
        .replace("auth:8080", &behind.auth.to_string())
        .replace("mcp:8000", &behind.mcp.to_string());
    let file = folder.path().join("dynamic.yaml");
    std::fs::write(&file, dynamic).unwrap();
    let mut command = Command::new(program);
    command.arg(format!("--entrypoints.websecure.address=127.0.0.1:{port}"));
    command.arg(format!("--providers.file.filename={}", file.display()));
    command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
    let proxy = run(command, port, folder).await;
    // It listens before it has read what to do.
    for _ in 0..400 {
        if get(proxy.address, "/mcp", &[]).await.status != 404 {
            return proxy;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never read its configuration");
}

/// The manual's but for the names of hosts.
pub(crate) async fn envoy(program: &Path, behind: &Behind, port: u16) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let manual = ENVOY.replace("notes.example", &format!("\"localhost:{port}\""));
    let manual: String = manual.lines().map(|line| format!("                {line}\n")).collect();
    let cluster = |name: &str, at: SocketAddr| {
        format!(
            "    - name: {name}\n      connect_timeout: 2s\n      load_assignment:\n        cluster_name: {name}\n        endpoints:\n          \
             - lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }} }}]\n",
            at.ip(),
            at.port()
        )
    };
    let outer = format!(
        "static_resources:\n  listeners:\n    - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n      \
         filter_chains:\n        - filters:\n            - name: envoy.filters.network.http_connection_manager\n              \
         typed_config:\n                \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n                \
         stat_prefix: mcp\n                delayed_close_timeout: 0.01s\n{manual}  clusters:\n{}{}",
        cluster("auth", behind.auth),
        cluster("mcp", behind.mcp)
    );
    let config = folder.path().join("envoy.yaml");
    std::fs::write(&config, outer).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart", "-l", "warning"]);
    run(command, port, folder).await
}
