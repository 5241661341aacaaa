//! The authorization server, at port 3001:
//!
//!     cargo run -p separate-servers --bin authorization-server

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::Parser;
use oauth_core::{OsEntropy, Secret};
use oauth_server::OfferedScope;
use oauth_stores::Sweep;
use separate_servers::{Fault, Offer, authorization_server};

/// People sign in here.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// How clients reach this server. Behind a proxy with TLS: https://id.example
    #[arg(long, env = "OAUTH_ISSUER", default_value = "http://127.0.0.1:3001")]
    issuer: String,

    /// The MCP server's address, as people type it.
    #[arg(long, env = "MCP_AUDIENCE", default_value = "http://127.0.0.1:3232/mcp")]
    mcp: String,

    /// The secret with which the MCP server asks. Without it, one is made and shown.
    #[arg(long, env = "MCP_CLIENT_SECRET", hide_env_values = true, value_parser = hosting::secret)]
    secret: Option<Arc<Secret>>,

    /// What people are told that the MCP server is.
    #[arg(long, default_value = "Calculator")]
    name: String,

    /// A scope of the MCP server, and what it means: mcp:tools="Use the tools". Once for each; without any, those of the calculator.
    #[arg(long = "scope", value_name = "NAME=WORDS", value_parser = scope)]
    scopes: Vec<OfferedScope>,

    /// A scope that a client gets only once it asks for it by name.
    #[arg(long = "scope-on-request", value_name = "NAME=WORDS", value_parser = scope, requires = "scopes")]
    on_request: Vec<OfferedScope>,

    #[command(flatten)]
    owner: hosting::OwnerArgs,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: std::net::SocketAddr,

    /// The file of the database, which is made if it is missing, for its owner alone; or its URL: sqlite://…; with the features `postgres` and
    /// `redis` also postgres://…, redis://…, redis-cluster://….
    #[arg(
        long,
        env = "OAUTH_DATABASE",
        hide_env_values = true,
        default_value = "authorization-server.sqlite"
    )]
    database: String,
}

fn scope(text: &str) -> Result<OfferedScope, String> {
    let (name, words) = text.split_once('=').ok_or("write NAME=WORDS")?;
    Ok(OfferedScope::new(name, words))
}

impl Args {
    fn offer(&self) -> Offer {
        if self.scopes.is_empty() {
            return Offer { name: self.name.clone(), ..Offer::default() };
        }
        let on_request = self.on_request.iter().cloned().map(OfferedScope::on_request);
        Offer { name: self.name.clone(), scopes: self.scopes.iter().cloned().chain(on_request).collect() }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    hosting::ended("authorization-server", run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Fault> {
    let listener = hosting::listen(args.listen, "--listen").await?;
    let stores = hosting::open(&args.database).await?;
    let owner = args.owner.open(&stores).await?;
    let secret = args.secret.clone().unwrap_or_else(|| Arc::new(Secret::generate(&OsEntropy)));
    let server =
        authorization_server(&args.issuer, &args.mcp, &secret, args.offer(), stores.clone(), owner).await?;
    println!("Authorization server: {}", args.issuer);
    if args.secret.is_none() {
        println!("\nThe MCP server beside it:");
        println!("  MCP_CLIENT_SECRET={} cargo run -p separate-servers --bin mcp-server", secret.expose());
    }
    // What has ended is forgotten an hour later, by one server of all.
    let _sweeper = Sweep::new(stores).start();
    hosting::run(listener, Router::new().fallback_service(server)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_to_this_machine_alone_unless_told_otherwise() {
        // RS-77
        let args = Args::parse_from(["authorization-server"]);
        assert!(args.listen.ip().is_loopback(), "{}", args.listen);
    }
}
