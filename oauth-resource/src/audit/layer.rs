//! The layer, and its service, that has each request noted.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use oauth_core::{Clock, EventSink, SystemClock};
use tower_layer::Layer;
use tower_service::Service;

use crate::audit::future::ResponseFuture;
use crate::audit::trail::Trail;

/// Tells an [`EventSink`] of each request: who, what for, and what became of it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use http::Request;
/// use http_body_util::Full;
/// use oauth_core::{Event, EventSink, Stores};
/// use oauth_resource::{AuditLayer, PeekedBody, ProtectedResource};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
/// # type Body = Full<bytes::Bytes>;
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl EventSink for Log {
///     fn record(&self, event: &Event<'_>) {
///         self.0.lock().unwrap().push(event.to_string());
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<PeekedBody<Body>>| async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::default())) });
/// let log = Arc::new(Log::default());
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let service = AuditLayer::new(log.clone()).layer(resource.layer().layer(mcp_server));
///
/// let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}"#;
/// service.oneshot(Request::post("/mcp").body(Body::from(call))?).await?;
/// assert_eq!(*log.0.lock().unwrap(), [r#"access_denied operation="tools/call add_note" reason=token_missing"#]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuditLayer {
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
}

impl AuditLayer {
    /// Tells this sink.
    #[must_use]
    pub fn new(sink: Arc<dyn EventSink>) -> Self {
        Self { sink, clock: Arc::new(SystemClock) }
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Audit<S> {
        Audit { inner, sink: self.sink.clone(), clock: self.clock.clone() }
    }
}

impl fmt::Debug for AuditLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLayer").finish_non_exhaustive()
    }
}

/// Tells an [`EventSink`] of each request. Made by [`AuditLayer`], where the example is.
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::NoEvents;
/// use oauth_resource::{Audit, AuditLayer};
/// use tower::Layer as _;
///
/// let service: Audit<&str> = AuditLayer::new(Arc::new(NoEvents)).layer("a protected server");
/// assert!(format!("{service:?}").contains("a protected server"));
/// ```
#[derive(Clone)]
pub struct Audit<S> {
    inner: S,
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
}

impl<S, B, R> Service<Request<B>> for Audit<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (trail, at) = (Trail::default(), self.clock.now());
        request.extensions_mut().insert(trail.clone());
        ResponseFuture::new(self.inner.call(request), trail, self.sink.clone(), at)
    }
}

impl<S: fmt::Debug> fmt::Debug for Audit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("inner", &self.inner).finish_non_exhaustive()
    }
}
