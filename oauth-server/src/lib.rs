//! An OAuth 2.1 authorization server for MCP, in your process, on your store, with any HTTP stack that speaks `tower`.
//!
//! One typed operation an endpoint, a thin HTTP adapter, and one service over all paths: [`AuthorizationServer`].

pub mod pages;

mod authorize;
mod clients;
mod config;
mod interaction;
mod introspect;
mod jwks;
mod metadata;
mod policy;
mod revoke;
mod server;
mod service;
mod token;
mod wire;

pub use config::{BuildError, Builder, OfferedScope, PeerAddress, Registration};
pub use policy::{LimitError, Limits, Policy};
pub use server::AuthorizationServer;
pub use service::{AuthorizationLayer, ResponseFuture, WithAuthorization};
pub use token::{Asked, Entitlement, GrantType, TokenFault};
