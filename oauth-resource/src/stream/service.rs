//! The service that remembers with which token a stream was opened.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use oauth_core::{Clock, Revocations, Secret, TokenVerifier};
use tower_service::Service;

use crate::authorized::Authorized;
use crate::stream::body::EndingBody;
use crate::stream::future::ResponseFuture;
use crate::stream::watch::Watch;

/// Ends streams with the token that opened them. Made by [`EndStreamsLayer`](crate::EndStreamsLayer), where the example is.
///
/// ```
/// use oauth_resource::{EndStreams, ProtectedResource, StoreVerifier};
/// use tower::Layer as _;
/// # use oauth_core::Stores;
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let service: EndStreams<&str, StoreVerifier> = resource.end_streams().layer("a protected server");
/// assert!(format!("{service:?}").starts_with("EndStreams"));
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
pub struct EndStreams<S, V> {
    inner: S,
    verifier: Arc<V>,
    settings: Arc<Settings>,
}

/// What can be set.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) revocations: Revocations,
    pub(super) leeway: Duration,
    pub(super) recheck: Duration,
}

/// Stands in a request's extensions, for the layer within to tell whom it let in.
#[derive(Clone, Default)]
pub(crate) struct Opened(Arc<OnceLock<Authorized>>);

impl Opened {
    pub(crate) fn tell(&self, authorized: &Authorized) {
        self.0.get_or_init(|| authorized.clone());
    }

    pub(super) fn by(&self) -> Option<&Authorized> {
        self.0.get()
    }
}

impl<S, V> EndStreams<S, V> {
    pub(super) const fn new(inner: S, verifier: Arc<V>, settings: Arc<Settings>) -> Self {
        Self { inner, verifier, settings }
    }
}

impl<S, V, B, R> Service<Request<B>> for EndStreams<S, V>
where
    S: Service<Request<B>, Response = Response<R>>,
    V: TokenVerifier,
    R: Body<Data = Bytes>,
{
    type Response = Response<EndingBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Read before the request is judged: what is revoked meanwhile is noticed.
        let watch = token(request.headers())
            .map(|token| Watch::new(token, self.verifier.clone(), self.settings.clone()));
        let opened = Opened::default();
        if watch.is_some() {
            request.extensions_mut().insert(opened.clone());
        }
        ResponseFuture::new(self.inner.call(request), watch, opened)
    }
}

/// The token, by whichever scheme. Whether it is one, and the only one, is judged within.
fn token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, token) = value.split_once(' ')?;
    Some(Secret::new(token.to_owned()))
}

impl<S: Clone, V> Clone for EndStreams<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), verifier: self.verifier.clone(), settings: self.settings.clone() }
    }
}

impl<S: fmt::Debug, V> fmt::Debug for EndStreams<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndStreams").field("inner", &self.inner).finish_non_exhaustive()
    }
}
