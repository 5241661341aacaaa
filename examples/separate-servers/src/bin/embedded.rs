//! Both servers in one process, at port 3232:
//!
//!     cargo run -p separate-servers --bin embedded

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use clap::Parser;
use oauth_stores::Sweep;
use separate_servers::{Fault, embedded};

/// People sign in here, and their programs calculate here.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The file of the database, which is made if it is missing, or its URL, as for `authorization-server`.
    #[arg(long, env = "OAUTH_DATABASE", hide_env_values = true, default_value = "embedded.sqlite")]
    database: String,

    #[command(flatten)]
    owner: hosting::OwnerArgs,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3232")]
    listen: std::net::SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    hosting::ended("embedded", run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Fault> {
    let listener = hosting::listen(args.listen, "--listen").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let stores = hosting::open(&args.database).await?;
    let owner = args.owner.open(&stores).await?;
    let app = embedded(&origin, stores.clone(), owner).await?;
    println!("MCP server: {origin}/mcp");
    // What has ended is forgotten an hour later.
    let _sweeper = Sweep::new(stores).start();
    hosting::run(listener, app).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_to_this_machine_alone_unless_told_otherwise() {
        // RS-77
        let args = Args::parse_from(["embedded"]);
        assert!(args.listen.ip().is_loopback(), "{}", args.listen);
    }
}
