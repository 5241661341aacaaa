//! What can be set of introspection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::{Fetch, SingleFlight};
use oauth_core::{Issuer, Quota, ResourceUri};
use quick_cache::sync::Cache;

use crate::config::{ConfigError, ConfigErrors, rule};
use crate::verify::claims::{Defaults, Rules};
use crate::verify::introspection::answer::Signed;
use crate::verify::introspection::health::Reach;
use crate::verify::introspection::unknown::{self, Unknown};
use crate::verify::introspection::{IntrospectionCredentials, IntrospectionVerifier, MAX_FLIGHTS};
use crate::verify::keys::{KeyTiming, Keys, is_secure};
use crate::verify::trusted::{RequiredClaim, TrustedIssuer};

/// Collects settings; what is wrong is said by [`build`](Self::build), all at once.
///
/// ```
/// use oauth_resource::{IntrospectionVerifier, TrustedIssuer};
///
/// let errors = IntrospectionVerifier::builder("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"))
///     .endpoint("http://as.example/introspect")
///     .build()
///     .unwrap_err();
/// // Nor are there credentials, or anything to fetch with.
/// assert_eq!(errors.iter().count(), 3);
/// ```
pub struct IntrospectionVerifierBuilder {
    resource: String,
    trusted: TrustedIssuer,
    endpoint: String,
    credentials: Option<IntrospectionCredentials>,
    fetch: Option<Arc<dyn Fetch>>,
    signed: bool,
    own_form: bool,
    capacity: usize,
    ttl: Duration,
    refused_ttl: Duration,
    unknown: Quota,
}

impl IntrospectionVerifierBuilder {
    pub(super) fn new(resource: &str, trusted: TrustedIssuer) -> Self {
        Self {
            resource: resource.to_owned(),
            trusted: trusted.without_required([RequiredClaim::IssuedAt, RequiredClaim::TokenId]),
            endpoint: String::new(),
            credentials: None,
            fetch: None,
            signed: false,
            own_form: false,
            capacity: 10_000,
            ttl: Duration::from_secs(20),
            refused_ttl: Duration::from_secs(5),
            unknown: unknown::DEFAULT,
        }
    }

