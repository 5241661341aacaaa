//! A client that knows nothing signs in at one site of a real Caddy and calls a tool at the other, of a server that knows nothing of OAuth.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use forward_auth::gateway;
use http::request::Parts;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_resource::ProxyStyle;
use oauth_testing::{Browser, Client, Mcp, Person, Program, Site, Tcp, Visit};
use rmcp::handler::server::common::Extension;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CADDYFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Caddyfile");

/// Believes what the proxy says.
#[derive(Clone, Debug)]
struct Trusting;

#[tool_router]
impl Trusting {
    /// Tells who called, and whether their token came along.
    #[tool]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        let of = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        format!("{} may {}, token {}", of("x-user-id"), of("x-auth-scopes"), of("authorization"))
    }
}

#[tool_handler]
impl ServerHandler for Trusting {}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(hosting::serve(listener, app, CancellationToken::new()));
    address
}

async fn whoami(mcp: &mut Mcp<'_>, token: Option<&str>) -> (u16, String) {
    mcp.connect(token).await.ok();
    let answer = mcp.call_tool(token, "whoami", json!({})).await.unwrap();
    (answer.http.status.as_u16(), answer.message.map(|message| message.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn a_server_that_knows_nothing_of_oauth_is_guarded() {
    // RS-40, RS-7, A-PROXY-4
    let Some(caddy) = Program::find("caddy", &[]) else { return };
    let [id, site] = [Program::free_port().unwrap(), Program::free_port().unwrap()];
    let (issuer, mcp) = (format!("http://localhost:{id}"), format!("http://localhost:{site}/mcp"));
    let stores = Stores::memory();
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let guarded = [format!("{mcp}=Notes").parse().unwrap()];
    let proxies = ["127.0.0.0/8".to_owned()];
    let gateway =
        gateway(&issuer, &guarded, ProxyStyle::ForwardedUri, &proxies, stores, owner).await.unwrap();
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    let behind =
        StreamableHttpService::new(|| Ok(Trusting), Arc::new(LocalSessionManager::default()), config);
    let (gateway, behind) = (serve(gateway).await, serve(Router::new().route_service("/mcp", behind)).await);

    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(caddy);
    command.args(["run", "--adapter", "caddyfile", "--config", CADDYFILE]);
    for (name, value) in [
        ("ID", &*issuer),
        ("SITE", mcp.trim_end_matches("/mcp")),
        ("GATEWAY", &gateway.to_string()),
        ("MCP", &behind.to_string()),
        ("CADDY_ADMIN", "off"),
        ("HOME", &folder.path().display().to_string()),
    ] {
        command.env(name, value);
    }
    let _caddy = Program::start(command, site, folder).await.unwrap();

    let client = Client::new(Tcp::new(), &mcp).unwrap();
    assert_eq!(whoami(&mut client.mcp(), None).await.0, 401);
    let person = Person::new(Site::PASSPHRASE);
    let mut visit = Visit::arrive(client, Browser::new(Tcp::new()), person).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let token = Some(tokens.access_token.as_str());
    let (status, text) = whoami(&mut visit.client.mcp(), token).await;
    assert!(status == 200 && text.contains("may mcp:use, token -"), "{status} {text}");
    assert!(!text.contains("- may"), "{text}");
    // What is asked at the proxy's own question is answered to nobody else.
    let question = format!("{issuer}/verify").parse().unwrap();
    assert_eq!(visit.client.fetch(&question).await.unwrap().status, 404);
    // Revoked at the one site, refused at the other.
    let refresh = tokens.refresh_token.as_deref().unwrap();
    assert_eq!(visit.send(&visit.revoke(refresh).unwrap()).await.unwrap().status, 200);
    assert_eq!(whoami(&mut visit.client.mcp(), token).await.0, 401);
}
