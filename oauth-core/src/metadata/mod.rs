//! The documents by which clients find their way.

mod authorization_server;
mod protected_resource;

pub use authorization_server::{AuthorizationServerMetadata, OpenIdMetadata};
pub use protected_resource::{OFFLINE_ACCESS, ProtectedResourceMetadata};
