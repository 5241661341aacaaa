//! Both servers in one process, at port 3232:
//!
//!     cargo run -p separate-servers --bin embedded

#![allow(clippy::print_stdout)]

use oauth_core::{OsEntropy, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_stores::SqliteStore;
use separate_servers::{Fault, embedded, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    tracing_subscriber::fmt().with_env_filter("warn").init();
    let listener = TcpListener::bind("127.0.0.1:3232").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let stores = Stores::new(SqliteStore::open("embedded.sqlite")?);
    let (owner, made) = OwnerPassphrase::open(&stores, &OsEntropy).await?;
    let app = embedded(&origin, stores, owner).await?;
    println!("MCP server: {origin}/mcp");
    if let Some(passphrase) = made {
        println!("Your passphrase, shown this once: {}", passphrase.expose());
    }
    serve(listener, app).await;
    Ok(())
}
