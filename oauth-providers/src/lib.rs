//! Ways for a person to sign in to an OAuth 2.1 server for MCP, implementations of
//! [`IdentityProvider`](oauth_core::IdentityProvider); and third parties at which it acts for them, of
//! [`Connection`](oauth_core::Connection).
//!
//! | feature | way | for |
//! |---|---|---|
//! | `passphrase` | [`OwnerPassphrase`] | a server with one user, its owner |
//! | `connection` | [`OAuthConnection`]: none, but tokens for an account elsewhere | tools that use a third party's API |

#[cfg(feature = "connection")]
mod connection;
#[cfg(feature = "passphrase")]
mod passphrase;

#[cfg(feature = "connection")]
pub use connection::{OAuthConnection, OAuthConnectionBuilder, OAuthConnectionError};
#[cfg(feature = "passphrase")]
pub use passphrase::{
    MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_CHARACTERS, OWNER, OwnerPassphrase, PROVIDER, PassphraseError,
};
