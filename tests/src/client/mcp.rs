//! JSON-RPC to the MCP server, over Streamable HTTP: with a session, or by the stateless protocol.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use serde_json::{Value, json};

use super::{Answer, Client, ClientError};
use crate::challenge::Challenge;

/// A version of MCP.
///
/// ```
/// use oauth_testing::Protocol;
/// assert_eq!(Protocol::default().version(), "2025-11-25");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// 2025-11-25: `initialize` first, then a session.
    #[default]
    Session,
    /// 2026-07-28: every request says all by itself.
    Stateless,
}

impl Protocol {
    /// As it stands in `MCP-Protocol-Version`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Session => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }
}

/// A connection to an MCP server.
///
/// ```
/// # use axum::{Json, Router, http::HeaderMap, routing::post};
/// use oauth_testing::{Client, InProcess, Protocol};
/// use serde_json::json;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let server = Router::new().route("/mcp", post(|headers: HeaderMap| async move {
/// #     Json(json!({ "jsonrpc": "2.0", "id": 1, "result": { "called": headers["mcp-name"].to_str().unwrap() } }))
/// # }));
/// let client = Client::new(InProcess::new(server), "https://mcp.example/mcp")?.with_protocol(Protocol::Stateless);
/// let mut mcp = client.mcp();
/// mcp.connect(Some("token")).await?;
/// let answer = mcp.call_tool(Some("token"), "list_notes", json!({})).await?;
/// assert_eq!(answer.result()?["called"], "list_notes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Mcp<'a> {
    client: &'a Client,
    headers: HeaderMap,
    last_id: u64,
}

/// What an MCP server answers to one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct McpAnswer {
    /// The response.
    pub http: Answer,
    /// The JSON-RPC message with a result or an error in it, from a JSON body or from an event stream.
    pub message: Option<Value>,
}

impl McpAnswer {
    fn read(http: Answer) -> Self {
        let text = http.text();
        let events = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .filter_map(|data| serde_json::from_str(data).ok());
        let message = std::iter::once(http.json.clone()).chain(events).find(|message: &Value| {
            message.get("result").is_some() || message.pointer("/error/code").is_some()
        });
        Self { http, message }
    }

    /// The result.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a JSON-RPC error, [`ClientError::Status`] if there is no message.
    pub fn result(&self) -> Result<&Value, ClientError> {
        let Some(message) = &self.message else {
            let Answer { url, status, .. } = &self.http;
            return Err(ClientError::Status { url: url.clone(), status: *status, body: self.http.text() });
        };
        message.get("result").ok_or_else(|| ClientError::Refused {
            error: message.pointer("/error/code").map(ToString::to_string).unwrap_or_default(),
            description: message
                .pointer("/error/message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// The `Bearer` challenge, if it was refused with one.
    ///
    /// # Errors
    /// See [`Challenge::of`].
    pub fn challenge(&self) -> Result<Option<Challenge>, ClientError> {
        Ok(self.http.challenges()?.into_iter().find(|challenge| challenge.is("bearer")))
    }
}

impl Client {
    /// A connection to the MCP server, by this client's protocol.
    #[must_use]
    pub fn mcp(&self) -> Mcp<'_> {
        Mcp { client: self, headers: HeaderMap::new(), last_id: 0 }
    }
}

impl Mcp<'_> {
    /// A header to send with every request, in place of the one that is there: `Mcp-Session-Id`, `Origin`.
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> &mut Self {
        self.headers.insert(name, value);
        self
    }

    /// The session that the server opened.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.headers.get("mcp-session-id")?.to_str().ok()
    }

    /// Opens a session, where the protocol has them. Nothing is sent where it has none.
    ///
    /// # Errors
    /// [`ClientError::Wire`], and what [`McpAnswer::result`] says of a refusal.
    pub async fn connect(&mut self, bearer: Option<&str>) -> Result<(), ClientError> {
        if self.client.protocol == Protocol::Stateless {
            return Ok(());
        }
        let hello = json!({
            "protocolVersion": self.client.protocol.version(),
            "capabilities": {},
            "clientInfo": { "name": "oauth-testing", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = self.call(bearer, "initialize", hello).await?;
        answer.result()?;
        let version = HeaderValue::from_static(self.client.protocol.version());
        self.headers.insert("mcp-protocol-version", version);
        if let Some(session) = answer.http.headers.get("mcp-session-id") {
            self.headers.insert("mcp-session-id", session.clone());
        }
        self.post(bearer, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(())
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// [`ClientError::Wire`]. A refusal is an answer.
    pub async fn call_tool(
        &mut self,
        bearer: Option<&str>,
        name: &str,
        arguments: Value,
    ) -> Result<McpAnswer, ClientError> {
        self.call(bearer, "tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`ClientError::Wire`]. A refusal is an answer.
    pub async fn call(
        &mut self,
        bearer: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<McpAnswer, ClientError> {
        self.last_id += 1;
        let mut message = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        if self.client.protocol == Protocol::Stateless {
            message["params"]["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.client.protocol.version(),
                "io.modelcontextprotocol/clientInfo": { "name": "oauth-testing", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.post(bearer, &message).await
    }

    /// Posts any JSON: a batch, a response, nonsense. The headers are those of its method.
    ///
    /// # Errors
    /// [`ClientError::Wire`]. A refusal is an answer.
    pub async fn post(&self, bearer: Option<&str>, message: &Value) -> Result<McpAnswer, ClientError> {
        let url = self.client.resource();
        let mut request = Request::post(url.as_str())
            .body(Bytes::from(message.to_string()))
            .map_err(|_| ClientError::Url(url.to_string()))?;
        let headers = request.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, "application/json");
        set(header::ACCEPT, "application/json, text/event-stream");
        if let Some(token) = bearer {
            set(header::AUTHORIZATION, &format!("Bearer {token}"));
        }
        if self.client.protocol == Protocol::Stateless {
            set(HeaderName::from_static("mcp-protocol-version"), self.client.protocol.version());
            if let Some(method) = message.get("method").and_then(Value::as_str) {
                set(HeaderName::from_static("mcp-method"), method);
            }
            let name = message.pointer("/params/name").or_else(|| message.pointer("/params/uri"));
            if let Some(name) = name.and_then(Value::as_str) {
                set(HeaderName::from_static("mcp-name"), name);
            }
        }
        headers.extend(self.headers.clone());
        Ok(McpAnswer::read(self.client.exchange(request, url).await?))
    }
}
