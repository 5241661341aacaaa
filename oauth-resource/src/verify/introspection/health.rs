//! Whether the endpoint answers, for people who operate a resource.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oauth_core::Timestamp;

/// Whether an introspection endpoint answered when it was last asked.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use oauth_core::fetch::{FetchError, Fetched, StaticFetch};
/// use oauth_core::{Secret, Timestamp};
/// use oauth_resource::{IntrospectionCredentials, IntrospectionVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let endpoint = "https://as.example/introspect";
/// let fetch = Arc::new(StaticFetch::new().with(endpoint, Fetched::json(r#"{"active":false}"#)));
/// let verifier = IntrospectionVerifier::builder("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"))
///     .endpoint(endpoint)
///     .credentials(IntrospectionCredentials::basic("https://mcp.example/mcp", Secret::new("s3cret".to_owned())))
///     .fetch(fetch.clone())
///     .build()?;
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert_eq!(verifier.health(now).since, None);
///
/// assert!(verifier.probe(now).await.reachable);
/// fetch.set_error(endpoint, FetchError::unreachable("as.example", "refused"));
/// let health = verifier.probe(now + Duration::from_secs(60)).await;
/// assert_eq!((health.reachable, health.since), (false, Some(Duration::ZERO)));
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectionHealth {
    /// Whose endpoint.
    pub issuer: String,
    /// Whether the last question had an answer. One that was never asked counts as reachable.
    pub reachable: bool,
    /// For how long it has been so. `None`: it was never asked.
    pub since: Option<Duration>,
    /// How long ago it was last asked. `None`: never, or the clock was set back since.
    pub asked: Option<Duration>,
    /// Why there was no answer, if so.
    pub failure: Option<String>,
}

/// How the last question ended.
#[derive(Default)]
pub(super) struct Reach(Mutex<Option<Last>>);

struct Last {
    at: Timestamp,
    since: Timestamp,
    failure: Option<String>,
}

impl Reach {
    /// A question has ended. Says in the log when that is another state than before: once for an outage, not once for each token.
    pub(super) fn note(&self, issuer: &str, failure: Option<String>, now: Timestamp) {
        let mut last = self.lock();
        let was_failing = last.as_ref().is_some_and(|last| last.failure.is_some());
        let is_as_before = last.is_some() && was_failing == failure.is_some();
        let since = match &*last {
            // A clock that was set back has seen no longer time.
            Some(last) if is_as_before => last.since.min(now),
            _ => now,
        };
        match &failure {
            Some(error) if !was_failing => tracing::warn!(issuer, error, "introspection has no answer"),
            None if was_failing => tracing::info!(issuer, "introspection is answered again"),
            _ => {}
        }
        *last = Some(Last { at: now, since, failure });
    }

    pub(super) fn health(&self, issuer: &str, now: Timestamp) -> IntrospectionHealth {
        let last = self.lock();
        let last = last.as_ref();
        let failure = last.and_then(|last| last.failure.clone());
        IntrospectionHealth {
            issuer: issuer.to_owned(),
            reachable: failure.is_none(),
            since: last.map(|last| now.since(last.since)),
            asked: last.filter(|last| last.at <= now).map(|last| now.since(last.at)),
            failure,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
