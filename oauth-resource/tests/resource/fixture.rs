//! A resource with a clock to set, tokens to hand out, and an inner service that remembers what it saw.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use oauth_core::{Claims, Clock, Timestamp, TokenVerifier, VerifyFault, async_trait};
use oauth_resource::{
    Authorized, ProtectedResource, ProtectedResourceBuilder, ScopeRules, ScopeRulesBuilder,
};
use tower::{Layer as _, Service, ServiceExt as _};

pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const NOW: u64 = 1_700_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct StandingClock(Arc<AtomicU64>);

impl Default for StandingClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NOW * 1000)))
    }
}

impl StandingClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Tokens and what they say. `down` cannot be asked about.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    claims: Arc<Mutex<HashMap<String, Claims>>>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Tokens {
    pub(crate) fn put(&self, token: &str, claims: Claims) {
        self.claims.lock().unwrap().insert(token.to_owned(), claims);
    }

    pub(crate) fn remove(&self, token: &str) {
        self.claims.lock().unwrap().remove(token);
    }
}

#[async_trait]
impl TokenVerifier for Tokens {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if token == "down" {
            let source = "postgres://user:hunter2@10.0.0.1 refused".into();
            return Err(VerifyFault::Unavailable { retry_after: Duration::from_millis(1500), source });
        }
        self.claims.lock().unwrap().get(token).cloned().ok_or(VerifyFault::Invalid)
    }
}

/// Claims that are good for the resource, for an hour.
pub(crate) fn claims(subject: &str, scopes: &str) -> Claims {
    let expires = Timestamp::from_secs(NOW + 3600);
    Claims::new(ISSUER, subject.parse().unwrap(), "app".parse().unwrap(), expires)
        .with_audience([RESOURCE])
        .with_scopes(scopes.parse().unwrap())
}

/// What the inner service saw.
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) exact_size: Option<u64>,
    pub(crate) caller: Option<Authorized>,
}

/// The inner service: opens session `inner-1` for whoever asks.
#[derive(Clone, Default)]
pub(crate) struct Inner(Arc<Mutex<Vec<Seen>>>);

impl Inner {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Seen {
        self.0.lock().unwrap().pop().expect("the inner service was called")
    }
}

impl<B> Service<Request<B>> for Inner
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let seen = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let exact_size = body.size_hint().exact();
            let collected = body.collect().await.unwrap();
            let trailers = collected.trailers().cloned();
            let caller = parts.extensions.get::<Authorized>().cloned();
            let saw = Seen {
                method: parts.method,
                headers: parts.headers,
                body: collected.to_bytes(),
                trailers,
                exact_size,
                caller,
            };
            seen.lock().unwrap().push(saw);
            let mut response = Response::new(Full::from("inner"));
            response.headers_mut().insert("mcp-session-id", "inner-1".parse().unwrap());
            Ok(response)
        })
    }
}

/// An answer with its body read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate")
    }
}

/// A resource under test.
pub(crate) struct Bench {
    pub(crate) clock: StandingClock,
    pub(crate) tokens: Tokens,
    pub(crate) inner: Inner,
    layer: oauth_resource::ProtectedLayer<Tokens>,
}

pub(crate) fn rules() -> ScopeRulesBuilder {
    ScopeRules::builder("notes:read")
        .tool("list_notes", "notes:read")
        .tool("add_note", "notes:write")
        .tool("move_note", "notes:write notes:delete")
        .prompt("digest", "notes:read")
        .resources_below("notes://all/", "notes:read")
        .method("logging/setLevel", "admin")
        .anonymous("server/discover")
        .implies("admin", "notes:write")
        .implies("notes:write", "notes:read")
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder.scopes(rules()))
    }

    pub(crate) fn with(
        configure: impl FnOnce(ProtectedResourceBuilder<Tokens>) -> ProtectedResourceBuilder<Tokens>,
    ) -> Self {
        Self::at(RESOURCE, configure)
    }

    pub(crate) fn at(
        resource: &str,
        configure: impl FnOnce(ProtectedResourceBuilder<Tokens>) -> ProtectedResourceBuilder<Tokens>,
    ) -> Self {
        let clock = StandingClock::default();
        let tokens = Tokens::default();
        tokens.put("reader", claims("alice", "notes:read"));
        tokens.put("writer", claims("alice", "notes:write"));
        tokens.put("admin", claims("root", "admin notes:delete"));
        let builder = ProtectedResource::builder(resource, ISSUER)
            .verifier(tokens.clone())
            .clock(Arc::new(clock.clone()));
        let layer = configure(builder).build().unwrap().layer();
        Self { clock, tokens, inner: Inner::default(), layer }
    }

    pub(crate) async fn send<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Debug + Send,
    {
        let response = self.layer.layer(self.inner.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Posts a body with a token; without one if it is empty.
    pub(crate) async fn post(&self, token: &str, body: &str) -> Reply {
        self.send(post(token, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Full::<Bytes>::default()).unwrap()).await
    }
}

pub(crate) fn post(token: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

pub(crate) fn call(tool: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}).to_string()
}

pub(crate) fn method(method: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string()
}
