//! What can be set of a protected resource.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::{Clock, Revocations, Stores, SystemClock, TokenVerifier};

use crate::bearer::Dpop;
use crate::identity::IdentityClaim;
use crate::scope::{ScopePolicy, ScopeRules, ScopeRulesBuilder};
use crate::session::SessionKey;
use crate::signed::MetadataKey;
use crate::verify::StoreVerifier;

/// Rules that are still to be checked, or a policy of somebody's own.
pub(super) enum Policy {
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
///
/// Whose tokens are good must be said before, by [`stores`](Self::stores) or [`verifier`](Self::verifier):
///
/// ```compile_fail,E0277
/// use oauth_resource::ProtectedResource;
///
/// let _ = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").build();
/// ```
pub struct ProtectedResourceBuilder<V> {
    pub(super) verifier: V,
    pub(super) set: Set,
}

/// What was set.
pub(super) struct Set {
    pub(super) resource: String,
    pub(super) issuers: Vec<String>,
    pub(super) unlisted_issuers: Vec<String>,
    pub(super) policy: Policy,
    pub(super) scopes_supported: Option<String>,
    pub(super) name: Option<String>,
    pub(super) links: Vec<(Link, String)>,
    pub(super) origins: Vec<String>,
    pub(super) hosts: Vec<String>,
    pub(super) any_host: bool,
    pub(super) shares_origin: bool,
    pub(super) proxies: Vec<String>,
    pub(super) identity: Vec<(String, Option<IdentityClaim>)>,
    pub(super) leeway: Duration,
    pub(super) dpop: Option<Dpop>,
    pub(super) binds_content: bool,
    pub(super) cache: Option<(usize, Duration)>,
    pub(super) max_body: Option<usize>,
    pub(super) includes_granted: bool,
    pub(super) session_key: Option<SessionKey>,
    pub(super) metadata_key: Option<MetadataKey>,
    pub(super) revocations: Option<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A link of the metadata document.
#[derive(Clone, Copy)]
pub(super) enum Link {
    Documentation,
    Policy,
    Terms,
}

impl ProtectedResourceBuilder<()> {
    pub(super) fn new(resource: &str, issuer: &str) -> Self {
        let set = Set {
            resource: resource.to_owned(),
            issuers: vec![issuer.to_owned()],
            unlisted_issuers: Vec::new(),
            policy: Policy::Rules(Box::new(ScopeRules::builder(""))),
            scopes_supported: None,
            name: None,
            links: Vec::new(),
            origins: Vec::new(),
            hosts: Vec::new(),
            any_host: false,
            shares_origin: false,
            proxies: Vec::new(),
            identity: Vec::new(),
            leeway: Duration::ZERO,
            dpop: None,
            binds_content: false,
            cache: None,
            max_body: None,
            includes_granted: false,
            session_key: None,
            metadata_key: None,
            revocations: None,
            clock: Arc::new(SystemClock),
        };
        Self { verifier: (), set }
    }
}

impl<V> ProtectedResourceBuilder<V> {
    /// Tokens as `verifier` reads them.
    #[must_use]
    pub fn verifier<W: TokenVerifier>(self, verifier: W) -> ProtectedResourceBuilder<W> {
        ProtectedResourceBuilder { verifier, set: self.set }
    }

    /// Tokens of the authorization server that shares these stores. What it revokes in this process counts at once.
    #[must_use]
    pub fn stores(self, stores: &Stores) -> ProtectedResourceBuilder<StoreVerifier> {
        let verifier = StoreVerifier::of(stores.grants.clone().into(), &self.set.issuers[0]);
        self.verifier(verifier)
    }

    /// A further authorization server: its tokens are accepted, if the verifier knows it, and the metadata sends clients to it, too.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.set.issuers.push(issuer.to_owned());
        self
    }

