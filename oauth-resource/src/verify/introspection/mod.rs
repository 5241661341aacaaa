//! Tokens that their authorization server is asked about, one by one (RFC 7662).
//!
//! In this order:
//! 1. What was said of the token a short time ago still counts: by its hash, no longer than the token lives (RS-71). What was refused
//!    is remembered apart, and shorter: a stranger's tokens push nobody's out.
//! 2. Many requests with one token ask once.
//! 3. What cannot be a token is refused, and of tokens that the endpoint never called active only so many are asked about in a time: a stranger
//!    who sends another one each time is told to come again, and the endpoint does not feel it (A-INTRO-3).
//! 4. The endpoint is asked through the [`Fetch`] port, with credentials of this resource (RS-69).
//! 5. What is no answer (an outage, a status, HTML, a text that is too long, a signature that does not hold) is
//!    [`VerifyFault::Unavailable`]: nobody is let in, and nobody throws a token away (RS-72).
//! 6. `active` is `true`, a boolean (RS-70); then the claims are judged by the rules of the issuer, as those of a JWT are.

mod answer;
mod builder;
mod credentials;
mod health;
mod unknown;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, SingleFlight};
use oauth_core::{Claims, SourceNetwork, Timestamp, TokenHash, TokenVerifier, VerifyFault, async_trait};
use quick_cache::sync::Cache;

use crate::bearer::{MAX_TOKEN, is_b64token};
use crate::span::Span;
use crate::verify::claims::Rules;
use crate::verify::introspection::answer::Signed;
use crate::verify::introspection::health::Reach;
use crate::verify::introspection::unknown::Unknown;

pub use builder::IntrospectionVerifierBuilder;
pub use credentials::IntrospectionCredentials;
pub use health::IntrospectionHealth;

/// How many different tokens may be asked about at once.
const MAX_FLIGHTS: usize = 1024;
/// After how long to ask again when there was no answer.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Asks the authorization server's introspection endpoint, and remembers its answers for a short time.
///
/// A revocation counts here within that time ([`cache`](IntrospectionVerifierBuilder::cache), 20 s), and the
/// cache of [`RequireBearer`](crate::RequireBearer) adds its own (10 s).
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::fetch::{Fetched, StaticFetch};
/// use oauth_core::{Secret, Timestamp, TokenVerifier};
/// use oauth_resource::{IntrospectionCredentials, IntrospectionVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // In place of a `GuardedFetch`:
/// let fetch = Arc::new(StaticFetch::new().with("https://as.example/introspect", Fetched::json(
///     r#"{"active":true,"sub":"alice","client_id":"app","aud":"https://mcp.example/mcp","scope":"notes:read","exp":1700000600}"#,
/// )));
/// let verifier = IntrospectionVerifier::builder("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"))
///     .endpoint("https://as.example/introspect")
///     .credentials(IntrospectionCredentials::basic("https://mcp.example/mcp", Secret::new("s3cret".to_owned())))
///     .fetch(fetch.clone())
///     .build()?;
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// for _ in 0..2 {
///     assert_eq!(verifier.verify("opaque", now).await?.subject.as_str(), "alice");
/// }
/// assert_eq!(fetch.requests().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct IntrospectionVerifier {
    endpoint: String,
    credentials: IntrospectionCredentials,
    fetch: Arc<dyn Fetch>,
    rules: Rules,
    signed: Option<Signed>,
    own_form: bool,
    ttl: Duration,
    refused_ttl: Duration,
    accepted: Cache<TokenHash, Remembered>,
    refused: Cache<TokenHash, Span>,
    flights: SingleFlight<TokenHash, Outcome>,
    unknown: Unknown,
    reach: Reach,
}

#[derive(Clone)]
struct Remembered {
    claims: Arc<Claims>,
    fresh: Span,
}

/// How asking ended.
#[derive(Clone)]
enum Outcome {
    Active(Arc<Claims>),
    Refused,
    Unanswered(Arc<Unanswered>),
}

/// Why there is no answer. Neither what was sent nor what came is in it.
#[derive(Debug, thiserror::Error)]
#[error("introspection: {what}")]
struct Unanswered {
    what: &'static str,
    retry_after: Duration,
    /// What the endpoint said instead, if it did.
    status: Option<StatusCode>,
    #[source]
    source: Option<FetchError>,
}

impl Unanswered {
    const fn new(what: &'static str) -> Self {
        Self { what, retry_after: RETRY_AFTER, status: None, source: None }
    }

