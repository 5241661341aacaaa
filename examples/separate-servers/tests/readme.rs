//! The lines of the README, and a client that comes to them.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::sync::Arc;

use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_resource::Caller;
use oauth_testing::{Browser, Client, InProcess, Mcp, Person, Site, Visit};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;

#[derive(Clone, Debug)]
struct Notes;

#[tool_router]
impl Notes {
    /// Says whose they are.
    #[tool]
    async fn list_notes(&self, caller: Caller) -> Result<String, ErrorData> {
        Ok(format!("it is {}", caller.subject()))
    }

    /// Adds a note.
    #[tool]
    async fn add_note(&self) -> String {
        "added".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Notes {}

type Fault = Box<dyn std::error::Error>;

#[rustfmt::skip]
mod lines {
    use super::{Fault, LocalSessionManager, Notes, OwnerPassphrase, Stores, StreamableHttpService};
// README
use axum::Router;
use oauth_resource::{ProtectedResource, ScopeRules, WELL_KNOWN};
use oauth_server::{AuthorizationServer, OfferedScope};
use tower::Layer as _;

    pub(super) async fn app(
        stores: Stores,
        owner: OwnerPassphrase,
        mcp: StreamableHttpService<Notes, LocalSessionManager>,
    ) -> Result<Router, Fault> {
// README
let server = AuthorizationServer::builder("https://notes.example", stores.clone())
    .resource("https://notes.example/mcp")
    .scope(OfferedScope::new("notes:read", "Read your notes").required())
    .scope(OfferedScope::new("notes:write", "Add notes"))
    .sign_in_with(owner)
    .build()
    .await?;
let resource = ProtectedResource::builder("https://notes.example/mcp", "https://notes.example")
    .scopes(ScopeRules::builder("notes:read").tool("list_notes", "notes:read").tool("add_note", "notes:write"))
    .challenge_includes_granted(true)
    .stores(&stores)
    .build()?;
let app = Router::new()
    .route_service("/mcp", resource.layer().layer(mcp))
    .route_service(WELL_KNOWN, resource.metadata())
    .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata())
    .fallback_service(server);
// README
        Ok(app)
    }
}

/// What stands in this file between the marks.
fn lines() -> String {
    let parts: Vec<&str> = include_str!("readme.rs").split("// README\n").collect();
    let (uses, _) = parts[1].split_once("\n    pub(super)").unwrap();
    format!("{uses}\n{}", parts[2])
}

async fn call(mcp: &mut Mcp<'_>, token: Option<&str>, tool: &str) -> (u16, String) {
    mcp.connect(token).await.ok();
    let answer = mcp.call_tool(token, tool, json!({})).await.unwrap();
    let challenge =
        answer.http.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let message = answer.message.map(|message| message.to_string());
    (answer.http.status.as_u16(), message.or(challenge).unwrap_or_default())
}

#[test]
fn the_readme_has_these_very_lines() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&lines()), "{}", lines());
}

#[tokio::test]
async fn a_client_finds_its_way_to_a_server_made_of_them() {
    // RS-1, RS-22
    let stores = Stores::memory();
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    let mcp = StreamableHttpService::new(|| Ok(Notes), Arc::new(LocalSessionManager::default()), config);
    let wire = InProcess::new(lines::app(stores, owner, mcp).await.unwrap());

    let client = Client::new(wire.clone(), "https://notes.example/mcp").unwrap();
    assert_eq!(call(&mut client.mcp(), None, "list_notes").await.0, 401);
    let person = Person::new(Site::PASSPHRASE);
    let mut visit = Visit::arrive(client, Browser::new(wire), person).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let tokens = visit.connect_by(&request.clone().set("scope", "notes:read"), &pkce).await.unwrap();
    let (status, text) = call(&mut visit.client.mcp(), Some(&tokens.access_token), "list_notes").await;
    assert!(status == 200 && text.contains("it is "), "{status} {text}");
    // A client that asks for just what a refusal names keeps what it had.
    let (status, challenge) = call(&mut visit.client.mcp(), Some(&tokens.access_token), "add_note").await;
    assert!(status == 403 && challenge.contains(r#"scope="notes:read notes:write""#), "{status} {challenge}");
    let (request, pkce) = visit.request().unwrap();
    let more = visit.connect_by(&request.set("scope", "notes:read notes:write"), &pkce).await.unwrap();
    for tool in ["add_note", "list_notes"] {
        let (status, text) = call(&mut visit.client.mcp(), Some(&more.access_token), tool).await;
        assert_eq!(status, 200, "{text}");
    }
}
