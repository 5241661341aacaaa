//! Tower layers that protect an MCP server with OAuth 2.1: access tokens, scopes for each tool with step-up, protected-resource
//! metadata (RFC 9728), and the guards of a server that browsers can reach.
//!
//! Ten lines do it. The server may be anything that speaks `tower`: an `rmcp` service, an axum router, a function.
//!
//! ```
//! use oauth_core::Stores;
//! use oauth_resource::{ProtectedResource, ScopeRules};
//! use tower::Layer;
//! # use http_body_util::Full;
//! # type Body = Full<bytes::Bytes>;
//! # let mcp_server = tower::service_fn(|_: http::Request<oauth_resource::PeekedBody<Body>>| async {
//! #     Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
//! # });
//! # let stores = Stores::memory(); // the stores of the authorization server in this process
//!
//! let resource = ProtectedResource::builder("https://notes.example/mcp", "https://notes.example")
//!     .name("Notes")
//!     .scopes(
//!         ScopeRules::builder("notes:read")
//!             .tool("list_notes", "notes:read")
//!             .tool("add_note", "notes:write")
//!             .implies("notes:write", "notes:read"),
//!     )
//!     .stores(&stores)
//!     .build()?;
//! let protected = resource.layer().layer(mcp_server);
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # let request = http::Request::get("/mcp").body(Body::default()).unwrap();
//! # let response = runtime.block_on(tower::ServiceExt::oneshot(protected, request)).unwrap();
//! # assert_eq!(response.status(), http::StatusCode::UNAUTHORIZED);
//! # Ok::<(), oauth_resource::ConfigErrors>(())
//! ```
//!
//! | feature | adds |
//! |---|---|
//! | `rmcp` | `Caller`, who calls, as an argument of an `rmcp` tool |
//!
//! It is off unless it is asked for.
//!
//! # What happens to a request
//!
//! | | layer | refuses with |
//! |---|---|---|
//! | 1 | [`Guard`]: host, metadata, origin, preflight | 403 |
//! | 2 | [`RequireBearer`]: the token, its issuer, audience, time, proof of possession | 401, 400, 503 |
//! | 3 | [`RequireScope`]: what the body asks for | 403, 401, 400, 413 |
//! | 4 | [`BindSession`]: whose session it is | 404 |
//!
//! Two more are there for who wants them: [`TailorAnswers`] next to the server (lists of what the caller may use, scopes that depend on
//! arguments), and [`EndStreams`] outside of all (no stream outlives its token).
//!
//! Each layer can be had by itself; [`ProtectedResource`] puts them in order. A refusal is a response: none of them adds an error
//! to the inner service's own.
//!
//! # Deployment
//!
//! - An `rmcp` service checks hosts itself, and lets this machine's through alone: give it
//!   `StreamableHttpServerConfig::default().disable_allowed_hosts()`, for [`Guard`] has judged them before.
//! - The feature `rmcp` has `Caller`, an argument of a tool.
//! - [`ScopeRules`] judge JSON-RPC. What is none needs the strictest set of them: before another kind of server leave `.scopes(…)` out, and any
//!   good token passes, or write a [`ScopePolicy`] of your own.
//! - The layer guards whatever it wraps. Wrap the whole server, or wrap the MCP route alone and mount
//!   [`ProtectedResource::metadata`] at [`WELL_KNOWN`] beside it.
//! - The resource's identifier is the URL that people type into their client. It is configured, and never taken from `Host` or
//!   `X-Forwarded-*`.
//! - A revocation in this process counts at once, one in another process within the cache's time (10 s).
//! - Several processes that share legacy sessions share a [`SessionKey`].

pub mod extensions;
pub mod manual;

mod answer;
mod audit;
mod authorized;
mod bearer;
mod body;
mod canonical;
mod challenge;
mod config;
mod forward;
mod guard;
mod health;
mod https;
mod identity;
mod metadata;
mod protected;
mod refusals;
mod request_state;
#[cfg(feature = "rmcp")]
mod rmcp;
mod scope;
mod seed;
mod session;
mod signed;
mod span;
mod stream;
mod tailor;
mod verify;

pub use audit::{Audit, AuditLayer};
pub use authorized::Authorized;
pub use bearer::{Dpop, MAX_LEEWAY, MAX_TOKEN, RequireBearer, RequireBearerLayer, is_audience};
pub use body::ResponseBody;
pub use config::{ConfigError, ConfigErrors};
pub use forward::{ForwardAuth, ForwardAuthBuilder, PathRules, ProxyStyle};
pub use guard::{Guard, GuardLayer};
pub use health::Health;
pub use https::{Encrypted, RequireHttps, RequireHttpsLayer};
pub use identity::IdentityClaim;
pub use metadata::{MetadataService, WELL_KNOWN};
pub use protected::{Protected, ProtectedLayer, ProtectedResource, ProtectedResourceBuilder};
pub use refusals::{JsonRpcRefusals, JsonRpcRefusalsLayer};
pub use request_state::RequestStates;
#[cfg(feature = "rmcp")]
pub use rmcp::Caller;
pub use scope::{
    Asked, Authentication, MAX_BODY, Need, Operation, PeekedBody, RequireScope, RequireScopeLayer,
    ScopePolicy, ScopeRoles, ScopeRules, ScopeRulesBuilder,
};
pub use session::{BindSession, BindSessionLayer, SessionKey};
pub use signed::{MetadataKey, MetadataKeyError};
pub use stream::{EndStreams, EndStreamsLayer, EndingBody};
pub use tailor::{Demand, TailorAnswers, TailorAnswersLayer, TailoredBody};
pub use verify::presets;
pub use verify::{
    AnyOf, ApiKey, ApiKeys, ByIssuer, HmacVerifier, IntrospectionCredentials, IntrospectionHealth,
    IntrospectionVerifier, IntrospectionVerifierBuilder, JwtVerifier, JwtVerifierBuilder, KeySetHealth,
    KeyTiming, RequiredClaim, StoreVerifier, TrustedIssuer, VerifyFn, verify_fn,
};
