//! The documents by which clients find their way.

mod authorization_server;

pub use authorization_server::{AuthorizationServerMetadata, OpenIdMetadata};
