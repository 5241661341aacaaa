//! An MCP server behind any issuer, configured by environment. Run it as it is:
//!
//!     OAUTH_ISSUER=https://id.example cargo run -p resource-only
//!     OAUTH_ISSUER=https://id.example cargo run -p resource-only -- doctor TOKEN
//!
//! What you would write yourself is [`protected_tools`] and [`Settings::verifier`](settings::Settings::verifier).

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod doctor;
mod settings;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod tools;
mod verifiers;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::Parser as _;
use oauth_core::{Clock as _, SystemClock, Timestamp};
use oauth_resource::{AnyOf, ConfigErrors, ProtectedResource, ScopeRoles, WELL_KNOWN};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower::Layer as _;

use crate::settings::{Command, HEALTH, Settings, by_name};
use crate::tools::Tools;
use crate::verifiers::Verifiers;

/// The MCP server, protected, as one set of routes.
fn protected_tools(settings: &Settings, verifier: AnyOf) -> Result<Router, ConfigErrors> {
    let roles = ScopeRoles::default();
    let mut resource = ProtectedResource::builder(&settings.audience(), &settings.issuer)
        .name("Tools")
        .scopes(roles.rules().tool("restart", roles.admin()))
        .scopes_supported(&format!("{} {}", roles.tools(), roles.resources()))
        .challenge_includes_granted(true)
        .verifier(verifier);
    if let Some(dpop) = settings.possession() {
        resource = resource.dpop(dpop);
    }
    for origin in settings.origins() {
        resource = resource.allow_origin(origin);
    }
    for network in settings.proxies() {
        resource = resource.trusted_proxy(network);
    }
    let resource = resource.build()?;

    // Which hosts may call is judged by the resource's guard, before rmcp sees anything.
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    let mcp = StreamableHttpService::new(|| Ok(Tools), Arc::new(LocalSessionManager::default()), config);
    // From the inside out: lists of what the caller may use, the checks, and no stream that outlives its token.
    let mcp = resource.tailor().with_security_schemes().layer(mcp);
    let mcp = resource.end_streams().layer(resource.layer().layer(mcp));
    let path = match resource.resource().path() {
        "" => "/",
        path => path,
    };
    Ok(Router::new()
        .route_service(path, mcp)
        .route_service(WELL_KNOWN, resource.metadata())
        .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata())
        .fallback(hosting::not_found))
}

/// All of it, or all that is wrong with the settings, a line each.
fn app(settings: &Settings) -> Result<(Router, Verifiers), String> {
    let mut wrong = settings.check();
    let verifiers = settings.verifiers().unwrap_or_else(|lines| {
        wrong.extend(lines);
        // Stands in, so that the rest is looked at, too.
        Verifiers::default()
    });
    let app =
        protected_tools(settings, verifiers.any()).map_err(|errors| by_name("ALLOWED_ORIGINS", &errors));
    let app =
        app.and_then(|app| encrypted(settings, app).map_err(|errors| by_name("TRUSTED_PROXIES", &errors)));
    let app = app.map_err(|lines| wrong.extend(lines));
    match app {
        // Outside of what wants https: whoever asks shows no token, and balancers ask in the clear.
        Ok(app) if wrong.is_empty() => Ok((app.route_service(HEALTH, verifiers.health()), verifiers)),
        _ => {
            // Of what every part reads, each has said the same.
            wrong.sort();
            wrong.dedup();
            Err(wrong.join("\n"))
        }
    }
}

/// The same, for requests that came by https alone, if it is to be so.
fn encrypted(settings: &Settings, app: Router) -> Result<Router, ConfigErrors> {
    Ok(match settings.https()? {
        Some(layer) => app.layer(layer),
        None => app,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    hosting::log("warn");
    let settings = Settings::parse();
    let outcome = match &settings.command {
        Some(Command::Doctor { what }) => doctor::examine(&settings, what.as_deref()).await,
        None => serve(&settings).await.map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("resource-only: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let (app, verifiers) = app(settings)?;
    let listener = hosting::listen(settings.listen, "--listen").await?;
    println!("Your MCP server: {}", settings.audience());
    println!("Tokens of:       {}", settings.issuer);
    println!("Refused? resource-only doctor TOKEN says why.");
    if let Some(keys) = verifiers.keys {
        // A server that nobody is sent to until it is well has no request to fetch them for.
        tokio::spawn(async move { keys.keep_fresh(&SystemClock).await });
    }
    hosting::run(listener, app).await;
    Ok(())
}

/// The time now, as verifiers want it.
fn now() -> Timestamp {
    SystemClock.now()
}
