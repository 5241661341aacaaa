//! Several servers, each at its own origin: a resource and its issuer, an honest issuer and a thief's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use oauth_core::async_trait;

use super::{Wire, WireError, origin_of};

/// A small internet: each origin is a wire of its own.
///
/// ```
/// use axum::{Router, routing::get};
/// use bytes::Bytes;
/// use oauth_testing::{Hosts, InProcess, Wire, WireError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let site = |text: &'static str| InProcess::new(Router::new().route("/", get(move || async move { text })));
/// let wire = Hosts::new().with("https://as.example", site("issuer")).with("https://mcp.example", site("tools"));
///
/// let get = |url: &str| http::Request::get(url).body(Bytes::new()).unwrap();
/// assert_eq!(wire.send(get("https://mcp.example/")).await?.body(), "tools");
/// assert!(matches!(wire.send(get("https://evil.example/")).await, Err(WireError::Nobody(_))));
/// # Ok::<(), WireError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Hosts {
    wires: BTreeMap<String, Arc<dyn Wire>>,
}

impl Hosts {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server at `origin`: scheme, host, and the port if it is not the scheme's own.
    #[must_use]
    pub fn with(mut self, origin: &str, wire: impl Wire) -> Self {
        self.wires.insert(origin.to_owned(), Arc::new(wire));
        self
    }
}

#[async_trait]
impl Wire for Hosts {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let origin = origin_of(request.uri()).ok_or_else(|| WireError::Target(request.uri().clone()))?;
        match self.wires.get(&origin) {
            Some(wire) => wire.send(request).await,
            None => Err(WireError::Nobody(origin)),
        }
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.wires.keys()).finish()
    }
}
