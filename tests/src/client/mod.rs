//! A headless MCP client: finds its way from a 401 to a tool call, one step at a time, each of which a test can bend.

mod answer;
mod authorize;
mod discovery;
mod mcp;
mod pairs;
mod registration;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use oauth_core::{Entropy, OsEntropy, Secret};
use serde_json::Value;
use url::Url;

use crate::challenge::ChallengeError;
use crate::wire::{Wire, WireError};

pub use answer::{Answer, Tokens};
pub use authorize::{AuthorizeRequest, Callback, Pkce};
pub use discovery::Discovery;
pub use mcp::{Mcp, McpAnswer, Protocol};
pub use pairs::Pairs;
pub use registration::{Registration, RegistrationRequest};
pub use token::TokenRequest;

/// A client of one MCP server.
///
/// ```
/// # use axum::{Json, Router, http::header, response::IntoResponse, routing::{get, post}};
/// use oauth_testing::{Client, InProcess, Pkce};
/// # use serde_json::json;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let challenge = r#"Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;
/// # let server = Router::new()
/// #     .route("/mcp", post(move || async move { (axum::http::StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]) }))
/// #     .route("/.well-known/oauth-protected-resource/mcp", get(|| async { Json(json!({
/// #         "resource": "https://mcp.example/mcp", "authorization_servers": ["https://mcp.example"], "scopes_supported": ["notes:read"] })) }))
/// #     .route("/.well-known/oauth-authorization-server", get(|| async { Json(json!({
/// #         "issuer": "https://mcp.example", "authorization_endpoint": "https://mcp.example/authorize",
/// #         "token_endpoint": "https://mcp.example/token", "registration_endpoint": "https://mcp.example/register" })) }))
/// #     .route("/register", post(|| async { (axum::http::StatusCode::CREATED, Json(json!({ "client_id": "c1" }))) }))
/// #     .route("/token", post(|| async { Json(json!({ "access_token": "a1", "token_type": "Bearer", "expires_in": 60 })) }));
/// let client = Client::new(InProcess::new(server), "https://mcp.example/mcp")?;
/// let found = client.discover().await?;
/// let registered = client.register(&found, &client.registration()).await?;
///
/// let pkce = Pkce::generate(&oauth_core::OsEntropy);
/// let request = client.authorize(&found, &registered, &pkce)?;
/// assert!(request.url().as_str().starts_with("https://mcp.example/authorize?response_type=code&client_id=c1&"));
///
/// // Here a browser goes to that URL, and comes back with a code.
/// let callback = "http://127.0.0.1:33418/oauth/callback?code=x&iss=https%3A%2F%2Fmcp.example".parse()?;
/// let callback = oauth_testing::Callback::read(&callback);
/// let redeem = client.redeem(&found, &registered, callback.code()?, pkce.verifier())?;
/// let tokens = client.send(&redeem).await?.tokens()?;
/// assert_eq!(tokens.access_token, "a1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    wire: Arc<dyn Wire>,
    entropy: Arc<dyn Entropy>,
    resource: Url,
    redirect_uri: String,
    protocol: Protocol,
}

/// Why a client could not go on.
///
/// ```
/// use oauth_testing::ClientError;
/// assert_eq!(ClientError::Missing("token_endpoint").to_string(), "no token_endpoint in the answer");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No URL.
    #[error("no absolute url: {0:?}")]
    Url(String),
    /// No response.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A `WWW-Authenticate` header that cannot be read.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// Another status than the one that leads on.
    #[error("{url} answers {status}: {body}")]
    Status {
        /// Where.
        url: Url,
        /// What.
        status: http::StatusCode,
        /// With which body.
        body: String,
    },
    /// No JSON where JSON was to be.
    #[error("no json from {0}")]
    Json(Url),
    /// A member that a client cannot do without.
    #[error("no {0} in the answer")]
    Missing(&'static str),
    /// A value that a client must not accept.
    #[error("{what} is {found:?}, not {expected:?}")]
    Mismatch {
        /// Which.
        what: &'static str,
        /// What stood there.
        found: String,
        /// What should have.
        expected: String,
    },
    /// The server said no, by the protocol.
    #[error("{error}: {description}")]
    Refused {
        /// The error's word.
        error: String,
        /// What it says besides.
        description: String,
    },
}

