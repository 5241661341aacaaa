//! What people who operate a resource see of its issuers' keys, and can set.

use std::time::Duration;

use oauth_core::Issuer;
use oauth_core::jose::JwkSet;

/// The state of one issuer's keys.
///
/// ```
/// use oauth_core::fetch::StaticFetch;
/// use oauth_core::Timestamp;
/// use oauth_resource::{JwtVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let verifier = JwtVerifier::builder("https://mcp.example/mcp")
///     .issuer(TrustedIssuer::new("https://as.example").with_jwks_url("https://as.example/jwks.json"))
///     .fetch(std::sync::Arc::new(StaticFetch::new()))
///     .build()?;
/// let now = Timestamp::from_secs(1_700_000_000);
/// assert!(!verifier.warm_up(now).await);
/// let health = &verifier.health(now)[0];
/// assert!(!health.ready && health.failure.as_deref() == Some(r#"could not fetch from "as.example""#));
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetHealth {
    /// Whose keys.
    pub issuer: String,
    /// Whether its tokens can be verified: there are keys, and they are not too old.
    pub ready: bool,
    /// How many keys are used.
    pub keys: usize,
    /// How many keys of the set are not.
    pub skipped: usize,
    /// How long ago they were fetched. `None`: never, or they are configured.
    pub age: Option<Duration>,
    /// Why they could not be fetched the last time, if so.
    pub failure: Option<String>,
}

/// How often keys are fetched, and for how long they count.
///
/// ```
/// use std::time::Duration;
/// use oauth_resource::KeyTiming;
/// let timing = KeyTiming::default();
/// assert_eq!((timing.refresh, timing.cool_down, timing.max_stale), (
///     Duration::from_secs(600), Duration::from_secs(30), Duration::from_secs(86_400),
/// ));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTiming {
    /// How old they get before they are fetched again, in the background; a tenth more or less, so that many servers do not ask at once.
    pub refresh: Duration,
    /// How long after one fetch an unknown key may cause the next: once for all of them (RS-62). A new key at the issuer is known here
    /// within that time.
    pub cool_down: Duration,
    /// For how long they count while the issuer is down (RS-64).
    pub max_stale: Duration,
}

impl Default for KeyTiming {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(600),
            cool_down: Duration::from_secs(30),
            max_stale: Duration::from_secs(24 * 3600),
        }
    }
}

/// One line for all of a set, however many of its keys are left out (RS-68).
pub(super) fn warn_of_skipped(issuer: &Issuer, set: &JwkSet) {
    if let Some(first) = set.skipped().first() {
        tracing::warn!(
            issuer = %issuer,
            skipped = set.skipped().len(),
            first = first.fault.reason(),
            used = set.len(),
            "keys of the issuer's set are not used"
        );
    }
}
