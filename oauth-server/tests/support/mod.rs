//! What the tests of the endpoints have in common: a server on a fixed clock, requests, answers, and a way to tokens.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part; a failed set-up is a failed test")]

pub(crate) mod browser;
pub(crate) mod clients;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use oauth_core::testing::FixedClock;
use oauth_core::{Event, EventSink, Stores};
use oauth_server::{AuthorizationServer, Builder, OfferedScope, PeerAddress};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";
pub(crate) const OTHER_RESOURCE: &str = "https://other.example/mcp";
pub(crate) const REDIRECT: &str = "https://app.example/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Clients that the operator configured: a public one, one with a secret, and another with a secret.
pub(crate) const CLIENTS: &str = r#"[
    {"client_id":"public","redirect_uris":["https://app.example/cb"],"client_name":"Public"},
    {"client_id":"secret","redirect_uris":["https://app.example/cb"],"client_secret":"correct-horse-battery"},
    {"client_id":"other","redirect_uris":["https://app.example/cb"],"client_secret":"staple-correct-horse"}
]"#;

/// A server in which whoever asks is the owner and agrees.
pub(crate) fn builder(stores: Stores, clock: &FixedClock) -> Builder {
    AuthorizationServer::builder(ISSUER, stores)
        .named_resource(RESOURCE, "Notes")
        .resource(OTHER_RESOURCE)
        .scope(OfferedScope::new("notes:read", "Read your notes"))
        .scope(OfferedScope::new("notes:write", "Write notes"))
        .scope(OfferedScope::new("notes:delete", "Delete notes").on_request())
        .clients_json(CLIENTS)
        .insecure_approve_all("owner")
        .clock(clock.clone())
}

pub(crate) async fn server() -> AuthorizationServer {
    builder(Stores::memory(), &FixedClock::default()).build().await.unwrap()
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no json: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the error word.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// A parameter of the redirect.
    pub(crate) fn sent_back(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(self.header("location")).ok()?;
        location.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }
}

/// Sends a request.
pub(crate) async fn send(server: &AuthorizationServer, request: Request<Full<Bytes>>) -> Answer {
    let (head, body) = server.clone().oneshot(request).await.unwrap().into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) async fn get(server: &AuthorizationServer, path: &str) -> Answer {
    send(server, request(Method::GET, path, &[], "")).await
}

/// Posts a form, with headers.
pub(crate) async fn post(
    server: &AuthorizationServer,
    path: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    send(server, request(Method::POST, path, &all, body)).await
}

/// Posts JSON to `/register`.
pub(crate) async fn register(server: &AuthorizationServer, metadata: &Value) -> Answer {
    let json = metadata.to_string();
    send(server, request(Method::POST, "/register", &[("content-type", "application/json")], json)).await
}

/// The query of an authorization request.
pub(crate) fn authorize_query(client_id: &str, redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s"),
        ])
        .extend_pairs(more)
        .finish();
    format!("/authorize?{query}")
}

/// Asks for authorization; with `insecure_approve_all` the answer is a redirect with a code.
pub(crate) async fn authorize(server: &AuthorizationServer, client_id: &str, redirect_uri: &str) -> Answer {
    get(server, &authorize_query(client_id, redirect_uri, &[])).await
}

/// The same from an address.
pub(crate) async fn authorize_from(
    server: &AuthorizationServer,
    client_id: &str,
    redirect_uri: &str,
    source: &str,
) -> Answer {
    let mut request = request(Method::GET, &authorize_query(client_id, redirect_uri, &[]), &[], "");
    request.extensions_mut().insert(PeerAddress(source.parse().unwrap()));
    send(server, request).await
}

/// Tokens of a client: the whole code grant.
pub(crate) async fn tokens(
    server: &AuthorizationServer,
    client_id: &str,
    secret: Option<&str>,
    resource: &str,
) -> Value {
    let asked = get(server, &authorize_query(client_id, REDIRECT, &[("resource", resource)])).await;
    let code = asked.sent_back("code").unwrap_or_else(|| panic!("no code: {asked:?}"));
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let basic = secret.map(|secret| basic(client_id, secret));
    let headers: Vec<(&str, &str)> = basic.iter().map(|basic| ("authorization", basic.as_str())).collect();
    if secret.is_none() {
        form.push(("client_id", client_id));
    }
    let answer = post(server, "/token", &headers, &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// The answer to a refresh by a public client.
pub(crate) async fn refresh(server: &AuthorizationServer, client_id: &str, refresh_token: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", client_id)];
    post(server, "/token", &[], &form).await
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

/// Whether a member anywhere in the JSON is `null`, or an empty list or text.
pub(crate) fn has_nothing(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(has_nothing),
        Value::Object(members) => members.values().any(has_nothing),
        _ => false,
    }
}

/// Hears events, as text.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, start: &str) -> bool {
        self.all().iter().any(|event| event.starts_with(start))
    }
}

impl EventSink for Heard {
    fn record(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}
