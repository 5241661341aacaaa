//! The MCP server behind the protection: answers everything, and remembers what it saw.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use oauth_resource::Authorized;
use serde_json::{Value, json};

/// A request that got through to the MCP server.
///
/// ```
/// use oauth_testing::{KnownClient, Site};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let site = Site::new().await?;
/// let mut visit = site.visit(KnownClient::WebApp).await?;
/// let tokens = visit.connect().await?;
/// visit.call_tool(&tokens, "list_notes").await?;
///
/// let calls = site.calls();
/// let call = calls.last().expect("the call got through");
/// assert_eq!((call.method(), call.client_id.as_deref()), (Some("tools/call"), Some("web-app")));
/// assert!(!call.headers.contains_key("authorization"));
/// # Ok::<(), oauth_testing::SiteError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The HTTP method.
    pub http_method: Method,
    /// The headers, as the inner service got them.
    pub headers: HeaderMap,
    /// The body; `Null` if it is no JSON.
    pub message: Value,
    /// Whose token it was.
    pub subject: Option<String>,
    /// Which client's.
    pub client_id: Option<String>,
    /// For what.
    pub scope: Option<String>,
}

impl Call {
    /// The JSON-RPC method.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.message.get("method").and_then(Value::as_str)
    }
}

/// What reached the MCP server. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// All calls so far.
    #[must_use]
    pub fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn server(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(State(calls): State<Calls>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_else(|_| Bytes::new());
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let caller = head.extensions.get::<Authorized>();
    let call = Call {
        http_method: head.method,
        headers: head.headers,
        subject: caller.map(|caller| caller.subject().to_string()),
        client_id: caller.map(|caller| caller.client_id().to_string()),
        scope: caller.map(|caller| caller.scopes().as_str().to_owned()),
        message,
    };
    let reply = reply(&call);
    calls.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    reply
}

fn reply(call: &Call) -> Response {
    let Some(id) = call.message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let result = match call.method() {
        Some("initialize") => json!({
            "protocolVersion": call.message.pointer("/params/protocolVersion"),
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "site", "version": env!("CARGO_PKG_VERSION") },
        }),
        Some("tools/call") => {
            let said = format!(
                "{} by {}",
                call.message["params"]["name"],
                call.subject.as_deref().unwrap_or("nobody")
            );
            json!({ "content": [{ "type": "text", "text": said }] })
        }
        _ => json!({}),
    };
    let json = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    let mut response = ([(header::CONTENT_TYPE, "application/json")], json).into_response();
    if call.method() == Some("initialize") {
        response.headers_mut().insert("mcp-session-id", http::HeaderValue::from_static("session-1"));
    }
    response
}
