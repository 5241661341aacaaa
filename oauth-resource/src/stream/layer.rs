//! The layer that makes [`EndStreams`], and what can be set of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::{Clock, Revocations, SystemClock, TokenVerifier};
use tower_layer::Layer;

use crate::bearer::MAX_LEEWAY;
use crate::stream::service::{EndStreams, Settings};

/// Ends streams with the token that opened them. Made by [`ProtectedResource::end_streams`](crate::ProtectedResource::end_streams), with the
/// resource's verifier, clock, leeway and revocations; it stands outside of the resource's own layer.
///
/// ```
/// use oauth_resource::{ProtectedResource, ScopeRules};
/// use tower::Layer as _;
/// # use oauth_core::Stores;
/// # let mcp_server = "an mcp server";
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let service = resource.end_streams().layer(resource.layer().layer(mcp_server));
/// # drop(service);
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
pub struct EndStreamsLayer<V> {
    verifier: Arc<V>,
    settings: Settings,
}

impl<V: TokenVerifier> EndStreamsLayer<V> {
    /// Streams that were opened with tokens as `verifier` reads them.
    #[must_use]
    pub fn new(verifier: V) -> Self {
        Self::shared(Arc::new(verifier))
    }

    pub(crate) fn shared(verifier: Arc<V>) -> Self {
        let settings = Settings {
            clock: Arc::new(SystemClock),
            revocations: Revocations::default(),
            leeway: Duration::ZERO,
            recheck: Duration::from_secs(30),
        };
        Self { verifier, settings }
    }

    /// How often the verifier is asked again. Without it, every 30 s.
    #[must_use]
    pub fn with_recheck(mut self, every: Duration) -> Self {
        self.settings.recheck = every;
        self
    }

    /// By how much the issuer's clock may differ, at most [`MAX_LEEWAY`]: as long a stream goes on.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway.min(MAX_LEEWAY);
        self
    }

    /// What is revoked in this process: the verifier is asked again within a second.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        self.settings.revocations = revocations;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }
}

impl<S, V> Layer<S> for EndStreamsLayer<V> {
    type Service = EndStreams<S, V>;

    fn layer(&self, inner: S) -> EndStreams<S, V> {
        EndStreams::new(inner, self.verifier.clone(), Arc::new(self.settings.clone()))
    }
}

impl<V> Clone for EndStreamsLayer<V> {
    fn clone(&self) -> Self {
        Self { verifier: self.verifier.clone(), settings: self.settings.clone() }
    }
}

impl<V> fmt::Debug for EndStreamsLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndStreamsLayer").field("recheck", &self.settings.recheck).finish_non_exhaustive()
    }
}
