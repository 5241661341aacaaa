//! Signed tokens, verified with the public keys of their issuers.

use std::fmt;
use std::sync::Arc;

use oauth_core::fetch::Fetch;
use oauth_core::jose::{Jws, JwsFault, SignatureFault};
use oauth_core::{Claims, Clock, Issuer, ResourceUri, Timestamp, TokenVerifier, VerifyFault, async_trait};

use crate::config::{ConfigError, ConfigErrors, rule};
use crate::verify::claims::{Defaults, Rules};
use crate::verify::keys::{KeySetHealth, KeyTiming, Keys, Remote};
use crate::verify::trusted::TrustedIssuer;

/// Verifies JWT access tokens of any number of issuers. Which issuer's keys count is decided by `iss`, before anything is verified; a token
/// of an issuer that is not listed is refused without asking anybody (RS-46, A-AUD-6).
///
/// Keys of a fixed set need nothing else. Those from a URL, or found by an issuer's metadata, are fetched when the first token comes,
/// or by [`warm_up`](Self::warm_up), and kept fresh by the requests themselves, in the background: nobody whose key is known waits for
/// it (RS-65). While an issuer is down, its last keys count for a day; if none were ever read, its tokens are 503, not 401.
///
/// ```
/// use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
/// use oauth_core::{Timestamp, TokenVerifier, VerifyFault};
/// use oauth_resource::{JwtVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let key = SigningKey::generate_es256();
/// let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
/// let verifier = JwtVerifier::builder("https://mcp.example/mcp")
///     .issuer(TrustedIssuer::new("https://as.example").with_jwks(&jwks))
///     .build()?;
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let mut claims = serde_json::json!({
///     "iss": "https://as.example", "aud": "https://mcp.example/mcp", "sub": "alice", "client_id": "app",
///     "scope": "notes:read", "jti": "1", "iat": 1_700_000_000, "exp": 1_700_000_600,
/// });
/// let good = verifier.verify(&key.sign("at+jwt", &claims)?, now).await?;
/// assert!(good.scopes.contains("notes:read"));
///
/// claims["aud"] = "https://other.example".into();
/// let other = verifier.verify(&key.sign("at+jwt", &claims)?, now).await;
/// assert!(matches!(other, Err(VerifyFault::Invalid)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct JwtVerifier {
    issuers: Vec<(Rules, Keys)>,
}

impl JwtVerifier {
    /// A verifier of tokens for this resource.
    #[must_use]
    pub fn builder(resource: &str) -> JwtVerifierBuilder {
        JwtVerifierBuilder {
            resource: resource.to_owned(),
            issuers: Vec::new(),
            fetch: None,
            timing: KeyTiming::default(),
        }
    }

    /// Fetches the keys of all issuers, so that the first request need not wait. Whether all are there now.
    pub async fn warm_up(&self, now: Timestamp) -> bool {
        for (_, keys) in &self.issuers {
            if let Keys::Remote(remote) = keys
                && remote.current(now).is_none_or(|keys| keys.is_empty())
            {
                remote.renewed(now).await;
            }
        }
        self.is_ready(now)
    }

    /// Keeps the keys fresh without any request, for health checks that should turn green by themselves: looks after them every ten
    /// seconds. Never ends; spawn it, and drop it with the server.
    pub async fn keep_fresh(&self, clock: &dyn Clock) {
        loop {
            self.warm_up(clock.now()).await;
            tokio::time::sleep(LOOK_AFTER).await;
        }
    }

    /// Whether the keys of every issuer can be used.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.health(now).iter().all(|health| health.ready)
    }

    /// The state of each issuer's keys, for health checks.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Vec<KeySetHealth> {
        self.issuers.iter().map(|(rules, keys)| keys.health(rules.issuer(), now)).collect()
    }
}

const LOOK_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        let jws = parse(token)?;
        let said = jws.claims().map_err(|fault| refuse(&fault))?;
        let issuer = said.issuer.as_deref().ok_or(VerifyFault::Invalid)?;
        let (rules, keys) =
            self.issuers.iter().find(|(rules, _)| rules.issuer() == issuer).ok_or(VerifyFault::Invalid)?;
        let is_type = |typ: Option<&str>| rules.is_type(typ);
        match keys {
            Keys::Fixed(set) => set.verify(&jws, is_type).map_err(|fault| refuse(&fault))?,
            Keys::Remote(remote) => return verify_remote(remote, rules, &jws, now).await,
        };
        rules.judge(&said, now)
    }
}

