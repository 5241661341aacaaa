//! The service that lets through only requests whose caller has the scopes they need.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::authorized::Authorized;
use crate::bearer::Refused;
use crate::body::ResponseBody;
use crate::challenge::Fault;
use crate::scope::body::PeekedBody;
use crate::scope::decide::{Caller, Settings};
use crate::scope::future::ResponseFuture;
use crate::scope::reading::Unreadable;
use crate::seed::Seed;

/// Lets through only requests whose caller has the scopes that their operation needs. Made by
/// [`RequireScopeLayer`](crate::RequireScopeLayer), where another example is.
///
/// ```
/// use http::Request;
/// # use http_body_util::{Empty, Full};
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::{Authorized, PeekedBody, RequireScope, RequireScopeLayer, ScopeRules};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<PeekedBody<Full<bytes::Bytes>>>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let rules = ScopeRules::builder("notes:read").tool("add_note", "notes:write").build()?;
/// let layer = RequireScopeLayer::new(&"https://mcp.example/mcp".parse()?, rules);
/// let service: RequireScope<_> = layer.layer(mcp_server);
///
/// let claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
/// let caller = Authorized::assertion(claims.with_scopes("notes:read notes:write".parse()?));
/// let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}"#;
/// let request = Request::post("/mcp").extension(caller).body(Full::from(call))?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RequireScope<S> {
    /// The one that is polled. It leaves with a request.
    inner: Option<S>,
    seed: Arc<Seed<S>>,
    settings: Arc<Settings>,
}

impl<S> RequireScope<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner: Some(inner), seed: Arc::default(), settings }
    }
}

impl<S, B, R> Service<Request<B>> for RequireScope<S>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.seed.of(&mut self.inner).poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let stranger = stranger(&mut parts);
        let caller = Caller::of(&parts, stranger);
        // A body of any method is read: what an inner service dispatches by is its own affair.
        if parts.method != http::Method::POST && body.is_end_stream() {
            return match self.settings.decide_bare(&parts, caller) {
                Ok(()) => {
                    let request = Request::from_parts(parts, PeekedBody::unread(body));
                    ResponseFuture::inner(self.seed.of(&mut self.inner).call(request))
                }
                Err(answer) => ResponseFuture::answer(*answer),
            };
        }
        if body.size_hint().lower() > self.settings.limit(caller) as u64 {
            return ResponseFuture::answer(self.settings.unreadable(Unreadable::TooLong, caller));
        }
        let ready = self.seed.take(&mut self.inner);
        ResponseFuture::reading(parts, body, stranger, ready, self.settings.clone())
    }
}

/// Why whoever sends this is a stranger; `None`: somebody that the bearer layer let in.
fn stranger(parts: &mut Parts) -> Option<Fault> {
    let refused = parts.extensions.remove::<Refused>();
    match (refused, parts.extensions.get::<Authorized>()) {
        (Some(Refused(fault)), _) => Some(fault),
        (None, Some(_)) => None,
        // No bearer layer in front, so nobody has looked at what is presented.
        (None, None) if parts.headers.contains_key(AUTHORIZATION) => Some(Fault::Invalid),
        (None, None) => Some(Fault::Missing),
    }
}

impl<S: fmt::Debug> fmt::Debug for RequireScope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScope").field("inner", &self.inner).finish_non_exhaustive()
    }
}
