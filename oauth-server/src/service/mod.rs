//! One `tower::Service` over all paths of the server, and a layer that serves them before another service.

mod endpoint;
mod route;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use self::route::{Place, answer, endpoint_at};
use crate::server::{AuthorizationServer, Context};

/// The future of a response that is on its way.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use oauth_server::{AuthorizationServer, ResponseFuture};
/// use tower::Service as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let builder = AuthorizationServer::builder("https://as.example", oauth_core::Stores::memory());
/// # let mut server = builder.resource("https://as.example/mcp").insecure_approve_all("owner").build().await?;
/// let response: ResponseFuture<Full<Bytes>> = server.call(http::Request::get("/jwks.json").body(Full::<Bytes>::default())?);
/// assert_eq!(response.await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type ResponseFuture<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

impl<B> Service<http::Request<B>> for AuthorizationServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ResponseFuture<Full<Bytes>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let context = self.context.clone();
        Box::pin(async move { Ok(answer(context, request, Place::Alone).await) })
    }
}

/// Serves the server's own paths, and passes everything else on.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_server::AuthorizationServer;
/// use tower::{ServiceBuilder, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = AuthorizationServer::builder("https://as.example", Stores::memory())
///     .resource("https://as.example/mcp")
///     .insecure_approve_all("owner")
///     .build()
///     .await?;
/// let app = service_fn(|_: http::Request<String>| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::from("mcp"))) });
/// let _both = ServiceBuilder::new().layer(server.layer()).service(app);
/// # Ok::<(), oauth_server::BuildError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationLayer {
    server: AuthorizationServer,
}

impl AuthorizationServer {
    /// A layer that serves this server's paths and passes everything else on, `/` too.
    #[must_use]
    pub fn layer(&self) -> AuthorizationLayer {
        AuthorizationLayer { server: self.clone() }
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = WithAuthorization<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithAuthorization { server: self.server.clone(), inner }
    }
}

/// A service with an authorization server before it; made by [`AuthorizationLayer`].
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use oauth_server::{AuthorizationServer, WithAuthorization};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let builder = AuthorizationServer::builder("https://as.example", oauth_core::Stores::memory());
/// # let server = builder.resource("https://as.example/mcp").insecure_approve_all("owner").build().await?;
/// let app = service_fn(|_: http::Request<Full<Bytes>>| async {
///     http::Response::builder().status(418).body(Full::<Bytes>::default())
/// });
/// let both: WithAuthorization<_> = server.layer().layer(app);
/// let at = |path| http::Request::get(path).body(Full::<Bytes>::default());
/// assert_eq!(both.clone().oneshot(at("/jwks.json")?).await?.status(), 200);
/// assert_eq!(both.oneshot(at("/mcp")?).await?.status(), 418);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct WithAuthorization<S> {
    server: AuthorizationServer,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for WithAuthorization<S>
where
    S: Service<http::Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Either<Full<Bytes>, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, poller: &mut Poller<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(poller)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if serves(&self.server.context, request.uri().path()) {
            let context = self.server.context.clone();
            Box::pin(async move { Ok(answer(context, request, Place::BeforeApp).await.map(Either::Left)) })
        } else {
            let response = self.inner.call(request);
            Box::pin(async move { Ok(response.await?.map(Either::Right)) })
        }
    }
}

/// Whether the server answers at `path` before another service.
fn serves(context: &Context, path: &str) -> bool {
    endpoint_at(context, path, Place::BeforeApp).is_some()
}
