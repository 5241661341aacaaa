//! A protected resource, a token for it, and requests; a server that issues, and the forms that it takes.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, Request};
use http_body_util::Full;
use oauth_core::{
    Binding, Credential, CredentialKind, Form, Grant, GrantId, OsEntropy, REPEATABLE, ResourceUri, Stores,
    SubjectKind, Timestamp, TokenFormat,
};
use oauth_resource::{ProtectedResource, RequireBearerLayer, ScopeRules, StoreVerifier};
use oauth_server::{AuthorizationServer, Builder, Limits, OfferedScope};
use tower::Service;

use crate::client::between;

/// The resource.
pub const RESOURCE: &str = "https://mcp.example/mcp";
/// Who issues.
pub const ISSUER: &str = "https://mcp.example";
/// When.
pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// What most calls look like: 230 bytes.
pub const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{"title":"Groceries this week","text":"bread, butter, two bottles of milk, and something to read on the way home"},"_meta":{"progressToken":1}}}"#;

const CLIENTS: &str =
    r#"[{"client_id":"web-app","client_name":"Web App","redirect_uris":["https://app.example/cb"]}]"#;
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A request's body.
pub type Body = Full<Bytes>;

/// The resource as the README protects it.
#[must_use]
pub fn protected(stores: &Stores) -> ProtectedResource {
    let rules =
        ScopeRules::builder("notes:read").tool("list_notes", "notes:read").tool("add_note", "notes:write");
    ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(rules)
        .stores(stores)
        .build()
        .expect("the configuration is one")
}

/// The bearer layer alone.
#[must_use]
pub fn bearer(stores: &Stores) -> RequireBearerLayer<StoreVerifier> {
    let verifier =
        StoreVerifier::new(stores.grants.clone().into(), &ISSUER.parse().expect("it is an issuer"));
    RequireBearerLayer::new(RESOURCE.parse().expect("it is a resource"), verifier)
        .with_revocations(stores.revocations().clone())
}

/// A call with the token.
#[must_use]
pub fn call(token: &str) -> Request<Body> {
    Request::post("/mcp")
        .header("host", "mcp.example")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .body(Full::new(Bytes::from_static(CALL.as_bytes())))
        .expect("its parts are valid")
}

/// Asks a service that waits for nothing.
pub fn answer<S, B, R>(service: &mut S, request: Request<B>) -> R
where
    S: Service<Request<B>, Response = R, Error = Infallible>,
{
    let Ok(response) = service.call(request).now_or_never().expect("nothing waits here");
    response
}

/// A credential that lives in the store, under a grant of its own, for ten years.
///
/// # Panics
/// If the store has no room.
pub async fn credential_in(stores: &Stores, kind: CredentialKind) -> String {
    let end = NOW + Duration::from_secs(10 * 365 * 86_400);
    let resource: ResourceUri = RESOURCE.parse().expect("it is a resource");
    let grant = Grant {
        id: GrantId::generate(&OsEntropy),
        subject: "owner".parse().expect("it is a subject"),
        subject_kind: SubjectKind::User,
        client_id: "web-app".parse().expect("it is a client"),
        scopes: "notes:read notes:write".parse().expect("they are scopes"),
        resources: resource.into(),
        issued_at: NOW,
        expires_at: end,
        auth_time: Some(NOW),
        revoked_at: None,
    };
    let (secret, key) = TokenFormat::default().mint(kind, grant.id, &OsEntropy);
    let credential = Credential {
        key,
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes.clone(),
        resources: grant.resources.clone(),
        issued_at: NOW,
        expires_at: end,
        code: None,
    };
    stores.grants.open(&grant, &[credential]).await.expect("the store has room");
    secret.expose().to_owned()
}

/// A server over `stores` without limits on requests, with the client `web-app`. How its users sign in is left open.
pub fn issuing(stores: &Stores) -> Builder {
    AuthorizationServer::builder(ISSUER, stores.clone())
        .named_resource(RESOURCE, "Notes")
        .scope(OfferedScope::new("notes:read", "Read your notes").required())
        .scope(OfferedScope::new("notes:write", "Add notes"))
        .clients_json(CLIENTS)
        .limits(Limits::insecure_unlimited())
}

/// What the browser asks for.
#[must_use]
pub fn authorize_path() -> String {
    format!(
        "/authorize?response_type=code&client_id=web-app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=af0ifjsldkj\
         &scope=notes%3Aread+notes%3Awrite&code_challenge={CHALLENGE}&code_challenge_method=S256\
         &resource=https%3A%2F%2Fmcp.example%2Fmcp"
    )
}

/// The form that redeems a code.
#[must_use]
pub fn redeeming(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=web-app&code={code}&code_verifier={VERIFIER}\
         &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&resource=https%3A%2F%2Fmcp.example%2Fmcp"
    )
}

/// The form that refreshes.
#[must_use]
pub fn refreshing(token: &str) -> String {
    format!(
        "grant_type=refresh_token&client_id=web-app&refresh_token={token}&resource=https%3A%2F%2Fmcp.example%2Fmcp"
    )
}

/// Spends a refresh token by the typed operation; the next one.
///
/// # Panics
/// If the token is not good.
pub async fn refresh(server: &AuthorizationServer, token: &str, now: Timestamp) -> String {
    let body = refreshing(token);
    let form = Form::read(body.as_bytes(), REPEATABLE, &[]).expect("it is a form");
    let json = server.token(&HeaderMap::new(), &form, now).await.expect("the token is good");
    between(&json, b"\"refresh_token\":\"", b'"').expect("there is a successor").to_owned()
}
