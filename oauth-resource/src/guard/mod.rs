//! What is refused or answered before anybody asks for a token.
//!
//! In this order:
//! 1. `Host`: a page whose name was made to point at this machine is refused (RS-76, A-PROXY-7). On by default where the resource is on
//!    loopback.
//! 2. The metadata documents: anybody may read them, from any page (RS-13, RS-14).
//! 3. Whoever looks here for an authorization server's metadata is told that there is none (RS-15).
//! 4. `Origin`: a page that is not on the list is refused, `null` too; whoever sends none is no page (RS-75, A-PROXY-8).
//! 5. Preflights of pages on the list are answered here, and never reach the inner service (RS-79).
//! 6. Everything else goes on; pages on the list may read the answer, refusals too (RS-78). No credentials are ever allowed for: a
//!    token is sent by the page, not by the browser.
//!
//! `Forwarded` and `X-Forwarded-*` are not read (RS-80): what this resource is called is configured.

mod future;
mod host;
mod layer;
mod origin;
mod service;

pub use layer::GuardLayer;
pub use service::Guard;

pub(crate) use future::ResponseFuture;
pub(crate) use host::Hosts;
pub(crate) use origin::{From as Page, Origins, allow, is_preflight};
pub(crate) use service::Settings;
