//! The layer, and its service, that hands answers on to be rewritten.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use oauth_core::ResourceUri;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::refusals::future::ResponseFuture;

/// Writes the body of a 401 or 403 as an error of JSON-RPC. Stands outside of the resource's own layer.
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt as _, Full};
/// use oauth_core::Stores;
/// use oauth_resource::{JsonRpcRefusalsLayer, PeekedBody, ProtectedResource};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
/// # type Body = Full<bytes::Bytes>;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<PeekedBody<Body>>| async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::default())) });
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
///     .scopes_supported("notes:read")
///     .stores(&Stores::memory())
///     .build()?;
/// let refusals = JsonRpcRefusalsLayer::new(resource.resource(), "https://as.example/authorize", "https://as.example/token");
/// let service = refusals.layer(resource.layer().layer(mcp_server));
///
/// let answer = service.oneshot(Request::get("/mcp").body(Body::default())?).await?;
/// assert_eq!(answer.status(), 401);
/// assert!(answer.headers().contains_key("www-authenticate"));
/// let body: serde_json::Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
/// assert_eq!(body["error"], serde_json::json!({
///     "code": -32001,
///     "message": "Authentication required",
///     "data": {
///         "type": "oauth2",
///         "grant_type": "authorization_code",
///         "authorization_url": "https://as.example/authorize",
///         "token_url": "https://as.example/token",
///         "scopes": ["notes:read"],
///         "resource": "https://mcp.example/mcp",
///         "code_challenge_method": "S256",
///     },
/// }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct JsonRpcRefusalsLayer {
    told: Arc<Told>,
}

/// What stands in each of them.
pub(super) struct Told {
    pub(super) resource: String,
    pub(super) authorization_url: String,
    pub(super) token_url: String,
}

impl JsonRpcRefusalsLayer {
    /// For this resource, with the endpoints of its authorization server.
    #[must_use]
    pub fn new(resource: &ResourceUri, authorization_url: &str, token_url: &str) -> Self {
        let told = Told {
            resource: resource.as_str().to_owned(),
            authorization_url: authorization_url.to_owned(),
            token_url: token_url.to_owned(),
        };
        Self { told: Arc::new(told) }
    }
}

impl<S> Layer<S> for JsonRpcRefusalsLayer {
    type Service = JsonRpcRefusals<S>;

    fn layer(&self, inner: S) -> JsonRpcRefusals<S> {
        JsonRpcRefusals { inner, told: self.told.clone() }
    }
}

impl fmt::Debug for JsonRpcRefusalsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRpcRefusalsLayer").field("resource", &self.told.resource).finish_non_exhaustive()
    }
}

/// Writes the body of a 401 or 403 as an error of JSON-RPC. Made by [`JsonRpcRefusalsLayer`], where the example is.
///
/// ```
/// use oauth_resource::{JsonRpcRefusals, JsonRpcRefusalsLayer};
/// use tower::Layer as _;
///
/// let layer = JsonRpcRefusalsLayer::new(&"https://mcp.example/mcp".parse()?, "https://as.example/authorize", "https://as.example/token");
/// let service: JsonRpcRefusals<&str> = layer.layer("a protected server");
/// assert!(format!("{service:?}").contains("a protected server"));
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone)]
pub struct JsonRpcRefusals<S> {
    inner: S,
    told: Arc<Told>,
}

impl<S, B, R> Service<Request<B>> for JsonRpcRefusals<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.told.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for JsonRpcRefusals<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRpcRefusals").field("inner", &self.inner).finish_non_exhaustive()
    }
}
