//! Nobody sends a token in the clear.
//!
//! A request passes if it came by TLS, as the host says ([`Encrypted`](crate::Encrypted)) or a named proxy does
//! (`X-Forwarded-Proto: https`); or if it came from this machine and no proxy was between. All else is 403, with a line that says why, and never
//! redirected: a client that follows would have sent its token already, and would go on to (RS-80, A-PROXY-12).

mod layer;
mod service;

pub use layer::RequireHttpsLayer;
pub use service::{Encrypted, RequireHttps};
