//! The layer that makes [`RequireHttps`].

use std::sync::Arc;

use oauth_core::fetch::Network;
use tower_layer::Layer;

use crate::config::{ConfigErrors, networks};
use crate::https::service::RequireHttps;

/// Lets through only what came by TLS, or from this machine. Stands outside of all other layers.
///
/// ```
/// use http::Request;
/// use oauth_core::PeerAddress;
/// use oauth_resource::{Encrypted, RequireHttpsLayer};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
/// # use http_body_util::Empty;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<()>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let service = RequireHttpsLayer::new(["10.0.0.0/8"])?.layer(mcp_server);
/// for (peer, proto, status) in [("10.0.0.1", "https", 200), ("10.0.0.1", "http", 403), ("192.0.2.7", "https", 403), ("127.0.0.1", "", 200)] {
///     let mut request = Request::post("/mcp").extension(PeerAddress(peer.parse()?));
///     if !proto.is_empty() {
///         request = request.header("x-forwarded-proto", proto);
///     }
///     assert_eq!(service.clone().oneshot(request.body(())?).await?.status(), status, "{peer} {proto}");
/// }
/// // A host that ends TLS itself says so.
/// assert_eq!(service.oneshot(Request::post("/mcp").extension(Encrypted).body(())?).await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct RequireHttpsLayer {
    proxies: Arc<[Network]>,
}

impl RequireHttpsLayer {
    /// Believes proxies in these networks (`10.0.0.0/8`) and no others.
    ///
    /// # Errors
    /// Every one that is no network.
    pub fn new<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let proxies = networks(proxies, &mut errors);
        if errors.is_empty() { Ok(Self { proxies: proxies.into() }) } else { Err(ConfigErrors(errors)) }
    }
}

impl<S> Layer<S> for RequireHttpsLayer {
    type Service = RequireHttps<S>;

    fn layer(&self, inner: S) -> RequireHttps<S> {
        RequireHttps::new(inner, self.proxies.clone())
    }
}
