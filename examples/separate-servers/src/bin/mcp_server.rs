//! The MCP server, at port 3232:
//!
//!     MCP_CLIENT_SECRET=… cargo run -p separate-servers --bin mcp-server

#![allow(clippy::print_stdout, clippy::print_stderr)]

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
    #[arg(long, env = "MCP_CLIENT_SECRET", hide_env_values = true, value_parser = secret)]
    secret: Arc<Secret>,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3232")]
    listen: std::net::SocketAddr,
}

fn secret(text: &str) -> Result<Arc<Secret>, std::convert::Infallible> {
    Ok(Arc::new(Secret::new(text.to_owned())))
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Fault> {
    let listener = hosting::listen(args.listen, "--listen").await?;
    let app = mcp_server(&args.mcp, &args.issuer, &args.secret)?;
    println!("MCP server: {}\nTokens of:  {}", args.mcp, args.issuer);
    hosting::run(listener, app).await;
    Ok(())
}
