//! Three ways to put the same parts together: an authorization server, an MCP server that asks it, and both in one process.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use oauth_core::fetch::{FetchPolicy, GuardedFetch};
use oauth_core::{ResourceUri, Secret, Stores, TokenVerifier};
use oauth_providers::OwnerPassphrase;
use oauth_resource::{
    Caller, Health, IntrospectionCredentials, IntrospectionVerifier, ProtectedResource, ScopeRules,
    StoreVerifier, TrustedIssuer, WELL_KNOWN,
};
use oauth_server::pages::Theme;
use oauth_server::{AuthorizationServer, OfferedScope};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;
use tower::Layer as _;

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
    let mut server = AuthorizationServer::builder(issuer, stores)
        .named_resource(mcp, &offer.name)
        .theme(&Theme::new(&offer.name)?);
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

/// Where the MCP server says how it is.
pub const HEALTH: &str = "/health";

/// The MCP server by itself: it asks `issuer` about tokens, and says at [`HEALTH`] whether it is answered.
///
/// # Errors
/// What is wrong with the addresses.
pub fn mcp_server(mcp: &str, issuer: &str, secret: &Secret) -> Result<Router, Fault> {
    // However it was written: this is what tokens and documents call it.
    let mcp: ResourceUri = mcp.parse()?;
    let mcp = mcp.as_str();
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
    let verifier = Arc::new(verifier);
    let resource = ProtectedResource::builder(mcp, issuer)
        .name("Calculator")
        .scopes(rules())
        .verifier(verifier.clone())
        .build()?;
    if resource.resource().path() == HEALTH {
        return Err(format!("the MCP server cannot be at {HEALTH}: there it says how it is").into());
    }
    let health = Health::new(env!("CARGO_PKG_VERSION")).introspection(verifier);
    Ok(protected(&resource)?.route_service(HEALTH, health).fallback(hosting::not_found))
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
    let path = match resource.resource().path() {
        "" => "/",
        path => path,
    };
    Ok(Router::new()
        .route_service(path, resource.end_streams().layer(mcp))
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
