//! The service that refuses what came in the clear.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use oauth_core::PeerAddress;
use oauth_core::fetch::Network;
use tower_service::Service;

use crate::answer;
use crate::body::ResponseBody;
use crate::guard::ResponseFuture;

/// Lets through only what came by TLS, or from this machine. Made by [`RequireHttpsLayer`](crate::RequireHttpsLayer), where the example is.
///
/// ```
/// use oauth_resource::{RequireHttps, RequireHttpsLayer};
/// use tower::Layer as _;
///
/// let service: RequireHttps<&str> = RequireHttpsLayer::new([])?.layer("any service");
/// assert!(format!("{service:?}").contains("any service"));
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequireHttps<S> {
    inner: S,
    proxies: Arc<[Network]>,
}

/// Says that a request came by TLS: a host that ends it puts this into the request's extensions.
///
/// ```
/// use oauth_resource::Encrypted;
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Encrypted);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted;

impl<S> RequireHttps<S> {
    pub(super) const fn new(inner: S, proxies: Arc<[Network]>) -> Self {
        Self { inner, proxies }
    }
}

impl<S, B, R> Service<Request<B>> for RequireHttps<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        if is_safe(&head, &self.proxies) {
            return ResponseFuture::inner(self.inner.call(Request::from_parts(head, body)), None);
        }
        tracing::debug!(reason = "https", "refused");
        let why = "this server is reached by https alone; a token that was sent is to be thrown away";
        ResponseFuture::answer(answer::plain(StatusCode::FORBIDDEN, "https_required", why))
    }
}

fn is_safe(head: &Parts, proxies: &[Network]) -> bool {
    if head.extensions.get::<Encrypted>().is_some() {
        return true;
    }
    // A host that does not say from where a request came cannot be told from one in the clear.
    let Some(PeerAddress(peer)) = head.extensions.get() else { return false };
    let peer = peer.to_canonical();
    let mut said = head.headers.get_all("x-forwarded-proto").iter();
    match (said.next(), said.next()) {
        // A list, or two headers, was begun by somebody else.
        (Some(proto), None) if proxies.iter().any(|network| network.contains(peer)) => proto == "https",
        // A proxy on this machine that does not say how the request came has not come from here.
        (None, _) => {
            let passed_on = ["forwarded", "via", "x-forwarded-for"];
            peer.is_loopback() && !passed_on.iter().any(|name| head.headers.contains_key(*name))
        }
        _ => false,
    }
}