    /// A further issuer whose tokens are accepted, if the verifier knows it, and that no client is sent to: of workloads, say, or of keys.
    ///
    /// ```
    /// # use oauth_core::VerifyFault;
    /// use oauth_resource::{ProtectedResource, verify_fn};
    ///
    /// # let verifier = verify_fn(|_, _| async { Err(VerifyFault::Invalid) });
    /// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
    ///     .unlisted_issuer("https://token.actions.githubusercontent.com")
    ///     .verifier(verifier)
    ///     .build()?;
    /// assert_eq!(resource.document().authorization_servers.len(), 1);
    /// # Ok::<(), oauth_resource::ConfigErrors>(())
    /// ```
    #[must_use]
    pub fn unlisted_issuer(mut self, issuer: &str) -> Self {
        self.set.unlisted_issuers.push(issuer.to_owned());
        self
    }

    /// Which scopes operations need. Without it, any good token will do for everything.
    #[must_use]
    pub fn scopes(mut self, rules: ScopeRulesBuilder) -> Self {
        self.set.policy = Policy::Rules(Box::new(rules));
        self
    }

    /// Which scopes operations need, by a policy of your own.
    #[must_use]
    pub fn policy(mut self, policy: impl ScopePolicy) -> Self {
        self.set.policy = Policy::Own(Arc::new(policy));
        self
    }

    /// What basic use needs: listed in the metadata, and named when somebody comes without a token; clients ask for it at sign-in. Without
    /// it, the policy's minimum (RS-9, RS-19).
    ///
    /// A set that leaves the minimum out stands in the metadata alone: challenges name what the operation needs, and [`build`](Self::build)
    /// logs a warning. A client that reads the metadata and no challenge then signs in for too little.
    #[must_use]
    pub fn scopes_supported(mut self, scopes: &str) -> Self {
        self.set.scopes_supported = Some(scopes.to_owned());
        self
    }

    /// A name for people.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.set.name = Some(name.to_owned());
        self
    }

    /// Where people who write clients read on.
    #[must_use]
    pub fn documentation(mut self, url: &str) -> Self {
        self.set.links.push((Link::Documentation, url.to_owned()));
        self
    }

    /// What clients may do with what they get.
    #[must_use]
    pub fn policy_uri(mut self, url: &str) -> Self {
        self.set.links.push((Link::Policy, url.to_owned()));
        self
    }

    /// The operator's terms.
    #[must_use]
    pub fn terms(mut self, url: &str) -> Self {
        self.set.links.push((Link::Terms, url.to_owned()));
        self
    }

    /// Pages of this origin may call, and read the answers. Written as browsers do: `https://app.example`.
    #[must_use]
    pub fn allow_origin(mut self, origin: &str) -> Self {
        self.set.origins.push(origin.to_owned());
        self
    }

    /// The server may be called by this name too, and by no name that is not listed. Without any, loopback resources answer to
    /// loopback names alone, and others to all: their proxy decides.
    #[must_use]
    pub fn allow_host(mut self, host: &str) -> Self {
        self.set.hosts.push(host.to_owned());
        self
    }

    /// A hole: answers to any name, on loopback too. Any page on the web can then reach this server by pointing its own name at this
    /// machine, and is stopped by its `Origin` and the missing token alone.
    #[must_use]
    pub fn insecure_any_host(mut self) -> Self {
        self.set.any_host = true;
        self
    }

    /// Other resources live on this origin: the root form of the metadata's path is not ours to answer (RS-3).
    #[must_use]
    pub fn shares_origin(mut self) -> Self {
        self.set.shares_origin = true;
        self
    }

    /// A network (`10.0.0.0/8`) whose `X-Forwarded-For` is believed: the reverse proxy's. Nobody's, unless named. Where a request came from never
    /// decides whether a token is good; a verifier that asks others keeps by it one sender of made-up tokens from standing in the way of all
    /// ([`IntrospectionVerifierBuilder::unknown_tokens`](crate::IntrospectionVerifierBuilder::unknown_tokens)). The host says which address a
    /// request came from, by a [`PeerAddress`](oauth_core::PeerAddress) in its extensions.
    #[must_use]
    pub fn trusted_proxy(mut self, network: &str) -> Self {
        self.set.proxies.push(network.to_owned());
        self
    }

