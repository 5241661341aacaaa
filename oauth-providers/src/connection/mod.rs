//! Accounts at third parties that speak OAuth 2.0: the code grant with PKCE, as a client.

mod builder;
mod endpoints;
mod oauth;
mod tokens;

pub use builder::{OAuthConnectionBuilder, OAuthConnectionError};
pub use oauth::OAuthConnection;
