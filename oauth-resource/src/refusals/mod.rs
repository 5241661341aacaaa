//! Refusals in the form of JSON-RPC, for clients that look into the body.
//!
//! Status and challenge stay: they are what the specification has clients read. Only the body of a 401 or 403 with a challenge becomes an error
//! `-32001`, with what is needed to sign in.

mod future;
mod layer;

pub use layer::{JsonRpcRefusals, JsonRpcRefusalsLayer};
