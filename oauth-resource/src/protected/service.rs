//! The service that asks everything of a request that a protected resource wants to know.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use oauth_core::TokenVerifier;
use tower_service::Service;

use crate::authorized::Authorized;
use crate::bearer::{DPOP, Gate, RequireBearer};
use crate::body::ResponseBody;
use crate::guard::{self, Guard};
use crate::metadata::WELL_KNOWN;
use crate::protected::future::{ResponseFuture, Waiting};
use crate::scope::{self, Caller, PeekedBody, RequireScope, Said, Unreadable};
use crate::seed::Seed;
use crate::session::{BindSession, SESSION_ID, SessionKey};
use crate::stream::Opened;
use crate::verify::StoreVerifier;

/// A service behind all layers of a [`ProtectedResource`](crate::ProtectedResource): guards and metadata, then tokens, then scopes, then
/// sessions.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_resource::{Protected, ProtectedResource, ScopeRules};
/// use tower::Layer as _;
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
///     .scopes(ScopeRules::builder("notes:read"))
///     .stores(&Stores::memory())
///     .build()?;
/// /// A name for what is kept in a struct.
/// fn name(_: &Protected<&'static str>) -> &'static str { "protected" }
/// assert_eq!(name(&resource.layer().layer("any service")), "protected");
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
pub struct Protected<S, V = StoreVerifier> {
    /// The one that is polled. It leaves with a request.
    inner: Option<S>,
    shared: Arc<Shared<S, V>>,
}

/// What all clones of a service share.
struct Shared<S, V> {
    seed: Seed<S>,
    guard: Arc<guard::Settings>,
    gate: Arc<Gate<V>>,
    rules: Arc<Rules>,
}

/// What is asked of whoever has a good token.
pub(crate) struct Rules {
    pub(crate) scope: Arc<scope::Settings>,
    pub(crate) session: SessionKey,
}

/// The same as layers, one within the other.
type Layered<S, V> = Guard<RequireBearer<RequireScope<BindSession<S>>, V>>;

/// The answer, of the layers or without them.
type Answering<S, V, B> = ResponseFuture<S, B, <Layered<S, V> as Service<Request<B>>>::Future>;

/// What the headers of a plain request say.
struct Plain {
    caller: Authorized,
    said: Said,
    names_session: bool,
}

impl<S, V> Protected<S, V> {
    pub(super) fn new(inner: S, guard: Arc<guard::Settings>, gate: Gate<V>, rules: Arc<Rules>) -> Self {
        let shared = Shared { seed: Seed::default(), guard, gate: Arc::new(gate), rules };
        Self { inner: Some(inner), shared: Arc::new(shared) }
    }
}

impl<S: Clone, V> Protected<S, V> {
    /// A request that is not plain goes from layer to layer.
    #[cold]
    fn layered<B, R>(&mut self, request: Request<B>) -> Answering<S, V, B>
    where
        S: Service<Request<PeekedBody<B>>, Response = Response<R>>,
        V: TokenVerifier,
        B: Body<Data = Bytes>,
        R: Body<Data = Bytes>,
    {
        let Shared { seed, guard, gate, rules } = &*self.shared;
        let ready = seed.take(&mut self.inner);
        let within = RequireScope::new(BindSession::new(ready, rules.session.clone()), rules.scope.clone());
        let mut layers: Layered<S, V> = Guard::new(RequireBearer::new(within, gate.clone()), guard.clone());
        ResponseFuture::layered(layers.call(request))
    }
}

impl<S, V> Shared<S, V> {
    /// Reads a request as nearly all are: by `POST`, from no page, with one token that was accepted before and proves nothing. Of such a one
    /// the layers would ask no more than this does; their parts are the same. `None`: the layers shall look at it.
    fn plain(&self, parts: &Parts) -> Option<Plain> {
        let is_plain = parts.method == Method::POST
            && parts.uri.query().is_none()
            && !parts.uri.path().starts_with(WELL_KNOWN)
            && self.guard.admit(&parts.headers, &parts.uri);
        if !is_plain {
            return None;
        }
        let (mut credentials, mut names_session, mut said) = (None, false, Said::default());
        for (name, value) in &parts.headers {
            let is_odd = if *name == AUTHORIZATION {
                credentials.replace(value).is_some()
            } else if *name == SESSION_ID {
                std::mem::replace(&mut names_session, true)
            } else {
                said.note(name, value);
                *name == ORIGIN || *name == DPOP
            };
            if is_odd {
                return None;
            }
        }
        let caller = self.gate.known(credentials?)?;
        Some(Plain { caller, said, names_session })
    }
}

impl<S, V, B, R> Service<Request<B>> for Protected<S, V>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>> + Clone,
    V: TokenVerifier,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = Answering<S, V, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.shared.seed.of(&mut self.inner).poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let Some(Plain { caller, said, names_session }) = self.shared.plain(&parts) else {
            return self.layered(Request::from_parts(parts, body));
        };
        self.shared.gate.settings.name(&mut parts.headers, true, &caller);
        if let Some(opened) = parts.extensions.get::<Opened>() {
            opened.tell(&caller);
        }
        let scope = &self.shared.rules.scope;
        if body.size_hint().lower() > scope.limit(Caller::Known(&caller)) as u64 {
            let answer = scope.unreadable(Unreadable::TooLong, Caller::Known(&caller));
            return ResponseFuture::answer(answer);
        }
        let (ready, rules) = (self.shared.seed.take(&mut self.inner), self.shared.rules.clone());
        ResponseFuture::reading(body, Waiting { parts, caller, said, names_session, ready, rules })
    }
}

impl<S: Clone, V> Clone for Protected<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S, V> fmt::Debug for Protected<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected")
            .field("resource", &self.shared.gate.settings.judge.resource)
            .finish_non_exhaustive()
    }
}
