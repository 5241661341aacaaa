//! One protected resource: every layer of it in the right order, from one configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use oauth_core::metadata::ProtectedResourceMetadata;
use oauth_core::{Clock, Issuer, ResourceUri, Revocations, ScopeSet, Stores, SystemClock, TokenVerifier};
use tower_layer::Layer;
use url::Url;

use crate::bearer::{MAX_LEEWAY, RequireBearer, RequireBearerLayer};
use crate::config::{ConfigError, ConfigErrors};
use crate::guard::{Guard, GuardLayer, Hosts, Origins};
use crate::identity::IdentityClaim;
use crate::metadata::MetadataService;
use crate::scope::{RequireScope, RequireScopeLayer, ScopePolicy, ScopeRules, ScopeRulesBuilder};
use crate::session::{BindSession, BindSessionLayer, SessionKey};
use crate::verify::StoreVerifier;

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

/// A service behind all layers of a [`ProtectedResource`]: guards and metadata, then tokens, then scopes, then sessions.
pub type Protected<S, V = StoreVerifier> = Guard<RequireBearer<RequireScope<BindSession<S>>, V>>;

impl ProtectedResource<()> {
    /// The resource under this identifier, with tokens of this issuer. Both are what clients see: public, and never read from a
    /// request.
    #[must_use]
    pub fn builder(resource: &str, issuer: &str) -> ProtectedResourceBuilder<()> {
        ProtectedResourceBuilder {
            resource: resource.to_owned(),
            issuers: vec![issuer.to_owned()],
            verifier: (),
            policy: Policy::Rules(Box::new(ScopeRules::builder(""))),
            scopes_supported: None,
            name: None,
            links: Vec::new(),
            origins: Vec::new(),
            hosts: Vec::new(),
            any_host: false,
            shares_origin: false,
            identity: Vec::new(),
            leeway: Duration::ZERO,
            cache: None,
            max_body: None,
            includes_granted: false,
            session_key: None,
            revocations: Revocations::default(),
            clock: Arc::new(SystemClock),
        }
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
}

impl<V> fmt::Debug for ProtectedResource<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResource").field("document", &self.document).finish_non_exhaustive()
    }
}

/// The layers of a [`ProtectedResource`] as one, where the example is.
pub struct ProtectedLayer<V = StoreVerifier> {
    guard: GuardLayer,
    bearer: RequireBearerLayer<V>,
    scope: RequireScopeLayer,
    session: BindSessionLayer,
}

impl<S, V> Layer<S> for ProtectedLayer<V> {
    type Service = Protected<S, V>;

    fn layer(&self, inner: S) -> Protected<S, V> {
        let inner = self.scope.layer(self.session.layer(inner));
        self.guard.layer(self.bearer.layer(inner))
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

enum Policy {
    Rules(Box<ScopeRulesBuilder>),
    Own(Arc<dyn ScopePolicy>),
}

/// Collects a configuration; what is wrong with it is said by [`build`](Self::build), all at once.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_resource::ProtectedResource;
///
/// let errors = ProtectedResource::builder("http://mcp.example", "as.example")
///     .stores(&Stores::memory())
///     .allow_origin("*")
///     .build()
///     .unwrap_err();
/// assert_eq!(errors.iter().count(), 3);
/// ```
pub struct ProtectedResourceBuilder<V> {
    resource: String,
    issuers: Vec<String>,
    verifier: V,
    policy: Policy,
    scopes_supported: Option<String>,
    name: Option<String>,
    links: Vec<(Link, String)>,
    origins: Vec<String>,
    hosts: Vec<String>,
    any_host: bool,
    shares_origin: bool,
    identity: Vec<(String, Option<IdentityClaim>)>,
    leeway: Duration,
    cache: Option<(usize, Duration)>,
    max_body: Option<usize>,
    includes_granted: bool,
    session_key: Option<SessionKey>,
    revocations: Revocations,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy)]
enum Link {
    Documentation,
    Policy,
    Terms,
}

impl<V> ProtectedResourceBuilder<V> {
    /// Tokens as `verifier` reads them.
    #[must_use]
    pub fn verifier<W: TokenVerifier>(self, verifier: W) -> ProtectedResourceBuilder<W> {
        ProtectedResourceBuilder {
            verifier,
            resource: self.resource,
            issuers: self.issuers,
            policy: self.policy,
            scopes_supported: self.scopes_supported,
            name: self.name,
            links: self.links,
            origins: self.origins,
            hosts: self.hosts,
            any_host: self.any_host,
            shares_origin: self.shares_origin,
            identity: self.identity,
            leeway: self.leeway,
            cache: self.cache,
            max_body: self.max_body,
            includes_granted: self.includes_granted,
            session_key: self.session_key,
            revocations: self.revocations,
            clock: self.clock,
        }
    }

