//! A service in this process: no socket, no port, no waiting.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use oauth_core::async_trait;
use tower_service::Service;

use super::{Wire, WireError, origin_form};

/// The wire to a tower service in the same process: the authorization server, an axum `Router`, a layered MCP service.
///
/// ```
/// use axum::{Router, routing::get};
/// use bytes::Bytes;
/// use oauth_testing::{InProcess, Wire};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let wire = InProcess::new(Router::new().route("/", get(|| async { "hello" })));
/// let request = http::Request::get("https://as.example/").body(Bytes::new())?;
/// assert_eq!(wire.send(request).await?.body(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct InProcess<S> {
    service: S,
    prepare: Arc<Prepare>,
}

type Prepare = dyn Fn(&mut Request<Full<Bytes>>) + Send + Sync;

impl<S> InProcess<S> {
    /// The wire to `service`. Each request gets a clone.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self { service, prepare: Arc::new(|_| ()) }
    }

    /// Changes every request just before it arrives: adds what a server's accept loop would, say the peer's address as an
    /// extension.
    ///
    /// ```
    /// use axum::{Extension, Router, routing::get};
    /// use bytes::Bytes;
    /// use oauth_testing::{InProcess, Wire};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let router = Router::new().route("/", get(|Extension(from): Extension<&'static str>| async move { from }));
    /// let wire = InProcess::new(router).with_prepared(|request| drop(request.extensions_mut().insert("192.0.2.1")));
    /// let request = http::Request::get("https://as.example/").body(Bytes::new())?;
    /// assert_eq!(wire.send(request).await?.body(), "192.0.2.1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_prepared(
        mut self,
        prepare: impl Fn(&mut Request<Full<Bytes>>) + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Arc::new(prepare);
        self
    }
}

#[async_trait]
impl<S, B> Wire for InProcess<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        origin_form(&mut request)?;
        let mut request = request.map(Full::new);
        (self.prepare)(&mut request);
        let mut service = self.service.clone();
        let response = match poll_fn(|context| service.poll_ready(context)).await {
            Ok(()) => service.call(request).await,
            Err(never) => match never {},
        };
        let (parts, body) = match response {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        let body = body.collect().await.map_err(|error| WireError::Broken(error.into()))?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

impl<S> fmt::Debug for InProcess<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}
