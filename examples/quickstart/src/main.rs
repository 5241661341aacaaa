//! A personal MCP server in one process: sign-in, consent, tokens and scopes, on SQLite. Run it as it is:
//!
//!     cargo run -p quickstart
//!
//! What you would write yourself is [`protected_notes`]; the rest is a command line around it.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod host;
mod limits;
mod notes;
mod tour;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::Parser as _;
use oauth_core::fetch::{FetchPolicy, GuardedFetch};
use oauth_core::{Event, EventSink, OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_resource::{ProtectedResource, ScopeRules, WELL_KNOWN};
use oauth_server::pages::Theme;
use oauth_server::{AuthorizationServer, OfferedScope};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use crate::args::{Args, Command};
use crate::host::Running;
use crate::limits::Rates;
use crate::notes::Notes;

/// An authorization server and a protected MCP server, as one set of routes.
async fn protected_notes(
    origin: &str,
    stores: &Stores,
    owner: OwnerPassphrase,
    notes: Notes,
    options: &Options,
    stop: &CancellationToken,
) -> Result<Router, Box<dyn Error>> {
    let url = format!("{origin}/mcp");

    let mut server = AuthorizationServer::builder(origin, stores.clone())
        .theme(&Theme::new("Notes")?)
        .named_resource(&url, "Notes")
        .scope(OfferedScope::new("notes:read", "Read your notes").required())
        .scope(OfferedScope::new("notes:write", "Add notes"))
        .scope(OfferedScope::new("notes:delete", "Delete notes").on_request())
        .sign_in_with(owner)
        .limits(options.rates.server.clone())
        .client_documents(Arc::new(GuardedFetch::new(options.fetch.clone())?))
        .events(Audit);
    if let Some(clients) = &options.clients {
        server = server.clients_json(clients);
    }
    if options.develop_clients {
        server = server.insecure_development_documents();
    }
    for network in &options.trusted_proxies {
        server = server.trusted_proxy(network);
    }
    let server = server.build().await?;

    let resource = ProtectedResource::builder(&url, origin)
        .name("Notes")
        .scopes(
            ScopeRules::builder("notes:read")
                .tool("list_notes", "notes:read")
                .tool("add_note", "notes:write")
                .tool("delete_note", "notes:delete"),
        )
        .scopes_supported("notes:read notes:write")
        // Older clients ask anew for just what a refusal names, and would lose the rest.
        .challenge_includes_granted(true)
        .stores(stores)
        .build()?;

    // Which hosts may call is judged by the resource's guard, before rmcp sees anything.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_cancellation_token(stop.child_token());
    let mcp = StreamableHttpService::new(
        move || Ok(notes.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );

    // From the inside out: each tool says which scopes it needs, the checks, and no stream that outlives its token.
    let mcp = resource.tailor().with_everything_listed().with_security_schemes().layer(mcp);
    let mcp = resource.end_streams().layer(resource.layer().layer(mcp));

    Ok(Router::new()
        .route_service("/mcp", mcp)
        .route_service(WELL_KNOWN, resource.metadata())
        .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata())
        .fallback_service(server))
}

/// What the command line can change.
struct Options {
    rates: Rates,
    fetch: FetchPolicy,
    clients: Option<String>,
    develop_clients: bool,
    trusted_proxies: Vec<String>,
}

/// Writes what happened to the log. No event holds a secret.
struct Audit;

impl EventSink for Audit {
    fn record(&self, event: &Event<'_>) {
        tracing::info!(target: "audit", "{event}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let quiet = if matches!(args.command, Some(Command::Tour)) { "off" } else { "warn,audit=info" };
    hosting::log(quiet);
    hosting::ended(
        "quickstart",
        match args.command {
            Some(Command::Tour) => tour::walk(args).await,
            None => serve(args).await,
        },
    )
}

async fn serve(args: Args) -> Result<(), Box<dyn Error>> {
    let running = host::start(args).await?;
    greet(&running);
    hosting::stopped().await;
    running.stop().await
}

fn greet(running: &Running) {
    let url = format!("{}/mcp", running.origin);
    println!("Your MCP server: {url}\n");
    match &running.made {
        Some(passphrase) => show(passphrase),
        None if running.given => println!("Your passphrase: the one that you gave\n"),
        None => println!("Your passphrase: as before. A new one: --passphrase, or QUICKSTART_PASSPHRASE\n"),
    }
    println!("Claude Code:  claude mcp add --transport http notes {url}");
    println!("VS Code:      code --add-mcp '{{\"name\":\"notes\",\"type\":\"http\",\"url\":\"{url}\"}}'");
    println!("Inspector:    npx @modelcontextprotocol/inspector   (Streamable HTTP, {url})");
    println!("\nStop it with Ctrl-C.");
}

/// The only time that it is seen.
fn show(passphrase: &Secret) {
    println!(
        "Your passphrase: {}\n  It is shown this once. A new one: --passphrase, or QUICKSTART_PASSPHRASE\n",
        passphrase.expose()
    );
}

/// The owner's way in. Returns the passphrase if one was made now.
async fn owner(
    stores: &Stores,
    args: &Args,
    rates: &Rates,
) -> Result<(OwnerPassphrase, Option<Secret>), Box<dyn Error>> {
    let (owner, made) = match &args.passphrase {
        Some(passphrase) => (OwnerPassphrase::with_passphrase(stores, passphrase, &OsEntropy).await?, None),
        None => OwnerPassphrase::open(stores, &OsEntropy).await?,
    };
    Ok((owner.with_attempts(rates.passphrase_source, rates.passphrase_total), made))
}
