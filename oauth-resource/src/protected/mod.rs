//! One protected resource: every layer of it in the right order, from one configuration.

mod build;
mod builder;
mod future;
mod service;

use std::fmt;
use std::sync::Arc;

use oauth_core::metadata::ProtectedResourceMetadata;
use oauth_core::{ResourceUri, ScopeSet, TokenVerifier};
use tower_layer::Layer;

use crate::bearer::RequireBearerLayer;
use crate::guard::GuardLayer;
use crate::metadata::MetadataService;
use crate::protected::service::Rules;
use crate::scope::RequireScopeLayer;
use crate::session::SessionKey;
use crate::stream::EndStreamsLayer;
use crate::tailor::TailorAnswersLayer;
use crate::verify::StoreVerifier;

pub use builder::ProtectedResourceBuilder;
pub use service::Protected;

/// An MCP server's protection: guards, metadata, tokens, scopes and sessions, as one layer.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Full;
/// use oauth_core::Stores;
/// use oauth_resource::{PeekedBody, ProtectedResource, ScopeRules};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// type Body = Full<bytes::Bytes>;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let mcp_server = service_fn(|_: Request<PeekedBody<Body>>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
/// # });
/// # let stores = Stores::memory();
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://mcp.example")
///     .scopes(ScopeRules::builder("notes:read").tool("list_notes", "notes:read").tool("add_note", "notes:write"))
///     .stores(&stores)
///     .build()?;
/// let service = resource.layer().layer(mcp_server);
///
/// let response = service.clone().oneshot(Request::get("/mcp").body(Body::default())?).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// let metadata = Request::get("/.well-known/oauth-protected-resource/mcp").body(Body::default())?;
/// assert_eq!(service.oneshot(metadata).await?.status(), StatusCode::OK);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct ProtectedResource<V = StoreVerifier> {
    document: ProtectedResourceMetadata,
    metadata: MetadataService,
    layer: ProtectedLayer<V>,
}

impl ProtectedResource<()> {
    /// The resource under this identifier, with tokens of this issuer. Both are what clients see: public, and never read from a
    /// request.
    #[must_use]
    pub fn builder(resource: &str, issuer: &str) -> ProtectedResourceBuilder<()> {
        ProtectedResourceBuilder::new(resource, issuer)
    }
}

impl<V> ProtectedResource<V> {
    /// All layers as one. What it wraps is guarded whatever the path is; only the metadata stands open.
    #[must_use]
    pub fn layer(&self) -> ProtectedLayer<V> {
        self.layer.clone()
    }

    /// The metadata documents by themselves, to be mounted at [`WELL_KNOWN`](crate::WELL_KNOWN) where the layer wraps one route only and
    /// does not see that path. They are never behind a token.
    #[must_use]
    pub fn metadata(&self) -> MetadataService {
        self.metadata.clone()
    }

    /// The metadata document.
    #[must_use]
    pub const fn document(&self) -> &ProtectedResourceMetadata {
        &self.document
    }

    /// Its identifier.
    #[must_use]
    pub const fn resource(&self) -> &ResourceUri {
        &self.document.resource
    }

    /// Cuts the MCP server's answers to who asks: lists, scopes that depend on arguments, what caches may keep. Stands next to the server,
    /// inside of [`layer`](Self::layer).
    #[must_use]
    pub fn tailor(&self) -> TailorAnswersLayer {
        let scope = &self.layer.scope;
        TailorAnswersLayer::of(scope.challenge().clone(), scope.policy().clone())
    }

    /// The token check by itself.
    pub(crate) const fn bearer(&self) -> &RequireBearerLayer<V> {
        &self.layer.bearer
    }
}

impl<V: TokenVerifier> ProtectedResource<V> {
    /// Ends streams with the token that opened them. Stands outside of [`layer`](Self::layer).
    #[must_use]
    pub fn end_streams(&self) -> EndStreamsLayer<V> {
        self.layer.bearer.end_streams()
    }

    /// What is named to whoever comes without a token.
    pub(crate) const fn basic_scopes(&self) -> &ScopeSet {
        self.layer.bearer.scopes()
    }
}

impl<V> fmt::Debug for ProtectedResource<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResource").field("document", &self.document).finish_non_exhaustive()
    }
}

/// The layers of a [`ProtectedResource`] as one, where the example is.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_resource::{ProtectedLayer, ProtectedResource, ScopeRules};
/// use tower::Layer as _;
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
///     .scopes(ScopeRules::builder("notes:read"))
///     .stores(&Stores::memory())
///     .build()?;
/// let layer: ProtectedLayer = resource.layer();
/// // One layer may guard several services: they share the cache of tokens.
/// let (_tools, _events) = (layer.layer("tools"), layer.layer("events"));
/// assert_eq!(resource.resource().as_str(), "https://mcp.example/mcp");
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
pub struct ProtectedLayer<V = StoreVerifier> {
    guard: GuardLayer,
    bearer: RequireBearerLayer<V>,
    scope: RequireScopeLayer,
    session: SessionKey,
}

impl<S, V> Layer<S> for ProtectedLayer<V> {
    type Service = Protected<S, V>;

    fn layer(&self, inner: S) -> Protected<S, V> {
        let rules = Rules { scope: Arc::new(self.scope.settings().clone()), session: self.session.clone() };
        Protected::new(inner, self.guard.settings().clone(), self.bearer.gate(), Arc::new(rules))
    }
}

impl<V> Clone for ProtectedLayer<V> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            bearer: self.bearer.clone(),
            scope: self.scope.clone(),
            session: self.session.clone(),
        }
    }
}

impl<V> fmt::Debug for ProtectedLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedLayer").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}
