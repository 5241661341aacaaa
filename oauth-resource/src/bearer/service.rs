//! The service that lets through only requests with a good token.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, RETRY_AFTER as RETRY_AFTER_HEADER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use oauth_core::dpop::{NONCE_HEADER, ProofFault, Proven};
use oauth_core::fetch::Network;
use oauth_core::{
    Binding, Clock, CredentialKey, ErrorCode, Revocations, ScopeHierarchy, ScopeSet, Secret, SourceNetwork,
    Thumbprint, Timestamp, TokenVerifier, VerifyFault, source_address,
};
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::audit::Trail;
use crate::authorized::Authorized;
use crate::bearer::cache::{Accepted, TokenTag};
use crate::bearer::credentials::{DPOP, NoToken, Scheme, of_value, presented};
use crate::bearer::future::ResponseFuture;
use crate::bearer::judge::Judge;
use crate::bearer::outages::Outages;
use crate::bearer::possession::{Call, Dpop};
use crate::body::ResponseBody;
use crate::challenge::{Challenge, Fault};
use crate::identity::IdentityHeaders;
use crate::stream::Opened;

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
/// let verifier = StoreVerifier::new(Stores::memory().grants.into(), &"https://as.example".parse()?);
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
    pub(crate) outages: Outages,
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
    pub(crate) dpop: Option<Dpop>,
    /// Whether the scope layer behind compares bodies with what proofs say of them.
    pub(crate) binds_content: bool,
    /// Whose word on where a request came from counts.
    pub(crate) proxies: Arc<[Network]>,
}

/// Stands in the extensions of a request that is good with the body that its proof is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProvenFor(pub(crate) Proven);

/// Stands in the extensions of a request that was let through for the scope layer to refuse, or to admit as anonymous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Fault);

/// How asking the verifier ended.
pub(crate) enum Verdict {
    /// With the proof, if the body must be the one that it is for.
    Accepted(Authorized, Option<Proven>),
    Refused,
    /// The token may be good; that the caller has its key is not shown.
    Unproven(ErrorCode),
    Unavailable(std::time::Duration),
}

/// What a token's binding asks of the way it is presented.
enum Presentation {
    Good,
    /// By the right scheme; the key is still to be proved.
    Proves(Thumbprint),
    Wrong,
}

pub(crate) static DPOP_NONCE: HeaderName = HeaderName::from_static(NONCE_HEADER);

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
        let presented = match presented(request.headers(), request.uri()) {
            Ok(presented) => presented,
            Err(why) => return self.without_token(why, request),
        };
        let scheme = presented.scheme;
        let now = settings.clock.now();
        let tag = self.gate.accepted.tag(presented.token.as_bytes());
        let accepted = match self.gate.accepted.get(&tag, now, &settings.revocations) {
            // Who bears a token that was seen before, and need prove nothing, is let through without further ado.
            Some(authorized) if settings.is_enough(scheme, &authorized) => {
                let has_more = presented.has_more;
                settings.admit(&mut request, has_more, authorized);
                return ResponseFuture::inner(self.inner.call(request));
            }
            accepted => accepted,
        };
        let token = match presented.token.read() {
            // Without proofs there is no such scheme.
            Ok(_) if scheme == Scheme::Dpop && settings.dpop.is_none() => {
                return ResponseFuture::answer(settings.refuse(Fault::Missing));
            }
            Ok(token) => Secret::new(token.to_owned()),
            Err(why) => return self.without_token(why, request),
        };
        let gate = self.gate.clone();
        let dpop = settings.dpop.as_ref().filter(|_| scheme == Scheme::Dpop);
        let call = dpop.map(|dpop| dpop.call(&request, &settings.judge.resource));
        let nonce = dpop.and_then(|dpop| dpop.nonce(now));
        let source = source_address(request.headers(), request.extensions(), &settings.proxies);
        let source = source.map(SourceNetwork::of);
        let verdict = Box::pin(async move {
            let verdict = match accepted {
                Some(authorized) => Verdict::Accepted(authorized, None),
                None => gate.verify(&token, tag, source, now).await,
            };
            gate.prove(verdict, scheme, call, &token, now).await
        });
        // The clone is not ready; the one that is goes with the request.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::verifying(verdict, request, ready, settings.clone(), nonce)
    }
}

