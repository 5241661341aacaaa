//! Tokens: nothing passes without one that is good here.
//!
//! In this order:
//! 1. One `Authorization` header, of scheme `Bearer` or, where it is wanted, `DPoP`, in any case, one space, one `b64token` of at most [`MAX_TOKEN`] characters. A
//!    token in the query is none; beside one in the header it is a second method, and refused (RS-33, RS-34, RS-37).
//! 2. A token that was accepted before and whose entry still counts is accepted: by its hash, without a boxed future.
//! 3. Else the [`TokenVerifier`](oauth_core::TokenVerifier) is asked. An authority that cannot be asked is 503, never 401.
//! 4. The claims are judged: issuer, audience, expiry, not-before, binding. A verifier cannot forget them.
//! 5. A token that is bound to a key is accepted as `DPoP` alone, with a new proof for each request ([`Dpop`]); others as `Bearer` alone.
//! 6. `Authorization`, `DPoP` and `Cookie` are removed, so that no tool logs or passes on what it does not have (RS-39, A-AUD-5); identity headers
//!    that the client made up are removed (RS-40); [`Authorized`](crate::Authorized) is put into the extensions. What wants to see cookies
//!    stands before this layer.
//!
//! Refused tokens are not remembered: a stranger can make as many as they like.

mod cache;
mod credentials;
mod future;
mod judge;
mod layer;
mod outages;
mod possession;
mod recent;
mod service;

pub use credentials::MAX_TOKEN;
pub use judge::MAX_LEEWAY;
pub use judge::is_audience;
pub use layer::RequireBearerLayer;
pub use possession::Dpop;
pub use service::RequireBearer;

pub(crate) use credentials::{DPOP, is_b64token};
pub(crate) use service::{Gate, ProvenFor, Refused};