    /// Whether it may be for the text that was asked about.
    fn is_of_text(&self) -> bool {
        self.status.is_some_and(|status| status.is_client_error())
    }

    /// What it says of the endpoint. Nothing, if nobody got as far as asking; and one that has too much to do is there.
    fn of_endpoint(&self) -> Option<Option<String>> {
        match &self.source {
            Some(FetchError::Busy) => None,
            Some(error) => Some(Some(format!("{self}: {error}"))),
            None if self.status == Some(StatusCode::TOO_MANY_REQUESTS) => Some(None),
            None => Some(Some(self.to_string())),
        }
    }
}

/// Who has chosen the text that is asked about.
#[derive(Clone, Copy)]
enum Whose {
    /// The endpoint, which has called it active, or a probe.
    Ours,
    /// Perhaps a stranger.
    Anybodys,
}

/// What nobody has ever been given. That the endpoint says so is an answer.
const NOBODYS: &str = "health-check";

impl IntrospectionVerifier {
    /// A verifier of tokens for this resource. Of `issuer`, the rules for claims count, and its keys if
    /// [answers are signed](IntrospectionVerifierBuilder::signed_answers). `iat` and `jti` may be missing: RFC 7662 makes them optional.
    #[must_use]
    pub fn builder(resource: &str, issuer: crate::TrustedIssuer) -> IntrospectionVerifierBuilder {
        IntrospectionVerifierBuilder::new(resource, issuer)
    }

    /// Whether the endpoint answered when it was last asked, by whoever came with a token.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> IntrospectionHealth {
        self.reach.health(self.rules.issuer(), now)
    }

    /// Asks about a token that nobody has, so that it is known whether the endpoint answers although nobody comes: for health checks.
    /// Many at once ask once.
    pub async fn probe(&self, now: Timestamp) -> IntrospectionHealth {
        let asking = async {
            match self.introspect(NOBODYS, now, Whose::Ours).await {
                Err(Failure::Unanswered(why)) => Outcome::Unanswered(Arc::new(why)),
                _ => Outcome::Refused,
            }
        };
        // If there is no room for it, it is not asked, and what was last seen counts.
        let _ = self.flights.run(TokenHash::of(NOBODYS), asking).await;
        self.health(now)
    }

    /// A probe was waited for long enough.
    pub(crate) fn give_up(&self, now: Timestamp) -> IntrospectionHealth {
        self.reach.note(self.rules.issuer(), Some("the endpoint does not answer in time".to_owned()), now);
        self.health(now)
    }

    async fn ask(
        &self,
        token: &str,
        hash: TokenHash,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Outcome {
        // What was good before is asked about for nothing, however long ago that was.
        let turn = match self.accepted.peek(&hash) {
            Some(_) => None,
            None => match self.unknown.turn(source, now) {
                Ok(turn) => Some(turn),
                Err(retry_after) => {
                    let why = Unanswered::new("too many tokens come that the endpoint does not know");
                    return Outcome::Unanswered(Arc::new(Unanswered { retry_after, ..why }));
                }
            },
        };
        let whose = if turn.is_some() { Whose::Anybodys } else { Whose::Ours };
        let outcome = match self.introspect(token, now, whose).await {
            Ok(claims) => Outcome::Active(Arc::new(claims)),
            Err(Failure::Refused) => Outcome::Refused,
            Err(Failure::Unanswered(why)) => Outcome::Unanswered(Arc::new(why)),
        };
        match (turn, &outcome) {
            (Some(turn), Outcome::Active(_)) => turn.give_back(),
            // Nobody can make the endpoint fail by a text of their own; what stands before it may dislike one.
            (Some(turn), Outcome::Unanswered(why)) if !why.is_of_text() => turn.keep(),
            _ => {}
        }
        match &outcome {
            Outcome::Active(claims) => {
                let fresh = Span { since: now, until: claims.expires_at.min(now + self.ttl) };
                self.accepted.insert(hash, Remembered { claims: claims.clone(), fresh });
            }
            Outcome::Refused => {
                self.accepted.remove(&hash);
                self.refused.insert(hash, Span { since: now, until: now + self.refused_ttl });
            }
            Outcome::Unanswered(_) => {}
        }
        outcome
    }

    async fn introspect(&self, token: &str, now: Timestamp, whose: Whose) -> Result<Claims, Failure> {
        let outcome = self.question(token, now).await;
        let said = match (&outcome, whose) {
            // What a stranger has chosen tells no outage.
            (Err(Failure::Unanswered(why)), Whose::Anybodys) if why.is_of_text() => None,
            (Err(Failure::Unanswered(why)), _) => why.of_endpoint(),
            _ => Some(None),
        };
        if let Some(failure) = said {
            self.reach.note(self.rules.issuer(), failure, now);
        }
        outcome
    }

    async fn question(&self, token: &str, now: Timestamp) -> Result<Claims, Failure> {
        let request = self.credentials.request(&self.endpoint, token, self.rules.issuer(), now);
        let request = request.ok_or(Unanswered::new("the credentials cannot be used"))?;
        let request = self.signed.as_ref().map_or(request.clone(), |_| answer::accept_signed(request));
        let fetched = self.fetch.fetch(request).await.map_err(|error| Unanswered {
            source: Some(error),
            ..Unanswered::new("the endpoint does not answer")
        })?;
        let claims = answer::read(&fetched, self.signed.as_ref(), &self.rules, now).await?;
        if now >= claims.expires_at + claims.leeway { Err(Failure::Refused) } else { Ok(claims) }
    }
}