impl<S, V> RequireBearer<S, V> {
    /// What becomes of a request that presents no token, or nothing that can be one.
    #[cold]
    fn without_token<B, R>(&mut self, why: NoToken, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let settings = &self.gate.settings;
        let fault = match why {
            NoToken::Several => {
                tracing::debug!(reason = "several_credentials", "refused");
                let why = "send one access token, in the authorization header";
                return ResponseFuture::answer(settings.challenge.malformed(why));
            }
            // Credentials of another scheme are none of ours, but whoever sends them is not anonymous (A-AUD-14).
            NoToken::Absent if request.headers().contains_key(AUTHORIZATION) => None,
            NoToken::Absent => Some(Fault::Missing),
            // Not anonymous, wherever nobody need be known: the token in the URL must reach no one (A-AUD-7).
            NoToken::InQuery => None,
            NoToken::Malformed => {
                tracing::debug!(reason = "malformed", "token refused");
                Some(Fault::Invalid)
            }
        };
        match fault {
            Some(fault) if settings.defers => {
                ResponseFuture::inner(self.inner.call(settings.strip(request, fault)))
            }
            fault => ResponseFuture::answer(settings.refuse(fault.unwrap_or(Fault::Missing))),
        }
    }
}

impl<V> Gate<V> {
    /// Whoever bears a token that was accepted before, if that is enough.
    pub(crate) fn known(&self, credentials: &HeaderValue) -> Option<Authorized> {
        let settings = &self.settings;
        let (scheme, token) = of_value(credentials.as_bytes()).ok()?;
        let tag = self.accepted.tag(token.as_bytes());
        let caller = self.accepted.get(&tag, settings.clock.now(), &settings.revocations)?;
        settings.is_enough(scheme, &caller).then_some(caller)
    }
}

impl<V: TokenVerifier> Gate<V> {
    async fn verify(
        &self,
        token: &Secret,
        tag: TokenTag,
        source: Option<SourceNetwork>,
        now: Timestamp,
    ) -> Verdict {
        let settings = &self.settings;
        // Read before the verifier reads: what is revoked between the two is noticed at the next request.
        let grant = CredentialKey::of(token.expose()).map(|key| key.grant);
        let epoch = settings.revocations.epoch(grant.as_ref());
        let claims = match self.verifier.verify_from(token.expose(), now, source).await {
            Ok(claims) => claims,
            Err(VerifyFault::Unavailable { retry_after, source }) => {
                self.tell(&*source, "tokens cannot be verified", now);
                return Verdict::Unavailable(retry_after);
            }
            Err(fault) => return self.refuse(&tag, fault.reason()),
        };
        if let Err(reason) = settings.judge.check(&claims, now) {
            return self.refuse(&tag, reason);
        }
        // A verifier that reads the grant out of a token of another form did not ask whether it was revoked, so nothing can have
        // been missed between the two.
        let epoch =
            if claims.grant == grant { epoch } else { settings.revocations.epoch(claims.grant.as_ref()) };
        // The issuer's leeway is for clocks that differ, not for keeping a token longer: the verifier decides anew.
        let ends = claims.expires_at + settings.judge.leeway;
        let authorized = Authorized::new(claims, settings.hierarchy.clone());
        self.accepted.put(tag, authorized.clone(), ends, epoch, now);
        Verdict::Accepted(authorized, None)
    }

    /// Whether an accepted token was presented as its binding asks, with the proof of this very request.
    async fn prove(
        &self,
        verdict: Verdict,
        scheme: Scheme,
        call: Option<Call>,
        token: &Secret,
        now: Timestamp,
    ) -> Verdict {
        let Verdict::Accepted(authorized, _) = verdict else { return verdict };
        let settings = &self.settings;
        let key = match settings.presentation(scheme, authorized.claims().binding) {
            Presentation::Good => return Verdict::Accepted(authorized, None),
            Presentation::Wrong => {
                tracing::debug!(reason = "binding", "token refused");
                return Verdict::Refused;
            }
            Presentation::Proves(key) => key,
        };
        let (Some(dpop), Some(call)) = (&settings.dpop, call) else { return Verdict::Refused };
        match dpop.check(&call, token, key, now).await {
            Ok(proven) => Verdict::Accepted(authorized, settings.binds_content.then_some(proven)),
            Err(ProofFault::Unavailable(error)) => {
                self.tell(&error, "proofs cannot be checked", now);
                Verdict::Unavailable(RETRY_AFTER)
            }
            Err(fault) => {
                tracing::debug!(reason = fault.reason(), "proof refused");
                Verdict::Unproven(fault.code())
            }
        }
    }

