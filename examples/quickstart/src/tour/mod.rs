//! `quickstart tour`: the whole path, with the real `rmcp` client and a scripted browser, each step printed.

mod print;
mod watched;

use std::error::Error;

use oauth_testing::{Browser, Landed, Tcp};
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, AuthorizationSession,
    CredentialStore as _, InMemoryCredentialStore,
};
use rmcp::transport::streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig};
use serde_json::{Value, json};

use self::print::step;
use self::watched::Watched;
use crate::args::Args;
use crate::host;

/// Where the client listens for the answer. Nobody does: the scripted browser stops before it.
const CALLBACK: &str = "http://127.0.0.1:33421/callback";

type Mcp = RunningService<RoleClient, ClientConfig>;

/// Walks the path on a server of its own, in a folder that is gone afterwards unless one is named.
pub(crate) async fn walk(mut args: Args) -> Result<(), Box<dyn Error>> {
    let own_folder = std::env::temp_dir().join(format!("quickstart-tour-{}", std::process::id()));
    // The tour signs in with a passphrase that it sees made: never on a folder that is in use.
    args.data = own_folder.display().to_string();
    args.port = 0;
    args.passphrase = None;
    args.public_url = None;
    let running = host::start(args).await?;
    let walked = match &running.made {
        Some(passphrase) => path(&format!("{}/mcp", running.origin), passphrase.expose()).await,
        None => Err("the folder of the tour was not empty".into()),
    };
    running.stop().await?;
    std::fs::remove_dir_all(own_folder)?;
    walked?;
    print::done();
    Ok(())
}

async fn path(url: &str, passphrase: &str) -> Result<(), Box<dyn Error>> {
    let mut browser = Browser::new(Tcp::new());

    step(1, "A request without a token", "The server refuses, and says where to learn more (RFC 9728).");
    let Err(refusal) = info().serve(StreamableHttpClientTransport::from_uri(url.to_owned())).await else {
        return Err("the server let a request pass without a token".into());
    };
    let challenge = refusal.auth_challenge().ok_or("there was no challenge")?.to_owned();
    print::refused(&format!("401 {challenge}"));

    step(2, "Discovery", "From the resource's document to the authorization server's (RFC 8414).");
    let store = InMemoryCredentialStore::new();
    let mut manager = AuthorizationManager::new_with_oauth_http_client(url, Watched::new()?).await?;
    manager.set_credential_store(store.clone());
    let found = manager.resolve_metadata_from_challenge(Some(&challenge)).await?;
    let revocation = found
        .metadata
        .additional_fields
        .get("revocation_endpoint")
        .and_then(Value::as_str)
        .map(str::to_owned);
    manager.set_metadata(found.metadata);

    step(3, "Registration", "Nobody knows this client yet; it introduces itself (RFC 7591).");
    let request =
        AuthorizationRequest::new(CALLBACK).with_client_name("The tour").with_initial_scope_selection();
    let session = AuthorizationSession::new(manager, request).await.map_err(|(_, error)| error)?;

    step(
        4,
        "Sign-in and consent",
        "The browser goes to the server. Its user says who they are, and what the client may do.",
    );
    let callback = go(&mut browser, session.get_authorization_url(), passphrase).await?;

    step(
        5,
        "The code becomes tokens",
        "Only who began can redeem it (PKCE, RFC 7636), once, for this resource (RFC 8707).",
    );
    session.handle_callback_url(&callback).await?;

    step(
        6,
        "A tool call",
        "With the token, by protocol 2025-11-25 with a session and by 2026-07-28 without.",
    );
    let client = AuthClient::new(reqwest::Client::new(), session.auth_manager);
    let manager = client.auth_manager.clone();
    let connect = async |mode| -> Result<Mcp, Box<dyn Error>> {
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
        Ok(info().serve_with_lifecycle(transport, mode).await?)
    };
    let old = connect(ClientLifecycleMode::Initialize).await?;
    print::result(&format!(
        "{}: {}",
        version(&old),
        call(&old, "add_note", json!({"text": "Buy milk"})).await?
    ));
    old.cancel().await?;
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let mcp = connect(ClientLifecycleMode::Discover { preferred_versions }).await?;
    print::result(&format!("{}: {}", version(&mcp), call(&mcp, "list_notes", json!({})).await?));

    step(
        7,
        "Step-up",
        "To delete needs a scope that the token lacks: the server says which, and the user is asked again.",
    );
    let delete = CallToolRequestParams::new("delete_note").with_arguments(object(json!({"id": 1})));
    let Err(ServiceError::TransportSend(refusal)) = mcp.call_tool(delete).await else {
        return Err("delete_note was not refused".into());
    };
    let refusal = insufficient_scope(&*refusal.error).ok_or("the refusal names no scope")?;
    print::refused(&format!("403 {}", refusal.www_authenticate_header));
    let scope = refusal.get_required_scope().ok_or("the challenge names no scope")?;
    let again = manager.lock().await.request_scope_upgrade(scope).await?;
    let callback = AuthorizationCallback::from_redirect_url(&go(&mut browser, &again, passphrase).await?)?;
    let (code, state, issuer) = (&callback.code, &callback.csrf_token, callback.issuer.as_deref());
    manager.lock().await.exchange_code_for_token_with_issuer(code, state, issuer).await?;
    print::result(&call(&mcp, "delete_note", json!({"id": 1})).await?);

    step(
        8,
        "Refresh",
        "The access token is short-lived. The refresh token buys the next pair, and is spent by it.",
    );
    manager.lock().await.refresh_token().await?;
    print::result(&call(&mcp, "list_notes", json!({})).await?);

    step(
        9,
        "Revocation",
        "The grant ends with one write (RFC 7009). The very next call is refused, and so is a refresh.",
    );
    let stored = serde_json::to_value(store.load().await?.ok_or("there are no tokens")?)?;
    let token = stored["token_response"]["refresh_token"].as_str().ok_or("there is no refresh token")?;
    let client_id = stored["client_id"].as_str().ok_or("there is no client_id")?;
    revoke(&revocation.ok_or("there is no revocation endpoint")?, token, client_id).await?;
    match call(&mcp, "list_notes", json!({})).await {
        Ok(answer) => return Err(format!("a revoked token was accepted: {answer}").into()),
        Err(_) => print::refused("401 invalid_token: the client must sign in again"),
    }
    mcp.cancel().await?;
    Ok(())
}

