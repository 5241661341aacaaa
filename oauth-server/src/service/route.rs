//! From a request to its answer: the endpoint, the limits, the operation; and whatever is refused before there is one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use http::{HeaderValue, Method, StatusCode};
use oauth_core::{ErrorCode, Event, EventKind, OAuthError, Quota, SourceNetwork, Timestamp};

use super::endpoint::Endpoint;
use crate::server::Context;
use crate::wire::{Reply, Request, Unread, cors, error_reply, json_reply, source_of};
use crate::{authorize, clients, interaction, introspect, jwks, landing, metadata, revoke, token};

/// Whose the paths are at which there is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody else's: the server is a service by itself.
    Alone,
    /// The app's, before which the server stands as a layer.
    BeforeApp,
}

/// Answers a request, whatever happens.
pub(super) async fn answer<B>(context: Arc<Context>, request: http::Request<B>, place: Place) -> Reply
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Nothing in a context changes while the server runs: a panic leaves nothing half-written in it.
    AssertUnwindSafe(route(context, request, place)).catch_unwind().await.unwrap_or_else(|_| panicked())
}

async fn route<B>(context: Arc<Context>, request: http::Request<B>, place: Place) -> Reply
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // The one look at the clock: everything below is told.
    let now = context.clock.now();
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let is_for_us = is_for_us(&context, request.headers());
    let is_visit = is_for_us && landing::is_visit(&method, request.headers());
    let with_landing = context.landing && place == Place::Alone;
    let Some(endpoint) = endpoint_at(&context, &path, place) else {
        let missing = is_visit.then(|| interaction::show::nothing_to_see(&context, true, with_landing));
        return elsewhere(&path, &method, missing.unwrap_or_else(not_found));
    };
    if !is_for_us {
        return misdirected();
    }
    if endpoint == Endpoint::Landing && !(with_landing && is_visit) {
        return if is_visit { interaction::show::nothing_to_see(&context, true, false) } else { not_found() };
    }
    if method == Method::OPTIONS && endpoint.is_cross_origin() {
        return cors::preflight(endpoint.methods());
    }
    if !endpoint.methods().split(", ").any(|allowed| allowed == method.as_str()) {
        let mut reply = if is_visit {
            interaction::show::nothing_to_see(&context, false, with_landing)
        } else {
            method_not_allowed()
        };
        reply.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(endpoint.methods()));
        if endpoint.is_cross_origin() {
            cors::open(&mut reply);
        }
        return reply;
    }
    let mut reply = match Request::read(request).await {
        Ok(request) => dispatch(&context, endpoint, &request, now).await,
        Err(Unread::TooLarge) => too_large(),
        Err(Unread::Late) => late(),
        Err(Unread::Broken) => broken(),
    };
    if endpoint.is_cross_origin() {
        cors::open(&mut reply);
    }
    reply
}

/// The endpoint at a path. Where there is no account to connect, the path is nobody's, or the app's.
pub(super) fn endpoint_at<'p>(context: &Context, path: &'p str, place: Place) -> Option<Endpoint<'p>> {
    let endpoint = Endpoint::at(path, context.issuer.path(), place == Place::Alone)?;
    match endpoint {
        Endpoint::Connect(id) | Endpoint::ConnectCallback(id) => {
            context.accounts_at(id).is_some().then_some(endpoint)
        }
        _ => Some(endpoint),
    }
}

/// A path at which there is nothing. Clients try several for metadata: a browser's script must see the 404, to try the next (AS-22).
fn elsewhere(path: &str, method: &Method, mut missing: Reply) -> Reply {
    if !path.contains("/.well-known/") {
        return missing;
    }
    if method == Method::OPTIONS {
        return cors::preflight("GET, HEAD, OPTIONS");
    }
    cors::open(&mut missing);
    missing
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
    let own = context.issuer.origin().strip_prefix("http://").map_or("", without_port);
    let name = without_port(host);
    ["127.0.0.1", "[::1]", "localhost", own].iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
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
        Endpoint::Landing => landing::handle(context),
        // Who only looks is not a user who goes there: nothing happens, and nothing is used up (LIM-7).
        _ if request.head.method == Method::HEAD => interaction::show::nothing(context),
        Endpoint::Authorize
        | Endpoint::Continue
        | Endpoint::Callback(_)
        | Endpoint::Connect(_)
        | Endpoint::ConnectCallback(_)
            if looks_ahead(&request.head) =>
        {
            interaction::show::not_now(context)
        }
        Endpoint::Authorize => authorize::handle(context, request, now).await,
        Endpoint::Continue => interaction::resume(context, request, now).await,
        Endpoint::Consent => interaction::consent::handle(context, request, now).await,
        Endpoint::SignIn(provider) => interaction::sign_in::submit(context, provider, request, now).await,
        Endpoint::Callback(provider) => interaction::sign_in::callback(context, provider, request, now).await,
        Endpoint::Connect(at) => interaction::connect::handle(context, at, request, now).await,
        Endpoint::ConnectCallback(at) => interaction::connect::callback(context, at, request, now).await,
        Endpoint::SignOut => interaction::sign_in::sign_out(context, request, now).await,
        Endpoint::Token => token::handle(context, request, now).await,
        Endpoint::Revoke => revoke::handle(context, request, now).await,
        Endpoint::Introspect => introspect::handle(context, request, now).await,
        Endpoint::Register => clients::registration::handle(context, request, now).await,
    }
}

/// A browser that fetches a page before somebody asks for it.
fn looks_ahead(head: &http::request::Parts) -> bool {
    // The second was Chromium's before the first was agreed on, the third is Firefox's.
    ["sec-purpose", "purpose", "x-moz"].into_iter().flat_map(|name| head.headers.get_all(name)).any(
        |purpose| {
            purpose.as_bytes().get(..8).is_some_and(|purpose| purpose.eq_ignore_ascii_case(b"prefetch"))
        },
    )
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
        // Hosted clients share few addresses: one of them may have much, but not all of what is everybody's.
        Endpoint::Token | Endpoint::Revoke | Endpoint::Introspect => {
            let Quota { burst, per } = limits.token_total;
            ("token", limits.token_total, Some(Quota::new(burst.div_ceil(2), per)))
        }
        Endpoint::Register => ("register", limits.register_total, Some(limits.register_source)),
        Endpoint::Metadata { .. } | Endpoint::Jwks | Endpoint::Landing => return Ok(()),
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
        quota: Quota,
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

fn method_not_allowed() -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "this method is not allowed here");
    json_reply(StatusCode::METHOD_NOT_ALLOWED, error.to_json())
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

fn late() -> Reply {
    let error = OAuthError::new(ErrorCode::InvalidRequest, "the body did not arrive");
    json_reply(StatusCode::REQUEST_TIMEOUT, error.to_json())
}

/// The connection broke, or the chunks of the body are none (A-HTTP-14).
fn broken() -> Reply {
    error_reply(&OAuthError::new(ErrorCode::InvalidRequest, "the body cannot be read"), false)
}
