//! Sign-in, tokens and `/verify`, at port 4181:
//!
//!     cargo run -p forward-auth -- --guard https://notes.example/mcp=Notes

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use forward_auth::{Fault, Guarded, gateway};
use oauth_resource::ProxyStyle;
use oauth_stores::Sweep;

/// Guards MCP servers that know nothing of OAuth, together with the reverse proxy before them.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// An MCP server behind the proxy, as people type its address, and what it is: https://notes.example/mcp=Notes. Once for each.
    #[arg(long = "guard", value_name = "URL=NAME", required = true)]
    guarded: Vec<Guarded>,

    /// How browsers and clients reach this server. Behind the proxy, with TLS: https://id.example
    #[arg(long, env = "OAUTH_ISSUER", default_value = "http://127.0.0.1:4181")]
    issuer: String,

    /// Which proxy asks.
    #[arg(long, value_enum, default_value_t = Proxy::Caddy)]
    proxy: Proxy,

    /// The network of the proxy: who else asks is refused, and whose word about addresses counts. Once for each.
    #[arg(long = "trusted-proxy", value_name = "NETWORK", default_value = "127.0.0.0/8")]
    trusted_proxies: Vec<String>,

    #[command(flatten)]
    owner: hosting::OwnerArgs,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:4181")]
    listen: std::net::SocketAddr,

    /// The file of the database, which is made if it is missing, for its owner alone; or its URL: sqlite://…; with the features `postgres` and
    /// `redis` also postgres://…, redis://…, redis-cluster://….
    #[arg(long, env = "OAUTH_DATABASE", hide_env_values = true, default_value = "forward-auth.sqlite")]
    database: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Proxy {
    Caddy,
    Traefik,
    Nginx,
    /// The ingress controller of nginx.
    IngressNginx,
    Envoy,
}

impl From<Proxy> for ProxyStyle {
    fn from(proxy: Proxy) -> Self {
        match proxy {
            Proxy::Caddy | Proxy::Traefik => Self::ForwardedUri,
            Proxy::Nginx => Self::OriginalUri,
            Proxy::IngressNginx => Self::OriginalUrl,
            Proxy::Envoy => Self::Path,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    hosting::ended("forward-auth", run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), Fault> {
    let listener = hosting::listen(args.listen, "--listen").await?;
    let stores = hosting::open(&args.database).await?;
    let owner = args.owner.open(&stores).await?;
    let app =
        gateway(&args.issuer, &args.guarded, args.proxy.into(), &args.trusted_proxies, stores.clone(), owner)
            .await?;
    println!("Authorization server: {}", args.issuer);
    for guarded in &args.guarded {
        println!("Guarded:              {}  {}", guarded.url, guarded.name);
    }
    println!("The proxy asks:       http://{}/verify", listener.local_addr()?);
    // What has ended is forgotten an hour later, by one server of all.
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
        let args = Args::parse_from(["forward-auth", "--guard", "https://notes.example/mcp=Notes"]);
        assert!(args.listen.ip().is_loopback(), "{}", args.listen);
    }
}
