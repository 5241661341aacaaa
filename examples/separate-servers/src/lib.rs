//! Three ways to put the same parts together: an authorization server, an MCP server that asks it, and both in one process.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth_core::fetch::{FetchPolicy, GuardedFetch};
use oauth_core::{Secret, Stores, TokenVerifier};
use oauth_providers::OwnerPassphrase;
use oauth_resource::{
    Caller, IntrospectionCredentials, IntrospectionVerifier, ProtectedResource, ScopeRules, StoreVerifier,
    TrustedIssuer, WELL_KNOWN,
};
use oauth_server::{AuthorizationServer, OfferedScope, PeerAddress};
use oauth_stores::{Connect as _, ConnectError, SqliteStore};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _};

/// What goes wrong at start.
pub type Fault = Box<dyn Error + Send + Sync>;

/// What the authorization server offers for the MCP server beside it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What people are told that the MCP server is.
    pub name: String,
    /// What they can allow there.
    pub scopes: Vec<OfferedScope>,
}

/// The calculator's.
impl Default for Offer {
    fn default() -> Self {
        let scopes = vec![
            OfferedScope::new("calc:use", "Calculate").required(),
            OfferedScope::new("calc:big", "Calculate with big numbers").on_request(),
        ];
        Self { name: "Calculator".to_owned(), scopes }
    }
}

/// Opens the database: a file of SQLite by its name, or what a URL names.
///
/// # Errors
/// What is wrong with it, without its password.
pub async fn open(database: &str) -> Result<Stores, Fault> {
    let is_path = database.starts_with(['.', '/', '\\'])
        || matches!(database.as_bytes(), [_, b':', b'\\' | b'/', ..])
        // What somebody meant as an address of a database becomes no file of that name.
        || !database.contains([':', '=', ';', '@', '?']);
    if is_path && !database.contains("://") {
        return Ok(Stores::new(SqliteStore::open(database)?));
    }
    match Stores::connect(database).await {
        Err(error @ ConnectError::NoScheme { .. }) => {
            Err(format!("{error}; before a file of such a name write ./").into())
        }
        opened => Ok(opened?),
    }
}

/// How long the head of a request may take (TOK-16).
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the MCP server asks.
pub const INTROSPECT: &str = "/introspect";

/// The authorization server by itself: people sign in here, and the MCP server asks here.
///
/// # Errors
/// What is wrong with the addresses or the secret.
pub async fn authorization_server(
    issuer: &str,
    mcp: &str,
    secret: &Secret,
    offer: Offer,
    stores: Stores,
    owner: OwnerPassphrase,
) -> Result<AuthorizationServer, Fault> {
    let mut server = AuthorizationServer::builder(issuer, stores).named_resource(mcp, &offer.name);
    for scope in offer.scopes {
        server = server.scope(scope);
    }
    let server = server
        // The MCP server proves with it that it may ask.
        .resource_secret(mcp, secret.expose())
        .client_documents(Arc::new(GuardedFetch::new(FetchPolicy::new())?))
        .sign_in_with(owner)
        .build()
        .await?;
    Ok(server)
}

/// The MCP server by itself: it asks `issuer` about tokens.
///
/// # Errors
/// What is wrong with the addresses.
pub fn mcp_server(mcp: &str, issuer: &str, secret: &Secret) -> Result<Router, Fault> {
    // The issuer is named here and by nobody else; on loopback it has to be let through by name.
    // Every caller's token is asked about at this one host.
    let policy = FetchPolicy::new().with_max_concurrent(64).with_max_concurrent_per_host(64);
    let policy = if issuer.starts_with("http://") { policy.insecure_allow_loopback() } else { policy };
    let fetch = GuardedFetch::builder(policy).with_keep_alive(Duration::from_secs(30)).build()?;
    let verifier = IntrospectionVerifier::builder(mcp, TrustedIssuer::new(issuer))
        .endpoint(&format!("{issuer}{INTROSPECT}"))
        .credentials(IntrospectionCredentials::basic(mcp, Secret::new(secret.expose().to_owned())))
        .fetch(Arc::new(fetch))
        .tokens_of_our_form()
        .build()?;
    protected(
        &ProtectedResource::builder(mcp, issuer)
            .name("Calculator")
            .scopes(rules())
            .verifier(verifier)
            .build()?,
    )
}

/// Both in one process: the MCP server looks tokens up in the store.
///
/// # Errors
/// What is wrong with the address.
pub async fn embedded(origin: &str, stores: Stores, owner: OwnerPassphrase) -> Result<Router, Fault> {
    let mcp = format!("{origin}/mcp");
    let secret = Secret::generate(&oauth_core::OsEntropy);
    let server = authorization_server(origin, &mcp, &secret, Offer::default(), stores.clone(), owner).await?;
    let resource: ProtectedResource<StoreVerifier> = ProtectedResource::builder(&mcp, origin)
        .name("Calculator")
        .scopes(rules())
        .stores(&stores)
        .build()?;
    Ok(protected(&resource)?.fallback_service(server))
}

fn rules() -> oauth_resource::ScopeRulesBuilder {
    ScopeRules::builder("calc:use").tool("add", "calc:use")
}

/// The same server behind whatever verifies its tokens.
fn protected<V: TokenVerifier>(resource: &ProtectedResource<V>) -> Result<Router, Fault> {
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        // Answers whole: a tool that wants more scope can then still become a 403.
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let mcp = StreamableHttpService::new(|| Ok(Calculator), Arc::new(LocalSessionManager::default()), config);
    let mcp = resource.layer().layer(resource.tailor().layer(mcp));
    Ok(Router::new()
        .route_service("/mcp", resource.end_streams().layer(mcp))
        .route_service(WELL_KNOWN, resource.metadata())
        .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata()))
}

/// The MCP server: one tool.
#[derive(Clone, Debug)]
struct Calculator;

#[derive(Deserialize, JsonSchema)]
struct Two {
    a: i64,
    b: i64,
}

#[tool_router]
impl Calculator {
    /// Adds two numbers. Big ones need a scope of their own.
    #[tool(annotations(read_only_hint = true))]
    async fn add(
        &self,
        caller: Caller,
        Parameters(Two { a, b }): Parameters<Two>,
    ) -> Result<String, ErrorData> {
        if a.unsigned_abs() > 1_000_000 || b.unsigned_abs() > 1_000_000 {
            caller.require("calc:big")?;
        }
        Ok(a.saturating_add(b).to_string())
    }
}

#[tool_handler]
impl ServerHandler for Calculator {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("calculator", env!("CARGO_PKG_VERSION")))
    }
}

/// Serves until it is stopped. HTTP/1.1: what comes by HTTP/2 has a proxy before it.
pub async fn serve(listener: TcpListener, app: Router) {
    // They end with it.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // Somebody came and went.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let app = app.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let mut request = request.map(Body::new);
                // Limits tell callers apart by their address.
                request.extensions_mut().insert(PeerAddress(peer.ip()));
                app.clone().oneshot(request)
            });
            let mut builder = http1::Builder::new();
            // Who sends the head of a request drop by drop is cut off.
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(error = &error as &dyn Error, "a connection broke off");
            }
        });
    }
}
