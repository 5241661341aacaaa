//! The service that lets through only requests with a good token.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, Response};
use http_body::Body;
use oauth_core::{
    Clock, CredentialKey, ErrorCode, Revocations, ScopeHierarchy, ScopeSet, Secret, Timestamp, TokenHash,
    TokenVerifier, VerifyFault,
};
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::authorized::Authorized;
use crate::bearer::cache::Accepted;
use crate::bearer::credentials::{NoToken, token};
use crate::bearer::future::ResponseFuture;
use crate::bearer::judge::Judge;
use crate::body::ResponseBody;
use crate::challenge::{Challenge, Fault};
use crate::identity::IdentityHeaders;

/// Lets through only requests with a token that is good for this resource. Made by [`RequireBearerLayer`](crate::RequireBearerLayer),
/// where another example is.
///
/// ```
/// use http::Request;
/// # use http_body_util::Empty;
/// use oauth_core::Stores;
/// use oauth_resource::{RequireBearer, RequireBearerLayer, StoreVerifier};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<Empty<bytes::Bytes>>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let verifier = StoreVerifier::new(Stores::memory().grants, &"https://as.example".parse()?);
/// let layer = RequireBearerLayer::new("https://mcp.example/mcp".parse()?, verifier);
/// let service: RequireBearer<_, StoreVerifier> = layer.layer(mcp_server);
///
/// let response = service.oneshot(Request::post("/mcp").body(Empty::new())?).await?;
/// assert_eq!(response.status(), 401);
/// let challenge = response.headers()["www-authenticate"].to_str()?;
/// assert!(challenge.contains(r#"resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct RequireBearer<S, V> {
    inner: S,
    gate: Arc<Gate<V>>,
}

/// What all clones of a service share.
pub(crate) struct Gate<V> {
    pub(crate) verifier: Arc<V>,
    pub(crate) accepted: Arc<Accepted>,
    pub(crate) settings: Arc<Settings>,
}

/// What can be set.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) judge: Judge,
    pub(crate) challenge: Challenge,
    pub(crate) scopes: ScopeSet,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) revocations: Revocations,
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
    pub(crate) identity: IdentityHeaders,
    pub(crate) defers: bool,
}

/// Stands in the extensions of a request that was let through for the scope layer to refuse, or to admit as anonymous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Fault);

/// How asking the verifier ended.
pub(crate) enum Verdict {
    Accepted(Authorized),
    Refused,
    Unavailable(std::time::Duration),
}

const DPOP: HeaderName = HeaderName::from_static("dpop");

impl<S, V> RequireBearer<S, V> {
    pub(crate) fn new(inner: S, gate: Arc<Gate<V>>) -> Self {
        Self { inner, gate }
    }
}

impl<S, V, B, R> Service<Request<B>> for RequireBearer<S, V>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    V: TokenVerifier,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = &self.gate.settings;
        let token = match token(request.headers(), request.uri()) {
            Ok(token) => token,
            Err(NoToken::Several) => {
                tracing::debug!(reason = "several_credentials", "refused");
                let why = "send one access token, in the authorization header";
                return ResponseFuture::answer(answer::oauth(ErrorCode::InvalidRequest, why));
            }
            Err(NoToken::Absent) => {
                // Credentials of another scheme are none of ours, but whoever sends them is not anonymous (A-AUD-14).
                let anonymous = !request.headers().contains_key(AUTHORIZATION);
                if anonymous && settings.defers {
                    return ResponseFuture::inner(self.inner.call(settings.strip(request, Fault::Missing)));
                }
                return ResponseFuture::answer(settings.refuse(Fault::Missing));
            }
            Err(NoToken::Malformed) => {
                tracing::debug!(reason = "malformed", "token refused");
                if settings.defers {
                    return ResponseFuture::inner(self.inner.call(settings.strip(request, Fault::Invalid)));
                }
                return ResponseFuture::answer(settings.refuse(Fault::Invalid));
            }
        };
        let now = settings.clock.now();
        let hash = TokenHash::of(token);
        if let Some(authorized) = self.gate.accepted.get(&hash, now, &settings.revocations) {
            settings.admit(&mut request, authorized);
            return ResponseFuture::inner(self.inner.call(request));
        }
        let gate = self.gate.clone();
        let token = Secret::new(token.to_owned());
        let verdict = Box::pin(async move { gate.verify(&token, hash, now).await });
        // The clone is not ready; the one that is goes with the request.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::verifying(verdict, request, ready, settings.clone())
    }
}

impl<V: TokenVerifier> Gate<V> {
    async fn verify(&self, token: &Secret, hash: TokenHash, now: Timestamp) -> Verdict {
        let settings = &self.settings;
        // Read before the verifier reads: what is revoked between the two is noticed at the next request.
        let grant = CredentialKey::of(token.expose()).map(|key| key.grant);
        let epoch = settings.revocations.epoch(grant.as_ref());
        let claims = match self.verifier.verify(token.expose(), now).await {
            Ok(claims) => claims,
            Err(VerifyFault::Unavailable { retry_after, source }) => {
                tracing::error!(error = &*source as &dyn std::error::Error, "tokens cannot be verified");
                return Verdict::Unavailable(retry_after);
            }
            Err(fault) => return self.refuse(&hash, fault.reason()),
        };
        if let Err(reason) = settings.judge.check(&claims, now) {
            return self.refuse(&hash, reason);
        }
        // A verifier that reads the grant out of a token of another form did not ask whether it was revoked, so nothing can have
        // been missed between the two.
        let epoch =
            if claims.grant == grant { epoch } else { settings.revocations.epoch(claims.grant.as_ref()) };
        // The issuer's leeway is for clocks that differ, not for keeping a token longer: the verifier decides anew.
        let ends = claims.expires_at + settings.judge.leeway;
        let authorized = Authorized::new(claims, settings.hierarchy.clone());
        self.accepted.put(hash, authorized.clone(), ends, epoch, now);
        Verdict::Accepted(authorized)
    }

    fn refuse(&self, hash: &TokenHash, reason: &'static str) -> Verdict {
        tracing::debug!(reason, "token refused");
        self.accepted.forget(hash);
        Verdict::Refused
    }
}

impl Settings {
    /// The answer to a caller without a good token.
    pub(crate) fn refuse(&self, fault: Fault) -> Answer {
        self.challenge.answer(fault, &self.scopes)
    }

    /// What the inner service gets to see of an accepted request.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>, caller: Authorized) {
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        headers.remove(DPOP);
        self.identity.remove_from(headers);
        self.identity.add_to(headers, &caller);
        request.extensions_mut().insert(caller);
    }

    /// What the scope layer gets to see of a refused one.
    pub(crate) fn strip<B>(&self, mut request: Request<B>, fault: Fault) -> Request<B> {
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        headers.remove(DPOP);
        self.identity.remove_from(headers);
        let extensions = request.extensions_mut();
        extensions.remove::<Authorized>();
        extensions.insert(Refused(fault));
        request
    }
}

impl<S: Clone, V> Clone for RequireBearer<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: self.gate.clone() }
    }
}

impl<S, V> fmt::Debug for RequireBearer<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireBearer")
            .field("resource", &self.gate.settings.judge.resource)
            .finish_non_exhaustive()
    }
}