    fn tell(&self, error: &(dyn std::error::Error + 'static), what: &'static str, now: Timestamp) {
        if self.outages.is_news(now) {
            tracing::error!(error, "{what}");
        } else {
            tracing::debug!(error, "{what}");
        }
    }

    fn refuse(&self, tag: &TokenTag, reason: &'static str) -> Verdict {
        tracing::debug!(reason, "token refused");
        self.accepted.forget(tag);
        Verdict::Refused
    }
}

/// After how long to ask again when proofs cannot be checked.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

impl Settings {
    /// The answer to a caller without a good token.
    pub(crate) fn refuse(&self, fault: Fault) -> Answer {
        self.challenge.answer(fault, &self.scopes)
    }

    /// Who bears a bound token has proved nothing, and a proof for a token that is not bound proves nothing (DPOP-11).
    fn presentation(&self, scheme: Scheme, binding: Binding) -> Presentation {
        match (scheme, binding) {
            (Scheme::Bearer, Binding::Bearer) if self.dpop.as_ref().is_some_and(Dpop::is_required) => {
                Presentation::Wrong
            }
            (Scheme::Bearer, Binding::Bearer) => Presentation::Good,
            (Scheme::Dpop, Binding::Dpop(key)) => Presentation::Proves(key),
            _ => Presentation::Wrong,
        }
    }

    /// The answer to a caller whose proof proves nothing.
    pub(crate) fn refuse_proof(&self, code: ErrorCode) -> Answer {
        if code == ErrorCode::TooManyRequests {
            let mut answer = answer::oauth(code, "too many proofs of one key, wait a few minutes");
            if let Some(dpop) = &self.dpop {
                let wait = dpop.retry_after(self.clock.now());
                answer.headers_mut().insert(RETRY_AFTER_HEADER, wait.as_secs().into());
            }
            return answer;
        }
        self.challenge.refuse_proof(code, &self.scopes)
    }

    /// Whether to have presented the token so is all that is asked of who bears it.
    fn is_enough(&self, scheme: Scheme, caller: &Authorized) -> bool {
        scheme == Scheme::Bearer
            && matches!(self.presentation(scheme, caller.claims().binding), Presentation::Good)
    }

    /// What the inner service gets to see of an accepted request.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>, has_more: bool, caller: Authorized) {
        let headers = request.headers_mut();
        self.name(headers, has_more, &caller);
        if let Some(opened) = request.extensions().get::<Opened>() {
            opened.tell(&caller);
        }
        // Where the scope layer comes behind, it knows what is asked for.
        if !self.defers
            && let Some(trail) = request.extensions().get::<Trail>()
        {
            trail.note(Some(&caller), |each| each(request.method().as_str(), None));
        }
        request.extensions_mut().insert(caller);
    }

    /// Puts who calls in place of their token. If there may be more than it, a proof goes with it, and so do a browser's cookies: where the
    /// authorization server has the same host, one of them is a sign-in, and no MCP client means any for a tool (A-AUD-5).
    pub(crate) fn name(&self, headers: &mut HeaderMap, has_more: bool, caller: &Authorized) {
        headers.remove(AUTHORIZATION);
        if has_more {
            headers.remove(&DPOP);
            headers.remove(COOKIE);
        }
        self.identity.remove_from(headers);
        self.identity.add_to(headers, caller);
    }

    /// What the scope layer gets to see of a refused one.
    pub(crate) fn strip<B>(&self, mut request: Request<B>, fault: Fault) -> Request<B> {
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        headers.remove(COOKIE);
        headers.remove(&DPOP);
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
