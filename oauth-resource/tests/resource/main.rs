//! The protection of a resource, through the public API, by requests in process.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

mod answers;
mod authentication;
mod challenge;
mod defaults;
mod dpopx;
mod fixture;
mod guards;
mod identity;
mod known;
mod metadata;
mod possession;
mod refusals;
mod scopes;
mod sessions;
mod slow;
mod store;
mod tokens;