async fn verify_remote(
    remote: &Arc<Remote>,
    rules: &Rules,
    jws: &Jws<'_>,
    now: Timestamp,
) -> Result<Claims, VerifyFault> {
    let is_type = |typ: Option<&str>| rules.is_type(typ);
    let judge = || rules.judge(&jws.claims().map_err(|fault| refuse(&fault))?, now);
    if let Some(loaded) = remote.current(now) {
        match loaded.verify(jws, is_type) {
            Ok(_) => return judge(),
            Err(SignatureFault::UnknownKey) => {}
            Err(fault) => return Err(refuse(&fault)),
        }
    }
    // None of the keys is the one: a newer set may have it.
    let is_newest = remote.renewed(now).await;
    let Some(loaded) = remote.current(now) else { return Err(remote.unavailable(now)) };
    match loaded.verify(jws, is_type) {
        Ok(_) => judge(),
        // If the issuer could not be asked, nobody knows that the key is none of its own.
        Err(SignatureFault::UnknownKey) if !is_newest => Err(remote.unavailable(now)),
        Err(fault) => Err(refuse(&fault)),
    }
}

/// Takes a token apart that may be none of this kind.
pub(super) fn parse(token: &str) -> Result<Jws<'_>, VerifyFault> {
    Jws::parse(token).map_err(|fault| match fault {
        JwsFault::Segments => VerifyFault::Unrecognized,
        fault => refuse(&fault),
    })
}

pub(super) fn refuse(fault: &dyn std::error::Error) -> VerifyFault {
    tracing::debug!(reason = %fault, "token refused");
    VerifyFault::Invalid
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.issuers.iter().map(|(rules, _)| rules.issuer())).finish()
    }
}

/// Collects issuers; what is wrong is said by [`build`](Self::build), all at once.
///
/// ```
/// use oauth_resource::{JwtVerifier, TrustedIssuer};
///
/// let errors = JwtVerifier::builder("https://mcp.example/mcp")
///     .issuer(TrustedIssuer::new("http://as.example"))
///     .issuer(TrustedIssuer::new("https://id.example").with_jwks("{}"))
///     .build()
///     .unwrap_err();
/// // The first is not https, and its keys are fetched through nothing; the second has none.
/// assert_eq!(errors.iter().count(), 3);
/// ```
pub struct JwtVerifierBuilder {
    resource: String,
    issuers: Vec<TrustedIssuer>,
    fetch: Option<Arc<dyn Fetch>>,
    timing: KeyTiming,
}

impl JwtVerifierBuilder {
    /// Accepts the tokens of this issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Fetches keys through this. An issuer in the own network, or on loopback, needs a policy that opens it; one whose documents are longer
    /// than the policy's 64 KiB needs `FetchPolicy::with_max_body`, up to 512 KiB.
    #[must_use]
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// How often keys are fetched, and for how long they count.
    #[must_use]
    pub fn timing(mut self, timing: KeyTiming) -> Self {
        self.timing = timing;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    pub fn build(self) -> Result<JwtVerifier, ConfigErrors> {
        let mut errors = Vec::new();
        let resource =
            self.resource.parse::<ResourceUri>().map_err(|error| errors.push(ConfigError::Resource(error)));
        if self.issuers.is_empty() {
            errors.push(rule("JwtVerifier", "no issuer is trusted, so no token could be good"));
        }
        let mut issuers = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for trusted in self.issuers {
            let name = trusted.issuer.clone();
            let (issuer, defaults) = (name.parse::<Issuer>(), Defaults::of(&trusted));
            let issuer = issuer.map_err(|error| errors.push(ConfigError::Issuer(error)));
            let defaults = defaults.map_err(|wrong| errors.extend(wrong));
            if seen.contains(&name) {
                errors.push(rule(&format!("issuer {name:?}"), "it is listed twice"));
            }
            if trusted.algorithms.is_empty() {
                errors.push(rule(&format!("issuer {name:?}"), "no algorithm is allowed"));
            }
            seen.push(name);
            // Looked at whatever else is wrong, so that all is said at once.
            let named = issuer.unwrap_or_else(|()| stand_in());
            match (Keys::of(&trusted, &named, self.fetch.as_ref(), self.timing), defaults, &resource) {
                (Ok(keys), Ok(defaults), Ok(resource)) => {
                    issuers.push((Rules::new(trusted, resource, defaults), keys));
                }
                (Ok(_), _, _) => {}
                (Err(why), _, _) => errors.push(rule(&format!("keys of issuer {:?}", trusted.issuer), why)),
            }
        }
        if errors.is_empty() { Ok(JwtVerifier { issuers }) } else { Err(ConfigErrors(errors)) }
    }
}

fn stand_in() -> Issuer {
    "https://issuer.invalid".parse().expect("an https url without query or fragment")
}

impl fmt::Debug for JwtVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifierBuilder").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}
