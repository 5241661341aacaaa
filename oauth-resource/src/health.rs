//! Whether a resource can do its work, for load balancers and people.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use oauth_core::{Clock, CredentialKey, GrantStore, SystemClock, Timestamp};
use serde_json::{Map, Value, json};
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::verify::{IntrospectionHealth, IntrospectionVerifier, JwtVerifier, KeySetHealth};

/// For how long an answer of a store or an endpoint counts: whoever asks for the health all the time asks them now and then.
const COUNTS: Duration = Duration::from_secs(5);
/// How long one may take.
const TAKES: Duration = Duration::from_secs(2);

/// Answers 200 if tokens can be verified, else 503: version, uptime, the age of each issuer's keys, whether each introspection endpoint answers
/// and since when, the store. Why something is not well is said in the log alone, because anybody may ask.
///
/// ```
/// use http::Request;
/// use http_body_util::BodyExt as _;
/// use oauth_core::Stores;
/// use oauth_resource::Health;
/// use tower::ServiceExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let health = Health::new("1.2.3").store(Stores::memory().grants.into());
/// // Router::new().route_service("/health", health)
/// let answer = health.oneshot(Request::get("/health").body(())?).await?;
/// assert_eq!(answer.status(), 200);
/// let body = answer.into_body().collect().await?.to_bytes();
/// assert_eq!(body, r#"{"status":"healthy","store":"connected","uptime":0,"version":"1.2.3"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Health {
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    version: String,
    clock: Arc<dyn Clock>,
    started: Timestamp,
    keys: Vec<Arc<JwtVerifier>>,
    asked: Vec<Arc<IntrospectionVerifier>>,
    store: Option<Arc<dyn GrantStore>>,
    seen: Arc<Mutex<Option<(Timestamp, bool)>>>,
    /// Held by whoever asks the store.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Health {
    /// Of a program of this version that starts now.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let clock = Arc::new(SystemClock);
        let settings = Settings {
            version: version.to_owned(),
            started: clock.now(),
            clock,
            keys: Vec::new(),
            asked: Vec::new(),
            store: None,
            seen: Arc::default(),
            asking: Arc::default(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// With the keys of a verifier's issuers: well as long as there are some that are not too old.
    #[must_use]
    pub fn keys(mut self, verifier: Arc<JwtVerifier>) -> Self {
        Arc::make_mut(&mut self.settings).keys.push(verifier);
        self
    }

    /// With the endpoint that a verifier asks: well if it answered when it was last asked. If nobody came with a token for five seconds, it is asked
    /// about one that nobody has, and has two seconds.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use http::Request;
    /// use http_body_util::BodyExt as _;
    /// use oauth_core::fetch::{Fetched, StaticFetch};
    /// # use oauth_core::Secret;
    /// use oauth_resource::{Health, IntrospectionCredentials, IntrospectionVerifier, TrustedIssuer};
    /// use tower::ServiceExt as _;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let endpoint = "https://as.example/introspect";
    /// # let fetch = Arc::new(StaticFetch::new().with(endpoint, Fetched::json(r#"{"active":false}"#)));
    /// let verifier = IntrospectionVerifier::builder("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"));
    /// # let verifier = verifier
    /// #     .endpoint(endpoint)
    /// #     .credentials(IntrospectionCredentials::basic("https://mcp.example/mcp", Secret::new("s3cret".to_owned())))
    /// #     .fetch(fetch);
    /// let verifier = Arc::new(verifier.build()?);
    /// // ProtectedResource::builder(…).verifier(verifier.clone())
    /// let health = Health::new("1.2.3").introspection(verifier);
    /// let body = health.oneshot(Request::get("/health").body(())?).await?.into_body().collect().await?.to_bytes();
    /// let said: serde_json::Value = serde_json::from_slice(&body)?;
    /// assert_eq!(said["introspection"][0]["reachable"], true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn introspection(mut self, verifier: Arc<IntrospectionVerifier>) -> Self {
        Arc::make_mut(&mut self.settings).asked.push(verifier);
        self
    }

    /// With a store: well if it answers within two seconds.
    #[must_use]
    pub fn store(mut self, grants: Arc<dyn GrantStore>) -> Self {
        Arc::make_mut(&mut self.settings).store = Some(grants);
        self
    }

    /// Another clock; the program starts when it says.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        settings.started = clock.now();
        settings.clock = clock;
        self
    }
}