impl Client {
    /// The address at which most desktop clients wait for the browser.
    pub const REDIRECT_URI: &'static str = "http://127.0.0.1:33418/oauth/callback";

    /// A client for the MCP server at `resource`.
    ///
    /// # Errors
    /// [`ClientError::Url`] if that is none.
    pub fn new(wire: impl Wire, resource: &str) -> Result<Self, ClientError> {
        Ok(Self {
            wire: Arc::new(wire),
            entropy: Arc::new(OsEntropy),
            resource: url(resource)?,
            redirect_uri: Self::REDIRECT_URI.to_owned(),
            protocol: Protocol::default(),
        })
    }

    /// Waits for the browser elsewhere.
    #[must_use]
    pub fn with_redirect_uri(mut self, redirect_uri: &str) -> Self {
        redirect_uri.clone_into(&mut self.redirect_uri);
        self
    }

    /// Draws `state` from another source.
    #[must_use]
    pub fn with_entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Speaks another version of MCP.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The MCP server's URL.
    #[must_use]
    pub fn resource(&self) -> &Url {
        &self.resource
    }

    /// Where it waits for the browser.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Whether a redirect to `url` is one to this client: for [`Browser::follow_until`](crate::Browser::follow_until).
    #[must_use]
    pub fn is_callback(&self, url: &Url) -> bool {
        let own = |text: &str| text.split(['?', '#']).next().map(str::to_owned);
        own(url.as_str()) == own(&self.redirect_uri)
    }

    /// Sends a form, as it is.
    ///
    /// # Errors
    /// [`ClientError::Wire`]. An error of the protocol is an [`Answer`].
    pub async fn send(&self, request: &TokenRequest) -> Result<Answer, ClientError> {
        let mut sent = Request::post(request.url.as_str()).body(request.pairs.encoded().into());
        if let Ok(sent) = &mut sent {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            sent.headers_mut().insert(header::CONTENT_TYPE, form);
            sent.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            sent.headers_mut().extend(request.headers.clone());
        }
        self.exchange(sent.map_err(|_| ClientError::Url(request.url.to_string()))?, &request.url).await
    }

    /// Gets a JSON document.
    ///
    /// # Errors
    /// [`ClientError::Wire`].
    pub async fn fetch(&self, url: &Url) -> Result<Answer, ClientError> {
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header("mcp-protocol-version", self.protocol.version())
            .body(Bytes::new());
        self.exchange(request.map_err(|_| ClientError::Url(url.to_string()))?, url).await
    }

    /// Posts a JSON document, with a bearer token if there is one.
    ///
    /// # Errors
    /// [`ClientError::Wire`].
    pub async fn post_json(
        &self,
        url: &Url,
        bearer: Option<&str>,
        body: &Value,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.as_str().parse().map_err(|_| ClientError::Url(url.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(value) = bearer.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()) {
            headers.insert(header::AUTHORIZATION, value);
        }
        self.exchange(request, url).await
    }

    fn state(&self) -> String {
        Secret::generate(&*self.entropy).expose().to_owned()
    }

    async fn exchange(&self, request: Request<Bytes>, url: &Url) -> Result<Answer, ClientError> {
        Ok(Answer::new(url.clone(), self.wire.send(request).await?))
    }
}

fn url(text: &str) -> Result<Url, ClientError> {
    text.parse().map_err(|_| ClientError::Url(text.to_owned()))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("resource", &self.resource.as_str()).finish_non_exhaustive()
    }
}