/// How access tokens, refresh tokens and keys of this project begin.
const OWN_FORMS: [&str; 3] = ["mcp_at_", "mcp_rt_", "mcp_key_"];

/// Why no claims came of it.
enum Failure {
    Refused,
    Unanswered(Unanswered),
}

impl From<Unanswered> for Failure {
    fn from(why: Unanswered) -> Self {
        Self::Unanswered(why)
    }
}

#[async_trait]
impl TokenVerifier for IntrospectionVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.verify_from(token, now, None).await
    }

    async fn verify_from(
        &self,
        token: &str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        if !self.own_form && OWN_FORMS.iter().any(|form| token.starts_with(form)) {
            return Err(VerifyFault::Unrecognized);
        }
        // Of what no server issues, none need be asked.
        if token.len() > MAX_TOKEN || !is_b64token(token.as_bytes()) {
            return Err(VerifyFault::Invalid);
        }
        let hash = TokenHash::of(token);
        if let Some(remembered) = self.accepted.get(&hash)
            && remembered.fresh.holds(now)
        {
            return Ok((*remembered.claims).clone());
        }
        if self.refused.get(&hash).is_some_and(|fresh| fresh.holds(now)) {
            return Err(VerifyFault::Invalid);
        }
        match self.flights.run(hash, self.ask(token, hash, now, source)).await {
            Ok(Outcome::Active(claims)) => Ok((*claims).clone()),
            Ok(Outcome::Refused) => Err(VerifyFault::Invalid),
            Ok(Outcome::Unanswered(why)) => {
                Err(VerifyFault::Unavailable { retry_after: why.retry_after, source: Box::new(why) })
            }
            Err(busy) => Err(VerifyFault::Unavailable { retry_after: RETRY_AFTER, source: Box::new(busy) }),
        }
    }
}

impl fmt::Debug for IntrospectionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifier")
            .field("endpoint", &self.endpoint)
            .field("issuer", &self.rules.issuer())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::fetch::{Fetched, StaticFetch};
    use oauth_core::{Quota, Secret};

    use super::*;
    use crate::TrustedIssuer;

    #[tokio::test]
    async fn however_many_tokens_are_forged_few_are_remembered() {
        // A-INTRO-3, RS-71
        let endpoint = "https://as.example/introspect";
        let fetch = StaticFetch::new().with(endpoint, Fetched::json(r#"{"active":false}"#));
        let issuer = TrustedIssuer::new("https://as.example");
        let verifier = IntrospectionVerifier::builder("https://mcp.example/mcp", issuer)
            .endpoint(endpoint)
            .credentials(IntrospectionCredentials::basic("mcp", Secret::new("s3cret".to_owned())))
            .fetch(Arc::new(fetch))
            .cache(100, Duration::from_secs(20))
            // As many as can be sent.
            .unknown_tokens(Quota::new(1, Duration::ZERO))
            .build()
            .unwrap();
        for number in 0..100_000 {
            let forged = format!("forged-{number}");
            assert!(verifier.verify(&forged, Timestamp::from_secs(1_700_000_000)).await.is_err());
        }
        assert!(verifier.refused.len() <= 100 && verifier.accepted.is_empty());
    }
}