    /// Tokens of the authorization server that shares these stores. What it revokes in this process counts at once.
    #[must_use]
    pub fn stores(mut self, stores: &Stores) -> ProtectedResourceBuilder<StoreVerifier> {
        self.revocations = stores.revocations().clone();
        let verifier = StoreVerifier::of(stores.grants.clone(), &self.issuers[0]);
        self.verifier(verifier)
    }

    /// A further issuer whose tokens are accepted, if the verifier knows it.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuers.push(issuer.to_owned());
        self
    }

    /// Which scopes operations need. Without it, any good token will do for everything.
    #[must_use]
    pub fn scopes(mut self, rules: ScopeRulesBuilder) -> Self {
        self.policy = Policy::Rules(Box::new(rules));
        self
    }

    /// Which scopes operations need, by a policy of your own.
    #[must_use]
    pub fn policy(mut self, policy: impl ScopePolicy) -> Self {
        self.policy = Policy::Own(Arc::new(policy));
        self
    }

    /// What basic use needs: listed in the metadata, and named when somebody comes without a token; clients ask for it at sign-in. Without
    /// it, the policy's minimum (RS-9, RS-19).
    #[must_use]
    pub fn scopes_supported(mut self, scopes: &str) -> Self {
        self.scopes_supported = Some(scopes.to_owned());
        self
    }

    /// A name for people.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Where people who write clients read on.
    #[must_use]
    pub fn documentation(mut self, url: &str) -> Self {
        self.links.push((Link::Documentation, url.to_owned()));
        self
    }

    /// What clients may do with what they get.
    #[must_use]
    pub fn policy_uri(mut self, url: &str) -> Self {
        self.links.push((Link::Policy, url.to_owned()));
        self
    }

    /// The operator's terms.
    #[must_use]
    pub fn terms(mut self, url: &str) -> Self {
        self.links.push((Link::Terms, url.to_owned()));
        self
    }

