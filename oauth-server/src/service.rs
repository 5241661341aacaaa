//! One `tower::Service` over all paths of the server, and a layer that serves them before another service.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{Either, Full};
use oauth_core::{ErrorCode, Event, EventKind, OAuthError, SourceNetwork, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use crate::server::{AuthorizationServer, Context};
use crate::wire::{Reply, Request, Unread, cors, error_reply, json_reply, source_of};
use crate::{authorize, clients, interaction, introspect, jwks, metadata, revoke, token};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint<'p> {
    Metadata { openid: bool },
    Jwks,
    Authorize,
    Continue,
    Consent,
    SignOut,
    SignIn(&'p str),
    Callback(&'p str),
    Token,
    Revoke,
    Introspect,
    Register,
}

impl<'p> Endpoint<'p> {
    /// The endpoint at `path`, letter for letter: no slash is forgiven and nothing is decoded (A-HTTP-11).
    ///
    /// An issuer with a path serves below it; as a service by itself, mounted by a router that strips the path, also without.
    fn at(path: &'p str, issuer_path: &str, may_be_stripped: bool) -> Option<Self> {
        let own = path.strip_prefix(issuer_path).filter(|_| !issuer_path.is_empty());
        // RFC 8414 §3.1 puts the well-known part between host and path; OpenID appends it. The root form belongs to the issuer
        // without a path alone (AS-2, AS-3).
        for (name, openid) in
            [("/.well-known/oauth-authorization-server", false), ("/.well-known/openid-configuration", true)]
        {
            if path.strip_prefix(name) == Some(issuer_path) || own == Some(name) {
                return Some(Self::Metadata { openid });
            }
        }
        let own = own.or_else(|| (issuer_path.is_empty() || may_be_stripped).then_some(path))?;
        Some(match own {
            "/jwks.json" => Self::Jwks,
            "/authorize" => Self::Authorize,
            "/authorize/continue" => Self::Continue,
            "/authorize/consent" => Self::Consent,
            "/sign-out" => Self::SignOut,
            "/token" => Self::Token,
            "/revoke" => Self::Revoke,
            "/introspect" => Self::Introspect,
            "/register" => Self::Register,
            other => {
                let provider = other.strip_prefix("/sign-in/")?;
                match provider.strip_suffix("/callback") {
                    Some(provider) if !provider.contains('/') => Self::Callback(provider),
                    _ if !provider.is_empty() && !provider.contains('/') => Self::SignIn(provider),
                    _ => return None,
                }
            }
        })
    }

    /// The methods it answers, as they stand in `Allow`.
    const fn methods(self) -> &'static str {
        match self {
            Self::Metadata { .. } | Self::Jwks => "GET, HEAD, OPTIONS",
            Self::Authorize => "GET, HEAD, POST",
            Self::Continue | Self::Callback(_) => "GET, HEAD",
            Self::Consent | Self::SignIn(_) | Self::SignOut => "POST",
            Self::Token | Self::Revoke | Self::Introspect | Self::Register => "POST, OPTIONS",
        }
    }

    /// Whether browsers' scripts of any origin may call it: what people see is closed to them (AS-22).
    const fn is_cross_origin(self) -> bool {
        matches!(
            self,
            Self::Metadata { .. }
                | Self::Jwks
                | Self::Token
                | Self::Revoke
                | Self::Introspect
                | Self::Register
        )
    }
}

/// Whether the server answers at `path`.
fn serves(context: &Context, path: &str) -> bool {
    Endpoint::at(path, context.issuer.path(), false).is_some()
}

/// Answers a request, whatever happens.
async fn answer<B>(context: Arc<Context>, request: http::Request<B>) -> Reply
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Nothing in a context changes while the server runs: a panic leaves nothing half-written in it.
    AssertUnwindSafe(route(context, request)).catch_unwind().await.unwrap_or_else(|_| panicked())
}

async fn route<B>(context: Arc<Context>, request: http::Request<B>) -> Reply
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // The one look at the clock: everything below is told.
    let now = context.clock.now();
    let path = request.uri().path().to_owned();
    let Some(endpoint) = Endpoint::at(&path, context.issuer.path(), true) else {
        return not_found();
    };
    if !is_for_us(&context, request.headers()) {
        return misdirected();
    }
    let method = request.method().clone();
    if method == Method::OPTIONS && endpoint.is_cross_origin() {
        return cors::preflight(endpoint.methods());
    }
    if !endpoint.methods().split(", ").any(|allowed| allowed == method.as_str()) {
        return method_not_allowed(endpoint);
    }
    let mut reply = match Request::read(request).await {
        Ok(request) => dispatch(&context, endpoint, &request, now).await,
        Err(Unread::TooLarge) => too_large(),
        Err(Unread::Broken) => broken(),
    };
    if endpoint.is_cross_origin() {
        cors::open(&mut reply);
    }
    reply
}

