//! The layer that makes [`RequireBearer`], and what can be set of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use oauth_core::fetch::Network;
use oauth_core::{
    Clock, Issuer, ResourceUri, Revocations, ScopeHierarchy, ScopeSet, SystemClock, TokenVerifier,
};
use tower_layer::Layer;

use crate::bearer::cache::{Accepted, DEFAULT_CAPACITY, DEFAULT_TTL};
use crate::bearer::judge::{Judge, MAX_LEEWAY};
use crate::bearer::outages::Outages;
use crate::bearer::possession::Dpop;
use crate::bearer::service::{Gate, RequireBearer, Settings};
use crate::challenge::Challenge;
use crate::identity::{IdentityClaim, IdentityHeaders};
use crate::stream::EndStreamsLayer;

/// Lets through only requests with a token that is good for this resource.
///
/// Most people want [`ProtectedResource`](crate::ProtectedResource), which puts this layer between the others in the right order.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use oauth_core::{Claims, Timestamp, TokenVerifier, VerifyFault, async_trait};
/// use oauth_resource::{Authorized, RequireBearerLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// struct Letmein;
///
/// #[async_trait]
/// impl TokenVerifier for Letmein {
///     async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
///         let claims = Claims::new("https://as.example", "alice".parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX);
///         if token == "letmein" { Ok(claims.with_audience(["https://mcp.example/mcp"])) } else { Err(VerifyFault::Invalid) }
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let layer = RequireBearerLayer::new("https://mcp.example/mcp".parse()?, Letmein);
/// let service = layer.layer(service_fn(|request: Request<Empty<bytes::Bytes>>| async move {
///     // The token is gone, who called is known.
///     assert!(request.headers().is_empty());
///     assert_eq!(request.extensions().get::<Authorized>().unwrap().subject().as_str(), "alice");
///     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// }));
/// let request = |token| Request::get("/mcp").header("authorization", token).body(Empty::new());
/// assert_eq!(service.clone().oneshot(request("Bearer letmein")?).await?.status(), StatusCode::OK);
/// assert_eq!(service.oneshot(request("Bearer other")?).await?.status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct RequireBearerLayer<V> {
    verifier: Arc<V>,
    accepted: Arc<Accepted>,
    settings: Settings,
}

impl<V: TokenVerifier> RequireBearerLayer<V> {
    /// Tokens for `resource`, as `verifier` reads them.
    #[must_use]
    pub fn new(resource: ResourceUri, verifier: V) -> Self {
        let revocations = verifier.revocations().cloned().unwrap_or_default();
        Self {
            verifier: Arc::new(verifier),
            accepted: Arc::new(Accepted::new(DEFAULT_CAPACITY, DEFAULT_TTL)),
            settings: Settings {
                challenge: Challenge::new(&resource),
                judge: Judge { resource, issuers: Vec::new(), leeway: Duration::ZERO, proves: false },
                scopes: ScopeSet::empty(),
                clock: Arc::new(SystemClock),
                revocations,
                hierarchy: Arc::default(),
                identity: IdentityHeaders::default(),
                defers: false,
                dpop: None,
                binds_content: false,
                proxies: Arc::default(),
            },
        }
    }