impl Settings {
    async fn answer(&self) -> Answer {
        let now = self.clock.now();
        let mut said = Map::new();
        said.insert("version".to_owned(), self.version.as_str().into());
        said.insert("uptime".to_owned(), now.since(self.started).as_secs().into());
        let issuers: Vec<KeySetHealth> = self.keys.iter().flat_map(|keys| keys.health(now)).collect();
        let mut healthy = issuers.iter().all(|issuer| issuer.ready);
        if !self.keys.is_empty() {
            said.insert("issuers".to_owned(), issuers.iter().map(told).collect::<Vec<Value>>().into());
        }
        if !self.asked.is_empty() {
            let mut told = Vec::new();
            for verifier in &self.asked {
                let endpoint = reach(verifier, now).await;
                healthy &= endpoint.reachable;
                told.push(of_endpoint(&endpoint));
            }
            said.insert("introspection".to_owned(), told.into());
        }
        if let Some(store) = &self.store {
            let connected = self.connected(&**store, now).await;
            healthy &= connected;
            said.insert("store".to_owned(), if connected { "connected" } else { "unavailable" }.into());
        }
        said.insert("status".to_owned(), if healthy { "healthy" } else { "unhealthy" }.into());
        let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer::json(status, Value::Object(said).to_string())
    }

    async fn connected(&self, store: &dyn GrantStore, now: Timestamp) -> bool {
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = || {
            let last = *lock();
            last.filter(|(at, _)| now.is_within(*at, COUNTS)).map(|(_, connected)| connected)
        };
        if let Some(connected) = counts() {
            return connected;
        }
        // One asks; the others go by what was last heard, or wait if nothing was.
        let _turn = match self.asking.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                if let Some((_, connected)) = *lock() {
                    return connected;
                }
                self.asking.lock().await
            }
        };
        if let Some(connected) = counts() {
            return connected;
        }
        // A read of what is not there: every store can do that, and it changes nothing.
        let nobody =
            CredentialKey::of(&format!("mcp_at_{}", "A".repeat(64))).expect("a token of our own form");
        let found = tokio::time::timeout(TAKES, store.find(&nobody)).await;
        let connected = match found {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store is not well");
                false
            }
            Err(_) => {
                tracing::warn!("the store does not answer");
                false
            }
        };
        *lock() = Some((now, connected));
        connected
    }
}

/// What was last seen of an endpoint, if that is not long ago; else what is seen now.
async fn reach(verifier: &IntrospectionVerifier, now: Timestamp) -> IntrospectionHealth {
    let health = verifier.health(now);
    if health.asked.is_some_and(|ago| ago < COUNTS) {
        return health;
    }
    tokio::time::timeout(TAKES, verifier.probe(now)).await.unwrap_or_else(|_| verifier.give_up(now))
}

fn of_endpoint(endpoint: &IntrospectionHealth) -> Value {
    let mut told = json!({ "issuer": endpoint.issuer, "reachable": endpoint.reachable });
    if let Some(since) = endpoint.since {
        told["since"] = since.as_secs().into();
    }
    told
}

fn told(issuer: &KeySetHealth) -> Value {
    let age = issuer.age.map(|age| age.as_secs());
    let mut told = json!({ "issuer": issuer.issuer, "ready": issuer.ready, "keys": issuer.keys });
    if let Some(age) = age {
        told["age"] = age.into();
    }
    // Not what went wrong: hosts and addresses are nobody's business.
    told["reachable"] = issuer.failure.is_none().into();
    told
}

impl<B> Service<Request<B>> for Health {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = self.settings.clone();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        Box::pin(async move {
            if !reads {
                let why = "the health is read by get";
                return Ok(answer::plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", why));
            }
            Ok(settings.answer().await)
        })
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("version", &self.settings.version).finish_non_exhaustive()
    }
}
