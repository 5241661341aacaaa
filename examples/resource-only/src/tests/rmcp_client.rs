//! The official Rust client finds the issuer, signs in there, and uses what its scopes open; then it steps up.

use std::error::Error;

use axum::Router;
use clap::Parser as _;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_server::OfferedScope;
use oauth_testing::{Browser, Client, Person, Site, Tcp};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
    ReadResourceRequestParams,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService, ServiceError};
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, AuthorizationSession,
};
use rmcp::transport::streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig};
use rmcp::transport::{AuthError, StreamableHttpClientTransport};
use separate_servers::{INTROSPECT, Offer, authorization_server};
use serde_json::json;

use crate::settings::Settings;
use crate::tests::{listen, serve};

const CALLBACK: &str = "http://127.0.0.1:33418/oauth/callback";

/// The server behind an authorization server of its own process, which knows nothing of it but its name.
async fn start() -> String {
    let ((as_listener, issuer), (listener, origin)) = (listen().await, listen().await);
    let mcp = format!("{origin}/mcp");
    let (secret, stores) = (Secret::generate(&OsEntropy), Stores::memory());
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let scopes = vec![
        OfferedScope::new("mcp:tools", "Use the tools"),
        OfferedScope::new("mcp:resources", "Read what it offers"),
        OfferedScope::new("mcp:admin", "Restart it").on_request(),
    ];
    let offer = Offer { name: "Tools".to_owned(), scopes };
    let server = authorization_server(&issuer, &mcp, &secret, offer, stores, owner).await.unwrap();
    serve(as_listener, Router::new().fallback_service(server));

    let endpoint = format!("{issuer}{INTROSPECT}");
    let settings = Settings::parse_from([
        "resource-only",
        "--issuer",
        &issuer,
        "--listen",
        origin.strip_prefix("http://").unwrap(),
        "--introspection-endpoint",
        &endpoint,
        "--client-id",
        &mcp,
        "--client-secret",
        secret.expose(),
    ]);
    let (app, _) = crate::app(&settings).unwrap();
    serve(listener, app);
    mcp
}

/// Somebody at a browser, who agrees.
struct Owner {
    browser: Browser,
    /// Knows where the client is called back.
    client: Client,
}

impl Owner {
    async fn agree(&mut self, manager: &mut AuthorizationManager, url: &str) -> Result<(), AuthError> {
        let person = Person::new(Site::PASSPHRASE);
        let back = person.answer(&mut self.browser, &self.client, &url.parse().unwrap()).await.unwrap();
        let callback = AuthorizationCallback::from_redirect_url(back.url.as_str()).unwrap();
        let (code, state, issuer) = (&callback.code, &callback.csrf_token, callback.issuer.as_deref());
        manager.exchange_code_for_token_with_issuer(code, state, issuer).await.map(drop)
    }
}

type Mcp = RunningService<RoleClient, ClientConfig>;

async fn connect(client: &AuthClient<reqwest::Client>, mcp: &str, mode: ClientLifecycleMode) -> Mcp {
    let config = StreamableHttpClientTransportConfig::with_uri(mcp);
    let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
    let info = ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "1"));
    info.serve_with_lifecycle(transport, mode).await.unwrap()
}

async fn call(mcp: &Mcp, tool: &'static str, arguments: serde_json::Value) -> Result<String, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap();
    let answer = mcp.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    Ok(serde_json::to_value(&answer.content).unwrap()[0]["text"].as_str().unwrap().to_owned())
}

async fn tools(mcp: &Mcp) -> Vec<String> {
    mcp.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.to_string()).collect()
}

#[tokio::test]
async fn the_official_client_goes_the_whole_way() -> Result<(), AuthError> {
    // RS-1, RS-22, RS-69
    let mcp = start().await;
    let mut manager = AuthorizationManager::new(&mcp).await?;
    let found = manager.resolve_metadata().await?;
    manager.set_metadata(found.metadata);
    let request = AuthorizationRequest::new(CALLBACK).with_client_name("test").with_initial_scope_selection();
    let session = AuthorizationSession::new(manager, request).await.map_err(|(_, error)| error)?;
    let client = Client::new(Tcp::new(), &mcp).unwrap();
    let mut owner = Owner { browser: Browser::new(Tcp::new()), client };
    let url = session.get_authorization_url().to_owned();
    let mut manager = session.auth_manager;
    owner.agree(&mut manager, &url).await?;

    let client = AuthClient::new(reqwest::Client::new(), manager);
    let shared = client.auth_manager.clone();
    for mode in [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    ] {
        let connected = connect(&client, &mcp, mode).await;
        // What it may use, and no more.
        assert_eq!(tools(&connected).await, ["count_words", "whoami"]);
        assert_eq!(call(&connected, "count_words", json!({"text": "a b c"})).await.unwrap(), "3");
        let who = call(&connected, "whoami", json!({})).await.unwrap();
        assert!(who.ends_with("with mcp:resources mcp:tools"), "{who}");
        let about = ReadResourceRequestParams::new("about://server");
        let about = serde_json::to_value(connected.read_resource(about).await.unwrap()).unwrap();
        assert!(about["contents"][0]["text"].as_str().unwrap().contains("mcp:resources"), "{about}");
        connected.cancel().await.unwrap();
    }

    // Refused by a 403 that says what it lacks; with that, it may.
    let connected = connect(&client, &mcp, ClientLifecycleMode::Initialize).await;
    let Err(ServiceError::TransportSend(refusal)) = call(&connected, "restart", json!({})).await else {
        panic!("it was not refused");
    };
    let lacks = insufficient_scope(&*refusal.error).expect("a 403 with a challenge");
    let wanted = lacks.get_required_scope().unwrap().to_owned();
    assert_eq!(wanted, "mcp:admin mcp:resources mcp:tools");
    let url = shared.lock().await.request_scope_upgrade(&wanted).await?;
    owner.agree(&mut *shared.lock().await, &url).await?;
    assert!(call(&connected, "restart", json!({})).await.unwrap().starts_with("restarted for "));
    assert_eq!(tools(&connected).await, ["count_words", "restart", "whoami"]);
    connected.cancel().await.unwrap();
    Ok(())
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
