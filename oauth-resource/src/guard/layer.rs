//! The layer that makes [`Guard`].

use std::sync::Arc;

use oauth_core::ResourceUri;
use tower_layer::Layer;

use crate::guard::service::{Guard, Settings};
use crate::guard::{Hosts, Origins};
use crate::metadata::MetadataService;

/// Refuses foreign pages and foreign names, answers preflights, serves the metadata. Stands before everything else;
/// [`ProtectedResource`](crate::ProtectedResource) puts it there, with lists of your own.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use oauth_core::metadata::ProtectedResourceMetadata;
/// use oauth_resource::{GuardLayer, MetadataService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let document = ProtectedResourceMetadata::new("http://127.0.0.1:8000/mcp".parse()?, "http://127.0.0.1:8000".parse()?);
/// let service = GuardLayer::new(&document.resource, MetadataService::new([&document])).layer(service_fn(|_: Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// }));
/// let rebound = Request::post("/mcp").header("host", "attacker.test:8000").body(())?;
/// assert_eq!(service.oneshot(rebound).await?.status(), StatusCode::FORBIDDEN);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct GuardLayer {
    settings: Arc<Settings>,
}

impl GuardLayer {
    /// Pages of the resource's own origin alone; names of the loopback alone, if the resource is there.
    #[must_use]
    pub fn new(resource: &ResourceUri, metadata: MetadataService) -> Self {
        Self::with(Hosts::of_loopback(resource), Origins::of(resource), metadata)
    }

    pub(crate) fn with(hosts: Option<Hosts>, origins: Origins, metadata: MetadataService) -> Self {
        Self { settings: Arc::new(Settings { hosts, origins, metadata }) }
    }

    pub(crate) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard::new(inner, self.settings.clone())
    }
}