/// A server on loopback answers to loopback names alone: a page of another name that was pointed here gets nothing to read (DNS rebinding,
/// A-PROXY-7). Elsewhere the proxy decides.
fn is_for_us(context: &Context, headers: &http::HeaderMap) -> bool {
    if context.issuer.is_https() {
        return true;
    }
    let mut hosts = headers.get_all(http::header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let Some(host) = first else { return true };
    let Some(host) = host.to_str().ok().filter(|_| second.is_none()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

async fn dispatch(
    context: &Arc<Context>,
    endpoint: Endpoint<'_>,
    request: &Request,
    now: Timestamp,
) -> Reply {
    if let Err(error) = within_limits(context, endpoint, request, now).await {
        return match endpoint {
            Endpoint::Token | Endpoint::Revoke | Endpoint::Introspect | Endpoint::Register => {
                error_reply(&error, false)
            }
            _ => interaction::show::error(context, &error),
        };
    }
    match endpoint {
        Endpoint::Metadata { openid } => metadata::handle(context, openid),
        Endpoint::Jwks => jwks::handle(),
        // Who only looks is not a user who goes there: nothing happens, and nothing is used up (LIM-7).
        Endpoint::Authorize | Endpoint::Continue | Endpoint::Callback(_)
            if request.head.method == Method::HEAD =>
        {
            interaction::show::nothing(context)
        }
        Endpoint::Authorize | Endpoint::Continue | Endpoint::Callback(_) if looks_ahead(&request.head) => {
            interaction::show::not_now(context)
        }
        Endpoint::Authorize => authorize::handle(context, request, now).await,
        Endpoint::Continue => interaction::resume(context, request, now).await,
        Endpoint::Consent => interaction::consent::handle(context, request, now).await,
        Endpoint::SignIn(provider) => interaction::sign_in::submit(context, provider, request, now).await,
        Endpoint::Callback(provider) => interaction::sign_in::callback(context, provider, request, now).await,
        Endpoint::SignOut => interaction::sign_in::sign_out(context, request, now).await,
        Endpoint::Token => token::handle(context, request, now).await,
        Endpoint::Revoke => revoke::handle(context, request, now).await,
        Endpoint::Introspect => introspect::handle(context, request, now).await,
        Endpoint::Register => clients::registration::handle(context, request, now).await,
    }
}

/// A browser that fetches a page before somebody asks for it.
fn looks_ahead(head: &http::request::Parts) -> bool {
    head.headers.get("sec-purpose").is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch"))
}

/// Floods are stopped before anything is looked up (LIM-1). What a client may do is counted where the client is known.
async fn within_limits(
    context: &Context,
    endpoint: Endpoint<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let limits = &context.limits;
    let (kind, total, per_source) = match endpoint {
        Endpoint::Token | Endpoint::Revoke | Endpoint::Introspect => ("token", limits.token_total, None),
        Endpoint::Register => ("register", limits.register_total, Some(limits.register_source)),
        Endpoint::Metadata { .. } | Endpoint::Jwks => return Ok(()),
        _ => ("authorize", limits.authorize_total, Some(limits.authorize_source)),
    };
    let source = source_of(&request.head, &context.trusted_proxies);
    // The source first: one that is over its own limit must not use up everybody's.
    if let (Some(quota), Some(source)) = (per_source, source) {
        context.count(kind, &SourceNetwork::of(source).to_string(), quota, now).await?;
    }
    context.count(kind, "", total, now).await
}

impl Context {
    /// Counts an event in this process, and refuses when there are too many.
    pub(crate) async fn count(
        &self,
        kind: &'static str,
        whose: &str,
        quota: oauth_core::Quota,
        now: Timestamp,
    ) -> Result<(), OAuthError> {
        let verdict = self.flood.hit(&oauth_core::LimitKey::new(kind, whose), quota, now).await;
        match verdict {
            Ok(oauth_core::Verdict::Allowed) => Ok(()),
            Ok(oauth_core::Verdict::Limited { retry_after }) => {
                self.record(&Event { reason: Some(kind), ..Event::new(EventKind::Limited, now) });
                Err(OAuthError::limited(retry_after))
            }
            Err(_) => Err(OAuthError::unavailable()),
        }
    }
}

fn not_found() -> Reply {
    json_reply(
        StatusCode::NOT_FOUND,
        OAuthError::new(ErrorCode::InvalidRequest, "there is nothing at this path").to_json(),
    )
}

fn method_not_allowed(endpoint: Endpoint<'_>) -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "this method is not allowed here");
    let mut reply = json_reply(StatusCode::METHOD_NOT_ALLOWED, error.to_json());
    reply.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(endpoint.methods()));
    reply
}

fn misdirected() -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "this server answers to loopback names alone");
    json_reply(StatusCode::FORBIDDEN, error.to_json())
}

/// A fault of the program: said to the log, and to the caller without detail (A-FAULT-10).
fn panicked() -> Reply {
    tracing::error!("a request ended in a panic");
    error_reply(&OAuthError::new(ErrorCode::ServerError, "the server failed"), false)
}

fn too_large() -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "the body is too large");
    json_reply(StatusCode::PAYLOAD_TOO_LARGE, error.to_json())
}

