//! The layer that makes [`TailorAnswers`], and what can be set of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use oauth_core::{ResourceUri, ScopeHierarchy};
use tower_layer::Layer;

use crate::challenge::Challenge;
use crate::scope::ScopePolicy;
use crate::tailor::service::{Settings, TailorAnswers};

/// How many bytes a list may have.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// Cuts the MCP server's answers to who asks. Made by [`ProtectedResource::tailor`](crate::ProtectedResource::tailor), with the resource's own
/// policy:
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt as _, Full};
/// use oauth_core::{Claims, Timestamp, TokenVerifier, VerifyFault, async_trait};
/// use oauth_resource::{PeekedBody, ProtectedResource, ScopeRules};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # struct Names;
/// # #[async_trait]
/// # impl TokenVerifier for Names {
/// #     async fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
/// #         let claims = Claims::new("https://as.example", "alice".parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX);
/// #         Ok(claims.with_audience(["https://mcp.example/mcp"]).with_scopes("notes:read".parse().unwrap()))
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mcp_server = service_fn(|_: Request<PeekedBody<Full<bytes::Bytes>>>| async {
///     let tools = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"list_notes"},{"name":"add_note"}]}}"#;
///     let response = http::Response::builder().header("content-type", "application/json");
///     Ok::<_, std::convert::Infallible>(response.body(Full::<bytes::Bytes>::from(tools)).unwrap())
/// });
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example")
///     .scopes(ScopeRules::builder("notes:read").tool("list_notes", "notes:read").tool("add_note", "notes:write"))
///     .verifier(Names)
///     .build()?;
/// let service = resource.layer().layer(resource.tailor().layer(mcp_server));
///
/// let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
/// let request = Request::post("/mcp").header("authorization", "Bearer readers").body(Full::from(list))?;
/// let seen = service.oneshot(request).await?.into_body().collect().await?.to_bytes();
/// assert_eq!(seen, r#"{"id":1,"jsonrpc":"2.0","result":{"cacheScope":"private","tools":[{"name":"list_notes"}]}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct TailorAnswersLayer {
    settings: Settings,
}

impl TailorAnswersLayer {
    /// By what `policy` says operations on `resource` need.
    #[must_use]
    pub fn new(resource: &ResourceUri, policy: Arc<dyn ScopePolicy>) -> Self {
        Self::of(Challenge::new(resource), policy)
    }

    pub(crate) const fn of(challenge: Challenge, policy: Arc<dyn ScopePolicy>) -> Self {
        let extensions = BTreeSet::new();
        Self {
            settings: Settings {
                policy,
                challenge,
                hides: true,
                schemes: false,
                max_list: MAX_LIST,
                extensions,
            },
        }
    }

    /// Lists everything to everybody, for clients that ask for more scope when they see what there is. What is listed may be refused.
    #[must_use]
    pub fn with_everything_listed(mut self) -> Self {
        self.settings.hides = false;
        self
    }

    /// Says of each tool which scopes it needs, as `securitySchemes` and in `_meta`, unless the server said it.
    #[must_use]
    pub fn with_security_schemes(mut self) -> Self {
        self.settings.schemes = true;
        self
    }

    /// Says that the server has an [extension](crate::extensions) of MCP, where clients look for it: in the answer to `server/discover`, and to
    /// `initialize` of older ones (EXT-2). What stands around a server it cannot know by itself.
    ///
    /// ```
    /// use oauth_core::Stores;
    /// use oauth_resource::{ProtectedResource, extensions};
    ///
    /// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
    /// let tailor = resource.tailor().with_extension(extensions::CLIENT_CREDENTIALS).with_extension(extensions::DPOP);
    /// assert!(format!("{tailor:?}").contains("io.modelcontextprotocol/auth/dpop"));
    /// # Ok::<(), oauth_resource::ConfigErrors>(())
    /// ```
    #[must_use]
    pub fn with_extension(mut self, name: &str) -> Self {
        self.settings.extensions.insert(name.into());
        self
    }

    /// How many bytes a list may have, or an event that may hold one; longer ones are answered by an error. Without it, 4 MiB.
    #[must_use]
    pub fn with_max_list(mut self, bytes: usize) -> Self {
        self.settings.max_list = bytes;
        self
    }
}

impl<S> Layer<S> for TailorAnswersLayer {
    type Service = TailorAnswers<S>;

    fn layer(&self, inner: S) -> TailorAnswers<S> {
        TailorAnswers::new(inner, Arc::new(self.settings.clone()))
    }
}

impl Settings {
    pub(super) fn hierarchy(&self) -> &ScopeHierarchy {
        self.policy.hierarchy()
    }
}

impl fmt::Debug for TailorAnswersLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailorAnswersLayer")
            .field("hides", &self.settings.hides)
            .field("schemes", &self.settings.schemes)
            .field("extensions", &self.settings.extensions)
            .finish_non_exhaustive()
    }
}
