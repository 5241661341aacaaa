//! Ways for a person to sign in to an OAuth 2.1 server for MCP: implementations of
//! [`IdentityProvider`](oauth_core::IdentityProvider).
//!
//! | feature | way | for |
//! |---|---|---|
//! | `passphrase` | [`OwnerPassphrase`] | a server with one user, its owner |

#[cfg(feature = "passphrase")]
mod passphrase;

#[cfg(feature = "passphrase")]
pub use passphrase::{
    MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_CHARACTERS, OWNER, OwnerPassphrase, PROVIDER, PassphraseError,
};