fn broken() -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "the body did not arrive");
    json_reply(StatusCode::REQUEST_TIMEOUT, error.to_json())
}

/// The future of a response that is on its way.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use oauth_server::{AuthorizationServer, ResponseFuture};
/// use tower::Service as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let builder = AuthorizationServer::builder("https://as.example", oauth_core::Stores::memory());
/// # let mut server = builder.resource("https://as.example/mcp").insecure_approve_all("owner").build().await?;
/// let response: ResponseFuture<Full<Bytes>> = server.call(http::Request::get("/jwks.json").body(Full::<Bytes>::default())?);
/// assert_eq!(response.await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type ResponseFuture<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

impl<B> Service<http::Request<B>> for AuthorizationServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ResponseFuture<Full<Bytes>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let context = self.context.clone();
        Box::pin(async move { Ok(answer(context, request).await) })
    }
}

/// Serves the server's own paths, and passes everything else on.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_server::AuthorizationServer;
/// use tower::{ServiceBuilder, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = AuthorizationServer::builder("https://as.example", Stores::memory())
///     .resource("https://as.example/mcp")
///     .insecure_approve_all("owner")
///     .build()
///     .await?;
/// let app = service_fn(|_: http::Request<String>| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::from("mcp"))) });
/// let _both = ServiceBuilder::new().layer(server.layer()).service(app);
/// # Ok::<(), oauth_server::BuildError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationLayer {
    server: AuthorizationServer,
}

impl AuthorizationServer {
    /// A layer that serves this server's paths and passes everything else on.
    #[must_use]
    pub fn layer(&self) -> AuthorizationLayer {
        AuthorizationLayer { server: self.clone() }
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = WithAuthorization<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithAuthorization { server: self.server.clone(), inner }
    }
}

/// A service with an authorization server before it; made by [`AuthorizationLayer`].
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use oauth_server::{AuthorizationServer, WithAuthorization};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let builder = AuthorizationServer::builder("https://as.example", oauth_core::Stores::memory());
/// # let server = builder.resource("https://as.example/mcp").insecure_approve_all("owner").build().await?;
/// let app = service_fn(|_: http::Request<Full<Bytes>>| async {
///     http::Response::builder().status(418).body(Full::<Bytes>::default())
/// });
/// let both: WithAuthorization<_> = server.layer().layer(app);
/// let at = |path| http::Request::get(path).body(Full::<Bytes>::default());
/// assert_eq!(both.clone().oneshot(at("/jwks.json")?).await?.status(), 200);
/// assert_eq!(both.oneshot(at("/mcp")?).await?.status(), 418);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct WithAuthorization<S> {
    server: AuthorizationServer,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for WithAuthorization<S>
where
    S: Service<http::Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Either<Full<Bytes>, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, poller: &mut Poller<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(poller)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if serves(&self.server.context, request.uri().path()) {
            let context = self.server.context.clone();
            Box::pin(async move { Ok(answer(context, request).await.map(Either::Left)) })
        } else {
            let response = self.inner.call(request);
            Box::pin(async move { Ok(response.await?.map(Either::Right)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_letter_for_letter() {
        // AS-2, AS-3, A-HTTP-11
        for (path, issuer_path, endpoint) in [
            ("/token", "", Some(Endpoint::Token)),
            ("/t1/token", "/t1", Some(Endpoint::Token)),
            ("/.well-known/oauth-authorization-server", "", Some(Endpoint::Metadata { openid: false })),
            ("/.well-known/oauth-authorization-server/t1", "/t1", Some(Endpoint::Metadata { openid: false })),
            ("/t1/.well-known/oauth-authorization-server", "/t1", Some(Endpoint::Metadata { openid: false })),
            ("/.well-known/openid-configuration/t1", "/t1", Some(Endpoint::Metadata { openid: true })),
            ("/t1/.well-known/openid-configuration", "/t1", Some(Endpoint::Metadata { openid: true })),
            ("/.well-known/openid-configuration", "/t1", None),
            ("/.well-known/openid-configuration/t2", "/t1", None),
            ("/.well-known/openid-configuration/", "", None),
            ("/sign-in/github/callback", "", Some(Endpoint::Callback("github"))),
            ("/sign-in/passphrase", "", Some(Endpoint::SignIn("passphrase"))),
            ("/sign-in/", "", None),
            ("/sign-in/a/b", "", None),
            ("//token", "", None),
            ("/token/", "", None),
            ("/%74oken", "", None),
            ("/TOKEN", "", None),
            ("/token;x", "", None),
            ("/.well-known/../token", "", None),
        ] {
            assert_eq!(Endpoint::at(path, issuer_path, true), endpoint, "{path} {issuer_path}");
        }
        // As a layer it takes nothing from the app that it stands before.
        assert_eq!(Endpoint::at("/token", "/t1", false), None);
        assert_eq!(Endpoint::at("/t1/token", "/t1", false), Some(Endpoint::Token));
    }
}
