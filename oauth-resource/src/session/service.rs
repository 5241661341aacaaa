//! The service that lets a session be named only by who opened it.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::authorized::Authorized;
use crate::body::ResponseBody;
use crate::session::future::ResponseFuture;
use crate::session::key::SessionKey;

/// Lets a session be named only by who opened it. Made by [`BindSessionLayer`](crate::BindSessionLayer), where another example is.
///
/// ```
/// use http::Request;
/// # use http_body_util::Empty;
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::{Authorized, BindSession, BindSessionLayer, SessionKey};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<()>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let service: BindSession<_> = BindSessionLayer::new(SessionKey::random()).layer(mcp_server);
/// let alice = Authorized::assertion(Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX));
///
/// // A session that this server never handed out is nobody's.
/// let guessed = Request::post("/mcp").extension(alice).header("mcp-session-id", "guessed").body(())?;
/// assert_eq!(service.oneshot(guessed).await?.status(), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct BindSession<S> {
    inner: S,
    key: SessionKey,
}

pub(crate) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// What MCP servers say of a session that is over.
const SESSION_NOT_FOUND: i32 = -32001;

/// A session that is not the caller's.
struct NotTheirs;

impl<S> BindSession<S> {
    pub(crate) const fn new(inner: S, key: SessionKey) -> Self {
        Self { inner, key }
    }
}

impl<S, B, R> Service<Request<B>> for BindSession<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let caller = request.extensions().get::<Authorized>().cloned();
        if open(request.headers_mut(), &self.key, caller.as_ref()).is_err() {
            return ResponseFuture::answer(not_found());
        }
        ResponseFuture::inner(self.inner.call(request), self.key.clone(), caller)
    }
}

/// Puts what the inner service calls the session in place of what its owner does.
fn open(headers: &mut HeaderMap, key: &SessionKey, caller: Option<&Authorized>) -> Result<(), NotTheirs> {
    let mut named = None;
    for (name, value) in headers.iter_mut() {
        if *name == SESSION_ID && named.replace(value).is_some() {
            return Err(NotTheirs);
        }
    }
    if let Some(named) = named {
        *named = key.open_header(named, caller).ok_or(NotTheirs)?;
    }
    Ok(())
}

/// Puts what its owner calls the session in place of what the inner service does.
pub(crate) fn seal(headers: &mut HeaderMap, key: &SessionKey, caller: Option<&Authorized>) {
    let Some(inner) = headers.get(&SESSION_ID) else { return };
    let outward = inner.to_str().ok().map(|inner| key.seal(inner, caller));
    match outward.and_then(|outward| HeaderValue::try_from(outward).ok()) {
        Some(outward) => drop(headers.insert(&SESSION_ID, outward)),
        // An identifier that cannot be tied to anybody is none.
        None => drop(headers.remove(&SESSION_ID)),
    }
}

/// The answer to whoever names a session that is not theirs.
///
/// Not 403: that there is such a session is nobody else's business, and on 404 a client opens a new one.
#[cold]
pub(crate) fn not_found() -> Answer {
    tracing::debug!(reason = "session", "refused");
    answer::json_rpc(StatusCode::NOT_FOUND, SESSION_NOT_FOUND, "session not found")
}
