//! The layer that makes [`RequireScope`], and what can be set of it.

use std::fmt;
use std::sync::Arc;

use oauth_core::{Clock, ResourceUri, ScopeSet, SystemClock};
use tower_layer::Layer;

use crate::bearer::Dpop;
use crate::challenge::Challenge;
use crate::scope::decide::Settings;
use crate::scope::policy::ScopePolicy;
use crate::scope::service::RequireScope;

/// How many bytes a request's body may have unless it is said otherwise.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// Lets through only requests whose caller has the scopes that their operation needs. Stands behind
/// [`RequireBearer`](crate::RequireBearer), which says who the caller is; [`ProtectedResource`](crate::ProtectedResource) puts both in place.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Full;
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::{Authorized, PeekedBody, RequireScopeLayer, ScopeRules};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// type Body = Full<bytes::Bytes>;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let rules = ScopeRules::builder("notes:read").tool("add_note", "notes:write").build()?;
/// let layer = RequireScopeLayer::new(&"https://mcp.example/mcp".parse()?, rules);
/// let service = layer.layer(service_fn(|_: Request<PeekedBody<Body>>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
/// }));
/// let claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
/// let caller = Authorized::assertion(claims.with_scopes("notes:read".parse()?));
/// let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}"#;
///
/// let response = service.oneshot(Request::post("/mcp").extension(caller).body(Body::from(call))?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// assert!(response.headers()["www-authenticate"].to_str()?.contains(r#"scope="notes:write""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RequireScopeLayer {
    settings: Settings,
}

impl RequireScopeLayer {
    /// What `policy` says operations on `resource` need.
    #[must_use]
    pub fn new(resource: &ResourceUri, policy: impl ScopePolicy) -> Self {
        Self::shared(resource, Arc::new(policy))
    }

    pub(crate) fn shared(resource: &ResourceUri, policy: Arc<dyn ScopePolicy>) -> Self {
        let challenge = Challenge::new(resource);
        let basic = ScopeSet::empty();
        let clock = Arc::new(SystemClock);
        Self {
            settings: Settings {
                policy,
                challenge,
                max_body: MAX_BODY,
                includes_granted: false,
                basic,
                clock,
            },
        }
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn challenge(&self) -> &Challenge {
        &self.settings.challenge
    }

    pub(crate) const fn policy(&self) -> &Arc<dyn ScopePolicy> {
        &self.settings.policy
    }

    /// How many bytes a body may have; longer ones are answered 413. Without it, [`MAX_BODY`].
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// What basic use needs: named to whoever comes without a good token, beside what their operation needs, so that one sign-in does
    /// (RS-19).
    #[must_use]
    pub fn with_basic_scopes(mut self, scopes: ScopeSet) -> Self {
        self.settings.basic = scopes;
        self
    }

    /// Names in a 403 also what the caller has, to clients of protocol 2025-11-25 and older: they ask anew for just what the
    /// challenge names, and lose the rest. Off by default: newer ones keep what they have by themselves.
    #[must_use]
    pub fn with_challenge_that_includes_granted(mut self, includes: bool) -> Self {
        self.settings.includes_granted = includes;
        self
    }

    /// Names the scheme `DPoP` in challenges, where [`RequireBearer`](crate::RequireBearer) accepts it.
    #[must_use]
    pub fn with_dpop(mut self, dpop: &Dpop) -> Self {
        self.settings.challenge.offer(dpop);
        self
    }

    /// Another clock, by which the age of a sign-in is told (RS-30).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }
}

impl<S> Layer<S> for RequireScopeLayer {
    type Service = RequireScope<S>;

    fn layer(&self, inner: S) -> RequireScope<S> {
        RequireScope::new(inner, Arc::new(self.settings.clone()))
    }
}

impl fmt::Debug for RequireScopeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScopeLayer").field("max_body", &self.settings.max_body).finish_non_exhaustive()
    }
}