    /// Pages of this origin may call, and read the answers. Written as browsers do: `https://app.example`.
    #[must_use]
    pub fn allow_origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.to_owned());
        self
    }

    /// The server may be called by this name too, and by no name that is not listed. Without any, loopback resources answer to
    /// loopback names alone, and others to all: their proxy decides.
    #[must_use]
    pub fn allow_host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// A hole: answers to any name, on loopback too. Any page on the web can then reach this server by pointing its own name at this
    /// machine, and is stopped by its `Origin` and the missing token alone.
    #[must_use]
    pub fn insecure_any_host(mut self) -> Self {
        self.any_host = true;
        self
    }

    /// Other resources live on this origin: the root form of the metadata's path is not ours to answer (RS-3).
    #[must_use]
    pub fn shares_origin(mut self) -> Self {
        self.shares_origin = true;
        self
    }

    /// Removes a header from what clients send, in every spelling (RS-40).
    #[must_use]
    pub fn strip_header(mut self, name: &str) -> Self {
        self.identity.push((name.to_owned(), None));
        self
    }

    /// Tells the inner service by a header what the token says, after removing what the client sent there (RS-40).
    #[must_use]
    pub fn identity_header(mut self, name: &str, claim: IdentityClaim) -> Self {
        self.identity.push((name.to_owned(), Some(claim)));
        self
    }

    /// By how much the issuer's clock may differ, at most 60 s. Without it, zero.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How many accepted tokens are remembered, and for how long at most. Without it, 10,000 for 10 s.
    #[must_use]
    pub fn cache(mut self, capacity: usize, ttl: Duration) -> Self {
        self.cache = Some((capacity, ttl));
        self
    }

    /// How many bytes a request's body may have. Without it, [`MAX_BODY`](crate::MAX_BODY).
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = Some(bytes);
        self
    }

    /// Names in a 403 also what the caller has, to clients of protocol 2025-11-25 and older, which ask anew for just what the
    /// challenge names.
    #[must_use]
    pub fn challenge_includes_granted(mut self, includes: bool) -> Self {
        self.includes_granted = includes;
        self
    }

    /// The key that ties legacy sessions to their principals, where several processes share sessions. Without it, a random one.
    #[must_use]
    pub fn session_key(mut self, key: SessionKey) -> Self {
        self.session_key = Some(key);
        self
    }

    /// What is revoked in this process. [`stores`](Self::stores) sets it.
    #[must_use]
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = revocations;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<V: TokenVerifier> ProtectedResourceBuilder<V> {
    /// The resource, ready to protect.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    pub fn build(self) -> Result<ProtectedResource<V>, ConfigErrors> {
        let mut errors = Vec::new();
        let resource = keep(&mut errors, self.resource.parse::<ResourceUri>().map_err(ConfigError::Resource));
        let issuers: Vec<Issuer> = self
            .issuers
            .iter()
            .filter_map(|issuer| keep(&mut errors, issuer.parse().map_err(ConfigError::Issuer)))
            .collect();
        let policy: Option<Arc<dyn ScopePolicy>> = match self.policy {
            Policy::Own(policy) => Some(policy),
            Policy::Rules(rules) => match rules.build() {
                Ok(rules) => Some(Arc::new(rules)),
                Err(ConfigErrors(wrong)) => {
                    errors.extend(wrong);
                    None
                }
            },
        };
        let supported = self.scopes_supported.map(|text| {
            let wrong = |source| ConfigError::Scopes {
                text: text.clone(),
                what: "scopes_supported".to_owned(),
                source,
            };
            keep(&mut errors, text.parse::<ScopeSet>().map_err(wrong)).unwrap_or_default()
        });
        for (link, url) in &self.links {
            if !Url::parse(url).is_ok_and(|url| url.scheme() == "https") {
                errors.push(ConfigError::Link { what: link.name(), url: url.clone() });
            }
        }
        let identity: Vec<_> = self
            .identity
            .iter()
            .filter_map(|(name, claim)| {
                let read = HeaderName::try_from(name.as_str()).map_err(|_| ConfigError::Header(name.clone()));
                keep(&mut errors, read).map(|name| (name, *claim))
            })
            .collect();
        if self.leeway > MAX_LEEWAY {
            errors.push(ConfigError::Leeway(self.leeway.as_secs()));
        }
        if resource.as_ref().is_some_and(|resource| resource.path().starts_with("/.well-known")) {
            let why = "that path is kept for metadata";
            errors.push(ConfigError::Rule { what: format!("resource {:?}", self.resource), why });
        }
        // What follows is checked against a stand-in if the resource itself is wrong, so that all is said at once.
        let named = resource.clone().unwrap_or_else(stand_in);
        let mut origins = Origins::of(&named);
        errors
            .extend(self.origins.into_iter().filter(|origin| !origins.add(origin)).map(ConfigError::Origin));
        let mut hosts = Hosts::of_loopback(&named);
        if !self.hosts.is_empty() {
            let listed = hosts.get_or_insert_with(|| Hosts::of(&named));
            errors.extend(self.hosts.into_iter().filter(|host| !listed.add(host)).map(ConfigError::Host));
        }
        if self.any_host {
            tracing::warn!("insecure_any_host: this server answers to any host name");
            hosts = None;
        }
        let (Some(resource), Some(policy), [issuer, further @ ..], true) =
            (resource, policy, issuers.as_slice(), errors.is_empty())
        else {
            return Err(ConfigErrors(errors));
        };

        let mut document = ProtectedResourceMetadata::new(resource.clone(), issuer.clone())
            .with_scopes(supported.as_ref().unwrap_or_else(|| policy.minimum()));
        document.authorization_servers.extend(further.iter().cloned());
        document.resource_name = self.name;
        for (link, url) in self.links {
            *link.of(&mut document) = Some(url);
        }
        let metadata = if self.shares_origin {
            MetadataService::without_root(&document)
        } else {
            MetadataService::new([&document])
        };

        let mut bearer = RequireBearerLayer::new(resource.clone(), self.verifier)
            .with_issuers(&issuers)
            // What basic use needs, in one sign-in: the document says the same (RS-9, RS-19).
            .with_scopes(
                supported
                    .as_ref()
                    .map_or_else(|| policy.minimum().clone(), |all| all.union(policy.minimum())),
            )
            .with_hierarchy(policy.hierarchy().clone())
            .with_leeway(self.leeway)
            .with_revocations(self.revocations)
            .with_clock(self.clock)
            .deferring();
        if let Some((capacity, ttl)) = self.cache {
            bearer = bearer.with_cache(capacity, ttl);
        }
        for (name, claim) in identity {
            bearer = match claim {
                Some(claim) => bearer.with_identity_header(name, claim),
                None => bearer.with_stripped_header(name),
            };
        }
        let mut scope = RequireScopeLayer::shared(&resource, policy)
            .with_basic_scopes(supported.unwrap_or_default())
            .with_challenge_that_includes_granted(self.includes_granted);
        if let Some(bytes) = self.max_body {
            scope = scope.with_max_body(bytes);
        }
        let layer = ProtectedLayer {
            guard: GuardLayer::with(hosts, origins, metadata.clone()),
            bearer,
            scope,
            session: BindSessionLayer::new(self.session_key.unwrap_or_else(SessionKey::random)),
        };
        Ok(ProtectedResource { document, metadata, layer })
    }
}

fn keep<T>(errors: &mut Vec<ConfigError>, read: Result<T, ConfigError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn stand_in() -> ResourceUri {
    "https://resource.invalid".parse().expect("an https url without query or fragment")
}

impl Link {
    const fn name(self) -> &'static str {
        match self {
            Self::Documentation => "documentation",
            Self::Policy => "policy",
            Self::Terms => "terms",
        }
    }

    const fn of(self, document: &mut ProtectedResourceMetadata) -> &mut Option<String> {
        match self {
            Self::Documentation => &mut document.resource_documentation,
            Self::Policy => &mut document.resource_policy_uri,
            Self::Terms => &mut document.resource_tos_uri,
        }
    }
}

impl<V> fmt::Debug for ProtectedResourceBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResourceBuilder").field("resource", &self.resource).finish_non_exhaustive()
    }
}