/// Takes the browser through the pages, as a person would, to where it is sent back to the client.
async fn go(browser: &mut Browser, url: &str, passphrase: &str) -> Result<String, Box<dyn Error>> {
    let before = browser.history().len();
    let mut page = browser.get(url).await?;
    let callback = loop {
        page = match browser.follow_until(page, |url| url.as_str().starts_with(CALLBACK)).await? {
            Landed::Stopped(url) => break url,
            Landed::Page(page) => *page,
        };
        print::result(&format!("the page says: {}", page.title()));
        page = match page.form_with_field("passphrase") {
            Ok(form) => browser.submit(form, &[("passphrase", passphrase)], Some("Sign in")).await?,
            Err(_) => browser.submit(page.form_with_button("allow")?, &[], Some("allow")).await?,
        };
    };
    for step in &browser.history()[before..] {
        print::sent(&step.method, step.url.as_str(), &[]);
        print::received(step.status, &[]);
    }
    print::result(&format!("back to the client at {CALLBACK} with a code"));
    Ok(callback.to_string())
}

async fn call(mcp: &Mcp, tool: &'static str, arguments: Value) -> Result<String, Box<dyn Error>> {
    let answer = mcp.call_tool(CallToolRequestParams::new(tool).with_arguments(object(arguments))).await?;
    let said = answer.structured_content.map_or_else(
        || serde_json::to_value(&answer.content).map(|content| content[0]["text"].clone()),
        Ok,
    )?;
    Ok(format!("{tool} answers {said}"))
}

async fn revoke(endpoint: &str, token: &str, client_id: &str) -> Result<(), Box<dyn Error>> {
    // Both are written in unreserved characters.
    let body = format!("token={token}&client_id={client_id}");
    print::sent(&http::Method::POST, endpoint, body.as_bytes());
    let request =
        reqwest::Client::new().post(endpoint).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await?;
    print::received(answer.status(), &[]);
    Ok(())
}

fn info() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("tour", env!("CARGO_PKG_VERSION")))
}

fn version(mcp: &Mcp) -> String {
    mcp.peer_info().map(|peer| peer.protocol_version.to_string()).unwrap_or_default()
}

fn object(value: Value) -> rmcp::model::JsonObject {
    match value {
        Value::Object(members) => members,
        _ => rmcp::model::JsonObject::new(),
    }
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