    /// Removes a header from what clients send, in every spelling (RS-40).
    #[must_use]
    pub fn strip_header(mut self, name: &str) -> Self {
        self.set.identity.push((name.to_owned(), None));
        self
    }

    /// Tells the inner service by a header what the token says, after removing what the client sent there (RS-40).
    #[must_use]
    pub fn identity_header(mut self, name: &str, claim: IdentityClaim) -> Self {
        self.set.identity.push((name.to_owned(), Some(claim)));
        self
    }

    /// By how much the issuer's clock may differ, at most 60 s. Without it, zero.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.set.leeway = leeway;
        self
    }

    /// Accepts tokens that are bound to a key, or no others, from whoever proves with each request to have it. Without it, they are refused.
    #[must_use]
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.set.dpop = Some(dpop);
        self
    }

    /// A proof that says by `content_digest` which body it is for is good for no other, as a draft of MCP's DPoP extension asked for (DPOP-20).
    /// Without it, the claim is ignored; proofs that do not have it are good in any case. Behind forward auth, where no body is seen, a proof that
    /// has it is refused.
    ///
    /// ```
    /// use oauth_core::{Stores, dpop::ProofChecker};
    /// use oauth_resource::{Dpop, ProtectedResource};
    ///
    /// let stores = Stores::memory();
    /// let checker = ProofChecker::new().with_replay_guard(stores.replay.clone());
    /// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
    ///     .stores(&stores)
    ///     .dpop(Dpop::optional(checker))
    ///     .strict_content_digest()
    ///     .build();
    /// assert!(resource.is_ok());
    /// ```
    #[must_use]
    pub fn strict_content_digest(mut self) -> Self {
        self.set.binds_content = true;
        self
    }

    /// How many accepted tokens are remembered, and for how long at most. Without it, 10,000 for 10 s.
    #[must_use]
    pub fn cache(mut self, capacity: usize, ttl: Duration) -> Self {
        self.set.cache = Some((capacity, ttl));
        self
    }

    /// How many bytes a request's body may have. Without it, [`MAX_BODY`](crate::MAX_BODY).
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.set.max_body = Some(bytes);
        self
    }

    /// Names in a 403 also what the caller has, to clients of protocol 2025-11-25 and older, which ask anew for just what the
    /// challenge names.
    #[must_use]
    pub fn challenge_includes_granted(mut self, includes: bool) -> Self {
        self.set.includes_granted = includes;
        self
    }

    /// The key that ties legacy sessions to their principals, where several processes share sessions. Without it, a random one.
    #[must_use]
    pub fn session_key(mut self, key: SessionKey) -> Self {
        self.set.session_key = Some(key);
        self
    }

    /// Signs the metadata document, and publishes the key beside it (RFC 9728 §2.2). Without it the document stands for itself, by TLS.
    ///
    /// ```
    /// use oauth_core::Stores;
    /// use oauth_resource::{MetadataKey, ProtectedResource};
    ///
    /// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
    ///     .sign_metadata(MetadataKey::generate()?)
    ///     .stores(&Stores::memory())
    ///     .build()?;
    /// assert!(resource.document().signed_metadata.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sign_metadata(mut self, key: MetadataKey) -> Self {
        self.set.metadata_key = Some(key);
        self
    }

    /// What is revoked in this process. [`stores`](Self::stores) sets it.
    #[must_use]
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.set.revocations = Some(revocations);
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.set.clock = clock;
        self
    }
}

impl<V> fmt::Debug for ProtectedResourceBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResourceBuilder")
            .field("resource", &self.set.resource)
            .finish_non_exhaustive()
    }
}
