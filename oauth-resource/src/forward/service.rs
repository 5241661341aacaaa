//! The service that a reverse proxy asks.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use oauth_core::fetch::Network;
use oauth_core::{PeerAddress, ResourceUri, source_address};
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::audit::Trail;
use crate::authorized::Authorized;
use crate::canonical::canonical;
use crate::forward::builder::ForwardAuthBuilder;
use crate::forward::decide::{Ask, unknown};
use crate::forward::original::{Original, ProxyStyle};
use crate::forward::path::{is_below, is_plain};
use crate::guard::{Origins, Page, allow};
use crate::identity::IdentityClaim;

/// Answers a reverse proxy that asks whether a request may pass: 200 with identity headers, or the refusal that the client gets.
///
/// The [manual](crate::manual::proxies) has the configuration of Traefik, nginx, Caddy and Envoy. The host puts the
/// [`PeerAddress`] into each request's extensions.
///
/// ```
/// use http::Request;
/// use oauth_core::{PeerAddress, Stores};
/// use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle};
/// use tower::ServiceExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let notes = ProtectedResource::builder("https://notes.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let verify = ForwardAuth::builder(ProxyStyle::ForwardedUri)
///     .trusted_proxy("10.0.0.0/8")
///     .resource(&notes, PathRules::new("notes:read"))
///     .build()?;
///
/// let asked = Request::get("/verify")
///     .header("x-forwarded-method", "POST")
///     .header("x-forwarded-proto", "https")
///     .header("x-forwarded-host", "notes.example")
///     .header("x-forwarded-uri", "/mcp")
///     .extension(PeerAddress("10.0.0.1".parse()?));
/// let answer = verify.oneshot(asked.body(())?).await?;
/// assert_eq!(answer.status(), 401);
/// assert!(answer.headers()["www-authenticate"].to_str()?.contains(r#"scope="notes:read""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ForwardAuth {
    settings: Arc<Settings>,
}

/// What was set.
pub(super) struct Settings {
    pub(super) style: ProxyStyle,
    pub(super) path: String,
    pub(super) proxies: Vec<Network>,
    pub(super) identity: Vec<(HeaderName, IdentityClaim)>,
    /// Longest path first.
    pub(super) sites: Vec<Site>,
}

/// A resource behind the proxy.
pub(super) struct Site {
    pub(super) resource: ResourceUri,
    pub(super) origins: Origins,
    pub(super) ask: Arc<dyn Ask>,
}

impl ForwardAuth {
    /// For a proxy of this style.
    #[must_use]
    pub fn builder(style: ProxyStyle) -> ForwardAuthBuilder {
        ForwardAuthBuilder::new(style)
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

impl Settings {
    async fn answer(&self, head: Parts) -> Answer {
        let path = head.uri.path();
        if path != self.path && !(self.style.goes_below() && is_below(path, &self.path)) {
            return answer::plain(StatusCode::NOT_FOUND, "not_found", "nothing is there");
        }
        let peer = head.extensions.get::<PeerAddress>();
        if !peer.is_some_and(|PeerAddress(peer)| self.proxies.iter().any(|network| network.contains(*peer))) {
            tracing::warn!(reason = "untrusted_proxy", "a question from no proxy that was named is refused");
            let why = "only a reverse proxy that was named may ask";
            return answer::plain(StatusCode::FORBIDDEN, "forbidden", why);
        }
        let original = match self.style.read(&self.path, &head) {
            Ok(original) => original,
            Err(reason) => {
                // A client can bring this about only with a request that nobody serves.
                tracing::debug!(reason, "refused");
                return unknown();
            }
        };
        let Some(site) = self.site(&original) else {
            tracing::debug!(reason = "no_resource", "refused");
            return unknown();
        };
        let page = site.origins.of_request(&head.headers);
        let mut answer = site.ask.ask(question(head, original, &self.proxies)).await;
        if self.style.knows_two_refusals() && answer.status() == StatusCode::BAD_REQUEST {
            *answer.status_mut() = StatusCode::FORBIDDEN;
        }
        if answer.status() == StatusCode::OK {
            return self.identify(answer);
        }
        // Where to get a token stands in the refusal: the page has to be able to read it (RS-78). What is let through, the server behind answers.
        if let Page::Listed(origin) = page {
            allow(answer.headers_mut(), origin);
        }
        answer
    }

    fn site(&self, original: &Original) -> Option<&Site> {
        let path = original.target.path();
        let is_here = |site: &&Site| {
            site.resource.origin() == original.origin
                && is_below(&canonical(path), &canonical(site.resource.path()))
        };
        if is_plain(path) { self.sites.iter().find(is_here) } else { None }
    }

    /// Every header, whether or not somebody is known: what is missing could be a client's.
    fn identify(&self, mut answer: Answer) -> Answer {
        let caller = answer.extensions_mut().remove::<Authorized>();
        for (name, claim) in &self.identity {
            let value = caller.as_ref().map_or_else(Default::default, |caller| claim.of(caller));
            // What a proxy would trim is somebody else's name then.
            let carried = HeaderValue::from_str(&value).ok().filter(|_| value.trim() == value);
            let Some(carried) = carried else {
                tracing::warn!(reason = "identity", header = %name, "no header can carry who calls: refused");
                let why = "who calls cannot be told to the server";
                return answer::plain(StatusCode::FORBIDDEN, "forbidden", why);
            };
            answer.headers_mut().append(name.clone(), carried);
        }
        answer
    }
}

/// The request that the client sent, as far as a token check looks at it, and an audit.
fn question(head: Parts, original: Original, proxies: &[Network]) -> Request<Empty<bytes::Bytes>> {
    let mut request = Request::new(Empty::new());
    // The client's address, not the proxy's: the proxy is believed, or it would not have come this far.
    if let Some(source) = source_address(&head.headers, &head.extensions, proxies) {
        request.extensions_mut().insert(PeerAddress(source));
    }
    *request.method_mut() = original.method;
    *request.uri_mut() = original.target;
    *request.headers_mut() = head.headers;
    if let Some(trail) = head.extensions.get::<Trail>() {
        request.extensions_mut().insert(trail.clone());
    }
    request
}

impl<B> Service<Request<B>> for ForwardAuth {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, _) = request.into_parts();
        let settings = self.settings.clone();
        Box::pin(async move { Ok(settings.answer(head).await) })
    }
}

impl fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources: Vec<&ResourceUri> = self.settings.sites.iter().map(|site| &site.resource).collect();
        f.debug_struct("ForwardAuth")
            .field("style", &self.settings.style)
            .field("path", &self.settings.path)
            .field("resources", &resources)
            .finish_non_exhaustive()
    }
}