    /// The endpoint's address, as the issuer's metadata names it.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        self.endpoint = url.to_owned();
        self
    }

    /// How this resource proves who it is. The endpoint answers nobody else (RFC 7662 §4).
    #[must_use]
    pub fn credentials(mut self, credentials: IntrospectionCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Asks through this. Let it keep connections open (`GuardedFetchBuilder::with_keep_alive`): the endpoint is
    /// asked often. And let it have many fetches under way at one host (`FetchPolicy::with_max_concurrent_per_host`, of which there are 4 by
    /// default), in a fetcher of its own: whoever sends tokens that nobody knows would else hold up everybody's, and the keys' too.
    #[must_use]
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Wants signed answers (RFC 9701), by the issuer's keys, for this resource or its client; others count no more.
    #[must_use]
    pub fn signed_answers(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Asks about tokens in the form of this project's own as well (`mcp_at_…`, `mcp_key_…`): where the issuer is such a server. Without it they
    /// are not recognized: beside a verifier that has its own, nobody else is shown them.
    #[must_use]
    pub fn tokens_of_our_form(mut self) -> Self {
        self.own_form = true;
        self
    }

    /// How many tokens are remembered, and for how long at most. Zero time: none. Without it, 10,000 for 20 s.
    #[must_use]
    pub fn cache(mut self, capacity: usize, ttl: Duration) -> Self {
        (self.capacity, self.ttl) = (capacity, ttl);
        self
    }

    /// For how long a refusal is remembered. Without it, 5 s: shorter than an acceptance, because a token may just have been issued.
    #[must_use]
    pub fn refused_for(mut self, ttl: Duration) -> Self {
        self.refused_ttl = ttl;
        self
    }

    /// How many tokens are asked about that the endpoint has not called active before, and does not then either. Without it, 1000 at once and
    /// 200 a second: who sends forged tokens, another one each time, does not have this resource ask as often as they can send (A-INTRO-3). The others
    /// are 503 with `Retry-After`, not 401: one of them may be good. Tokens that were good before are asked about in any case, and one that
    /// turns out to be good counts for nothing.
    ///
    /// Where the host says from where requests come ([`PeerAddress`](oauth_core::PeerAddress)), half of those at once are for callers from
    /// networks of which no more than 100 tokens were unknown within a minute, or 400 of a whole IPv6 /48; of the others two are asked about at a
    /// time. So a flood from some networks puts off nobody else. Behind a reverse proxy, name it
    /// ([`with_trusted_proxies`](crate::RequireBearerLayer::with_trusted_proxies)), or all are one network.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use oauth_core::fetch::{Fetched, StaticFetch};
    /// use oauth_core::{Quota, Secret, Timestamp, TokenVerifier, VerifyFault};
    /// use oauth_resource::{IntrospectionCredentials, IntrospectionVerifier, TrustedIssuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fetch = StaticFetch::new().with("https://as.example/introspect", Fetched::json(r#"{"active":false}"#));
    /// let fetch = Arc::new(fetch);
    /// let verifier = IntrospectionVerifier::builder("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"))
    ///     .endpoint("https://as.example/introspect")
    ///     .credentials(IntrospectionCredentials::basic("https://mcp.example/mcp", Secret::new("s3cret".to_owned())))
    ///     .fetch(fetch.clone())
    ///     .unknown_tokens(Quota::new(2, Duration::from_secs(60)))
    ///     .build()?;
    /// let now = Timestamp::from_secs(1_700_000_000);
    /// for forged in ["a", "b"] {
    ///     assert!(matches!(verifier.verify(forged, now).await, Err(VerifyFault::Invalid)));
    /// }
    /// assert!(matches!(verifier.verify("c", now).await, Err(VerifyFault::Unavailable { .. })));
    /// assert_eq!(fetch.requests().len(), 2);
    /// # Ok::<(), oauth_resource::ConfigErrors>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn unknown_tokens(mut self, quota: Quota) -> Self {
        self.unknown = quota;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    pub fn build(self) -> Result<IntrospectionVerifier, ConfigErrors> {
        let Self { trusted, .. } = self;
        let mut errors = Vec::new();
        let resource =
            self.resource.parse::<ResourceUri>().map_err(|error| errors.push(ConfigError::Resource(error)));
        let issuer =
            trusted.issuer.parse::<Issuer>().map_err(|error| errors.push(ConfigError::Issuer(error)));
        let defaults = Defaults::of(&trusted).map_err(|wrong| errors.extend(wrong));
        if !is_secure(&self.endpoint) {
            let what = format!("introspection endpoint {:?}", self.endpoint);
            errors.push(rule(&what, "must be an absolute https url, or http on loopback"));
        }
        if self.credentials.is_none() {
            errors.push(rule("introspection", "needs credentials"));
        }
        if self.fetch.is_none() {
            errors.push(rule("introspection", "must be fetched: say through what, by fetch()"));
        }
        let (Ok(resource), Ok(issuer), Ok(defaults), Some(credentials), Some(fetch), true) =
            (resource, issuer, defaults, self.credentials, self.fetch, errors.is_empty())
        else {
            return Err(ConfigErrors(errors));
        };
        let signed = if self.signed {
            let keys = Keys::of(&trusted, &issuer, Some(&fetch), KeyTiming::default())
                .map_err(|why| ConfigErrors(vec![rule(&format!("keys of issuer {issuer}"), why)]))?;
            let client_id = credentials.client_id().map(str::to_owned);
            Some(Signed { keys, resource: resource.clone(), client_id })
        } else {
            None
        };
        Ok(IntrospectionVerifier {
            endpoint: self.endpoint,
            credentials,
            fetch,
            rules: Rules::new(trusted, &resource, defaults),
            signed,
            own_form: self.own_form,
            ttl: self.ttl,
            refused_ttl: self.refused_ttl,
            accepted: Cache::new(self.capacity),
            refused: Cache::new(self.capacity),
            flights: SingleFlight::new(MAX_FLIGHTS),
            unknown: Unknown::new(self.unknown),
            reach: Reach::default(),
        })
    }
}

impl fmt::Debug for IntrospectionVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifierBuilder")
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
