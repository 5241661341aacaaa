//! The official Rust client signs in at one server and calls the tool of the other, by protocols with and without sessions.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::error::Error;

use axum::Router;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_testing::{Browser, Landed, Site, Tcp};
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService, ServiceError};
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, AuthorizationSession,
};
use rmcp::transport::streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig};
use rmcp::transport::{AuthError, StreamableHttpClientTransport};
use separate_servers::{Offer, authorization_server, mcp_server};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CALLBACK: &str = "http://127.0.0.1:33418/oauth/callback";

async fn serve(listener: TcpListener, app: Router) {
    hosting::serve(listener, app, CancellationToken::new()).await;
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// Goes through the pages, to where the browser is sent back to the client.
async fn go(browser: &mut Browser, url: &str) -> AuthorizationCallback {
    let mut page = browser.get(url).await.unwrap();
    loop {
        page = match browser.follow_until(page, |url| url.as_str().starts_with(CALLBACK)).await.unwrap() {
            Landed::Stopped(url) => return AuthorizationCallback::from_redirect_url(url.as_str()).unwrap(),
            Landed::Page(page) => *page,
        };
        page = match page.form_with_field("passphrase") {
            Ok(form) => {
                browser.submit(form, &[("passphrase", Site::PASSPHRASE)], Some("Sign in")).await.unwrap()
            }
            Err(_) => {
                browser.submit(page.form_with_button("allow").unwrap(), &[], Some("allow")).await.unwrap()
            }
        };
    }
}

type Mcp = RunningService<RoleClient, ClientConfig>;

async fn add(mcp: &Mcp, a: i64) -> Result<String, ServiceError> {
    let arguments = json!({ "a": a, "b": 1 }).as_object().cloned().unwrap();
    let answer = mcp.call_tool(CallToolRequestParams::new("add").with_arguments(arguments)).await?;
    Ok(serde_json::to_value(&answer.content).unwrap()[0]["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_official_client_goes_the_whole_way() -> Result<(), AuthError> {
    let ((as_listener, issuer), (mcp_listener, origin)) = (listen().await, listen().await);
    let mcp = format!("{origin}/mcp");
    let (secret, stores) = (Secret::generate(&OsEntropy), Stores::memory());
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let server = authorization_server(&issuer, &mcp, &secret, Offer::default(), stores, owner).await.unwrap();
    tokio::spawn(serve(as_listener, Router::new().fallback_service(server)));
    tokio::spawn(serve(mcp_listener, mcp_server(&mcp, &issuer, &secret).unwrap()));

    let mut manager = AuthorizationManager::new(&mcp).await?;
    let found = manager.resolve_metadata().await?;
    manager.set_metadata(found.metadata);
    let request = AuthorizationRequest::new(CALLBACK).with_client_name("test").with_initial_scope_selection();
    let session = AuthorizationSession::new(manager, request).await.map_err(|(_, error)| error)?;
    let mut browser = Browser::new(Tcp::new());
    let callback = go(&mut browser, session.get_authorization_url()).await;
    let mut manager = session.auth_manager;
    redeem(&mut manager, &callback).await?;

    let client = AuthClient::new(reqwest::Client::new(), manager);
    let shared = client.auth_manager.clone();
    let info = || ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "1"));
    for mode in [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    ] {
        let config = StreamableHttpClientTransportConfig::with_uri(mcp.as_str());
        let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
        let connected = info().serve_with_lifecycle(transport, mode).await.unwrap();
        let tools = connected.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), 1);
        assert_eq!(add(&connected, 41).await.unwrap(), "42");
        connected.cancel().await.unwrap();
    }

    // The tool finds out that this needs more, the client is told by a 403, and steps up.
    let config = StreamableHttpClientTransportConfig::with_uri(mcp.as_str());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let connected = info().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await.unwrap();
    let Err(ServiceError::TransportSend(refusal)) = add(&connected, 5_000_000).await else {
        panic!("it was not refused");
    };
    let scope = insufficient_scope(&*refusal.error).expect("a 403 with a challenge");
    assert_eq!(scope.get_required_scope(), Some("calc:big calc:use"));
    let again = shared.lock().await.request_scope_upgrade("calc:big calc:use").await?;
    let callback = go(&mut browser, &again).await;
    redeem(&mut *shared.lock().await, &callback).await?;
    assert_eq!(add(&connected, 5_000_000).await.unwrap(), "5000001");
    connected.cancel().await.unwrap();
    Ok(())
}

async fn redeem(
    manager: &mut AuthorizationManager,
    callback: &AuthorizationCallback,
) -> Result<(), AuthError> {
    let (code, state, issuer) = (&callback.code, &callback.csrf_token, callback.issuer.as_deref());
    manager.exchange_code_for_token_with_issuer(code, state, issuer).await.map(drop)
}

/// The 403 among an error's sources.
fn insufficient_scope<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e InsufficientScopeError> {
    let mut source = Some(error);
    while let Some(current) = source {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        source = current.source();
    }
    None
}
