//! Streams end with the token that opened them (RS-86, RFC 9700 §4.9).
//!
//! A request is judged once, at the door, and an answer that goes on for hours would outlive its token. Stands outside of all other layers
//! that a token passes, where the token still is.
//!
//! 1. Only answers without an end in sight are watched: 200, and a body of unknown length.
//! 2. Once a second it is looked whether the token's time is over, or something was revoked in this process that concerns it.
//! 3. Now and then ([`with_recheck`](EndStreamsLayer::with_recheck), 30 s) the verifier is asked again: what was revoked elsewhere ends the
//!    stream as well. For this, the token is kept in memory as long as the stream is open, and wiped then.
//! 4. A verifier that cannot be asked, or does not answer in 10 s, ends nothing; the token's own time does, known since the door.
//!
//! The stream ends as if the server had closed it: a client connects again, and is told 401.

mod body;
mod future;
mod layer;
mod service;
mod watch;

pub use body::EndingBody;
pub use layer::EndStreamsLayer;
pub use service::EndStreams;
pub(crate) use service::Opened;
