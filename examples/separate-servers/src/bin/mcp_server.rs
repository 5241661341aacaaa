//! The MCP server, at port 3232:
//!
//!     MCP_CLIENT_SECRET=… cargo run -p separate-servers --bin mcp-server

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use oauth_core::Secret;
use separate_servers::{Fault, mcp_server};

/// Calculates for whoever has a token.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The authorization server.
    #[arg(long, env = "OAUTH_ISSUER", default_value = "http://127.0.0.1:3001")]
    issuer: String,

    /// This server's address, as people type it.
    #[arg(long, env = "MCP_AUDIENCE", default_value = "http://127.0.0.1:3232/mcp")]
    mcp: String,

    /// The secret with which it asks: the authorization server shows it.
    #[arg(long, env = "MCP_CLIENT_SECRET", hide_env_values = true, value_parser = hosting::secret)]
    secret: Arc<Secret>,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3232")]
    listen: std::net::SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    hosting::ended("mcp-server", run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Fault> {
    let listener = hosting::listen(args.listen, "--listen").await?;
    let app = mcp_server(&args.mcp, &args.issuer, &args.secret)?;
    println!("MCP server: {}\nTokens of:  {}", args.mcp, args.issuer);
    hosting::run(listener, app).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_to_this_machine_alone_unless_told_otherwise() {
        // RS-77
        let args = Args::parse_from(["mcp-server", "--secret", "0123456789abcdef0123456789abcdef"]);
        assert!(args.listen.ip().is_loopback(), "{}", args.listen);
    }
}
