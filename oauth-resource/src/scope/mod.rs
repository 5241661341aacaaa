//! Scopes: each operation needs its own, and the body says which operation it is.
//!
//! In this order:
//! 1. A `GET` or `DELETE` without a body is an operation of its own. Every other body is read, up to a limit, once.
//! 2. Its messages are found by a strict reader that builds nothing; each element of a batch counts (RS-83). Headers are not
//!    believed: an MCP server checks them against the body only from protocol 2026-07-28 on.
//! 3. The [`ScopePolicy`] says what the operations need. What cannot be classified might be anything.
//! 4. No good token: 401 with what is needed, unless nothing is (RS-19, RS-88).
//! 5. A member that decides twice, or headers that contradict the body: 400 (RS-81). After authentication, so that a stranger learns
//!    nothing.
//! 6. The user signed in too long ago, or by other means than are wanted: 401 with the demand and the scopes, so that one sign-in does
//!    for both (RS-30).
//! 7. A scope is missing: 403 with *all* that is needed, in one challenge (RS-22, RS-23).
//! 8. The inner service reads the very same bytes.

mod authentication;
mod body;
mod decide;
mod future;
mod headers;
mod json;
mod layer;
mod operation;
mod peek;
mod policy;
mod reading;
mod roles;
mod rules;
mod service;

pub use authentication::Authentication;
pub use body::PeekedBody;
pub use layer::{MAX_BODY, RequireScopeLayer};
pub use operation::Operation;
pub use policy::{Asked, Need, ScopePolicy};
pub use roles::ScopeRoles;
pub use rules::{ScopeRules, ScopeRulesBuilder};
pub use service::RequireScope;

pub(crate) use decide::{Caller, Settings};
pub(crate) use headers::Said;
pub(crate) use reading::{BODY_TIMEOUT, Reading, Unreadable, Whole};
