//! Proofs of possession at a resource ([RFC 9449 §7](https://www.rfc-editor.org/rfc/rfc9449#section-7)): asked for with each request, also
//! where the token was seen before.

use std::sync::Arc;

use http::{HeaderValue, Method, Request};
use oauth_core::dpop::{Asked, HEADER, ProofChecker, ProofFault, Proven, Target};
use oauth_core::{OsEntropy, ResourceUri, Secret, Thumbprint, Timestamp};

/// Whether tokens that are bound to a key are accepted, from whoever proves to have it, and how the proof is checked.
///
/// A bound token is never accepted as `Bearer`, nor one that is not bound as `DPoP` (DPOP-11).
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::dpop::{Nonces, ProofChecker};
/// use oauth_core::{OsEntropy, Sealer, Stores, SystemClock, Clock};
/// use oauth_resource::{Dpop, ProtectedResource, ScopeRules};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let stores = Stores::memory();
/// let sealer = Sealer::shared(&*stores.keys, &OsEntropy, SystemClock.now()).await?;
/// let nonces = Nonces::of_resource(Arc::new(sealer), &"https://mcp.example/mcp".parse()?);
/// let checker = ProofChecker::new().with_nonces(Arc::new(nonces)).with_replay_guard(stores.replay.clone());
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
///     .scopes(ScopeRules::builder("notes:read"))
///     .stores(&stores)
///     .dpop(Dpop::required(checker))
///     .build()?;
/// assert_eq!(resource.document().dpop_bound_access_tokens_required, Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Dpop {
    checker: ProofChecker,
    is_required: bool,
    place: Place,
}

/// What `htu` must name.
#[derive(Clone, Debug)]
enum Place {
    /// The resource, whatever path a proxy has made of its own.
    Resource,
    /// The path of the request, below the resource's origin.
    Path,
    /// Another URL.
    Fixed(Arc<Target>),
}

impl Dpop {
    /// Accepts tokens that are bound and tokens that are not, each in its own way.
    #[must_use]
    pub const fn optional(checker: ProofChecker) -> Self {
        Self { checker, is_required: false, place: Place::Resource }
    }

    /// Accepts bound tokens alone.
    #[must_use]
    pub const fn required(checker: ProofChecker) -> Self {
        Self { checker, is_required: true, place: Place::Resource }
    }

    /// Proofs name this URL, where clients call another one than the resource's identifier. Without it, the identifier: never what a
    /// request says in `Host` or `X-Forwarded-…` (A-DPOPX-16).
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.place = Place::Fixed(Arc::new(target));
        self
    }

    /// Proofs name the path of the request, at the resource's origin: for a layer that guards several paths, behind a proxy that does not
    /// rewrite them.
    #[must_use]
    pub fn with_path_of_request(mut self) -> Self {
        self.place = Place::Path;
        self
    }

    /// At this resource.
    pub(crate) fn of(mut self, resource: &ResourceUri) -> Self {
        if matches!(self.place, Place::Resource) {
            self.place = Place::Fixed(Arc::new(Target::from(resource)));
        }
        self
    }

    pub(crate) const fn is_required(&self) -> bool {
        self.is_required
    }

    /// The names of the algorithms, for metadata and challenges (RS-11, RS-31).
    pub(crate) fn algorithms(&self) -> Vec<&'static str> {
        self.checker.algorithms().iter().map(|algorithm| algorithm.as_str()).collect()
    }

    /// What an answer tells for the next proof.
    pub(crate) fn nonce(&self, now: Timestamp) -> Option<HeaderValue> {
        // Base64url: a header carries it.
        self.checker.nonce(now, &OsEntropy).and_then(|nonce| HeaderValue::from_str(&nonce).ok())
    }

    /// After how long a key may send more proofs.
    pub(crate) const fn retry_after(&self, now: Timestamp) -> std::time::Duration {
        self.checker.retry_after(now)
    }

    /// What of a request its proof must be for.
    pub(crate) fn call<B>(&self, request: &Request<B>, resource: &ResourceUri) -> Call {
        let target = match &self.place {
            Place::Resource => Ok(Arc::new(Target::from(resource))),
            Place::Fixed(target) => Ok(target.clone()),
            Place::Path => format!("{}{}", resource.origin(), request.uri().path()).parse().map(Arc::new),
        };
        Call {
            method: request.method().clone(),
            target: target.ok(),
            proofs: request.headers().get_all(HEADER).iter().cloned().collect(),
        }
    }

    /// Whether the caller has the key.
    pub(crate) async fn check(
        &self,
        call: &Call,
        token: &Secret,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<Proven, ProofFault> {
        let target = call.target.as_deref().ok_or(ProofFault::Target)?;
        let asked = Asked::new(call.method.as_str(), target).with_token(token.expose()).with_key(key);
        self.checker.check(&call.proofs, asked, now).await
    }
}

/// A request as its proof describes it.
pub(crate) struct Call {
    method: Method,
    target: Option<Arc<Target>>,
    proofs: Vec<HeaderValue>,
}
