//! The layer that makes [`RequireExtension`], and what can be set of it.

use std::collections::HashSet;
use std::sync::Arc;

use tower_layer::Layer;

use crate::extensions::service::{RequireExtension, Settings};

/// Refuses requests for tools and methods that need an extension of MCP which their client does not name: 400 and `-32021` with what is missing,
/// never 401, because no token helps (RS-85, EXT-3). Only what the request itself says counts: a client of a protocol without such declarations
/// (before 2026-07-28) has no extension.
///
/// Stands next to the server, inside of [`ProtectedResource::layer`](crate::ProtectedResource::layer): who may call at all is decided first.
///
/// ```
/// use http::Request;
/// use http_body_util::{Empty, Full};
/// use oauth_core::Stores;
/// use oauth_resource::extensions::{RequireExtensionLayer, WORKLOAD_IDENTITY};
/// use oauth_resource::{PeekedBody, ProtectedResource, ScopeRules};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<PeekedBody<Full<bytes::Bytes>>>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let rules = ScopeRules::builder("").anonymous("server/discover");
/// let resource =
///     ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").scopes(rules).stores(&Stores::memory()).build()?;
/// let needs = RequireExtensionLayer::new(WORKLOAD_IDENTITY).tool("deploy").method("server/discover");
/// let service = resource.layer().layer(needs.layer(mcp_server));
///
/// let asked = |params| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{params}}}"#);
/// let with = r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/auth/wif":{}}}}}"#;
/// for (params, status) in [("{}", 400), (with, 200)] {
///     let request = Request::post("/mcp").body(Full::from(asked(params)))?;
///     assert_eq!(service.clone().oneshot(request).await?.status(), status);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct RequireExtensionLayer {
    settings: Settings,
}

impl RequireExtensionLayer {
    /// The extension, by its name. Until tools or methods are named, nothing needs it.
    #[must_use]
    pub fn new(extension: &str) -> Self {
        let settings =
            Settings { extension: extension.into(), tools: HashSet::new(), methods: HashSet::new() };
        Self { settings }
    }

    /// A tool that needs it. Names are compared letter by letter.
    #[must_use]
    pub fn tool(mut self, name: &str) -> Self {
        self.settings.tools.insert(name.into());
        self
    }

    /// A method that needs it, whatever it names.
    #[must_use]
    pub fn method(mut self, name: &str) -> Self {
        self.settings.methods.insert(name.into());
        self
    }
}

impl<S> Layer<S> for RequireExtensionLayer {
    type Service = RequireExtension<S>;

    fn layer(&self, inner: S) -> RequireExtension<S> {
        RequireExtension::new(inner, Arc::new(self.settings.clone()))
    }
}
