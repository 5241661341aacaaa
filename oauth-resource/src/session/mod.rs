//! Legacy sessions (`Mcp-Session-Id`, up to protocol 2025-11-25) belong to the principal that opened them (RS-36, RS-82, A-AUD-8).
//!
//! The identifier that the inner service gives out goes to the client with a tag that only this layer can make:
//! `<inner>.<HMAC(key, issuer, subject, client, inner)>`. One that comes back without the caller's own tag names no session: 404, as
//! for one that is over. Nothing is stored, and any two servers with one key are one server.

mod future;
mod key;
mod layer;
mod service;

pub use key::SessionKey;
pub use layer::BindSessionLayer;
pub use service::BindSession;

pub(crate) use service::{SESSION_ID, not_found, seal};
