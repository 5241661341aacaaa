//! The layer that makes [`BindSession`].

use tower_layer::Layer;

use crate::session::key::SessionKey;
use crate::session::service::BindSession;

/// Binds legacy sessions to the principal that opened them. Stands behind [`RequireBearer`](crate::RequireBearer);
/// [`ProtectedResource`](crate::ProtectedResource) puts it there.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Empty;
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::{Authorized, BindSessionLayer, SessionKey};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let service = BindSessionLayer::new(SessionKey::random()).layer(service_fn(|_: Request<()>| async {
///     Response::builder().header("mcp-session-id", "s1").body(Empty::<bytes::Bytes>::new())
/// }));
/// let caller = |name: &str| {
///     Authorized::assertion(Claims::new("https://as.example", name.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX))
/// };
/// let opened = service.clone().oneshot(Request::post("/mcp").extension(caller("alice")).body(())?).await?;
/// let session = &opened.headers()["mcp-session-id"];
///
/// let stolen = Request::post("/mcp").extension(caller("mallory")).header("mcp-session-id", session).body(())?;
/// assert_eq!(service.oneshot(stolen).await?.status(), StatusCode::NOT_FOUND);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct BindSessionLayer {
    key: SessionKey,
}

impl BindSessionLayer {
    /// Binds with this key.
    #[must_use]
    pub const fn new(key: SessionKey) -> Self {
        Self { key }
    }
}

impl<S> Layer<S> for BindSessionLayer {
    type Service = BindSession<S>;

    fn layer(&self, inner: S) -> BindSession<S> {
        BindSession::new(inner, self.key.clone())
    }
}