    /// Only tokens of these issuers, compared letter by letter. Without it, those of whatever issuer the verifier trusts.
    #[must_use]
    pub fn with_issuers<'a>(mut self, issuers: impl IntoIterator<Item = &'a Issuer>) -> Self {
        self.settings.judge.issuers = issuers.into_iter().map(|issuer| issuer.as_str().into()).collect();
        self.forgetting()
    }

    /// The scopes that the challenge names to a caller without a good token.
    #[must_use]
    pub fn with_scopes(mut self, scopes: ScopeSet) -> Self {
        self.settings.scopes = scopes;
        self
    }

    /// Which scopes imply which, for [`Authorized::covers`](crate::Authorized::covers).
    #[must_use]
    pub fn with_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.settings.hierarchy = Arc::new(hierarchy);
        self.forgetting()
    }

    /// By how much the issuer's clock may differ; more than [`MAX_LEEWAY`] counts as that. Without it, zero: right for tokens of a
    /// server with this very clock.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.settings.judge.leeway = leeway.min(MAX_LEEWAY);
        self.forgetting()
    }

    /// How many accepted tokens are remembered, and for how long at most. Zero of either: none. Without it, 10,000 for 10 s.
    ///
    /// A revocation in another process reaches this one within that time.
    #[must_use]
    pub fn with_cache(mut self, capacity: usize, ttl: Duration) -> Self {
        self.accepted = Arc::new(Accepted::new(capacity, ttl));
        self
    }

    /// What is revoked in this process, [`Stores::revocations`](oauth_core::Stores::revocations): it counts at once. Without it, what the
    /// verifier knows of ([`TokenVerifier::revocations`]).
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        self.settings.revocations = revocations;
        self.forgetting()
    }

    /// Accepts tokens that are bound to a key, from whoever proves with each request to have it. Without it, they are refused.
    #[must_use]
    pub fn with_dpop(mut self, dpop: Dpop) -> Self {
        let dpop = dpop.of(&self.settings.judge.resource);
        self.settings.challenge.offer(&dpop);
        self.settings.judge.proves = true;
        self.settings.dpop = Some(dpop);
        self.forgetting()
    }

    /// Networks whose `X-Forwarded-For` is believed: the reverse proxies'. Without it, nobody's, and all who come through one are from its
    /// address. Where a request came from never decides whether a token is good: see [`TokenVerifier::verify_from`].
    #[must_use]
    pub fn with_trusted_proxies(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.settings.proxies = networks.into_iter().collect();
        self
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self.forgetting()
    }

    /// Removes a header from what clients send, in every spelling: `x_user_id` and `X-User.Id` as well as `X-User-Id` (RS-40).
    #[must_use]
    pub fn with_stripped_header(mut self, name: HeaderName) -> Self {
        self.settings.identity.strip(name);
        self
    }

    /// Sets a header to what the token says, for inner services that read headers, after removing what the client sent.
    #[must_use]
    pub fn with_identity_header(mut self, name: HeaderName, claim: IdentityClaim) -> Self {
        self.settings.identity.set(name, claim);
        self
    }

    /// Tokens that a clone with other rules accepted were judged by those.
    fn forgetting(mut self) -> Self {
        self.accepted = Arc::new(self.accepted.fresh());
        self
    }

    /// Ends streams by what this layer goes by.
    pub(crate) fn end_streams(&self) -> EndStreamsLayer<V> {
        EndStreamsLayer::shared(self.verifier.clone())
            .with_clock(self.settings.clock.clone())
            .with_leeway(self.settings.judge.leeway)
            .with_revocations(self.settings.revocations.clone())
    }

    pub(crate) const fn challenge(&self) -> &Challenge {
        &self.settings.challenge
    }

    pub(crate) const fn scopes(&self) -> &ScopeSet {
        &self.settings.scopes
    }

    /// Has the scope layer behind, which reads the body, compare it with what a proof says of it. Not public, for the same reason.
    pub(crate) fn binding_content(mut self) -> Self {
        self.settings.binds_content = true;
        self
    }

    /// Leaves the answer to callers without a good token to the scope layer behind, which knows what the operation needs and
    /// whether it needs a token at all. Not public: without that layer it is a hole.
    pub(crate) fn deferring(mut self) -> Self {
        self.settings.defers = true;
        self
    }
}

impl<V> RequireBearerLayer<V> {
    /// What all clones of a service share.
    pub(crate) fn gate(&self) -> Gate<V> {
        Gate {
            verifier: self.verifier.clone(),
            accepted: self.accepted.clone(),
            settings: Arc::new(self.settings.clone()),
            outages: Outages::new(),
        }
    }
}

impl<S, V> Layer<S> for RequireBearerLayer<V> {
    type Service = RequireBearer<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireBearer::new(inner, Arc::new(self.gate()))
    }
}

impl<V> Clone for RequireBearerLayer<V> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            accepted: self.accepted.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl<V> fmt::Debug for RequireBearerLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireBearerLayer")
            .field("resource", &self.settings.judge.resource)
            .finish_non_exhaustive()
    }
}
