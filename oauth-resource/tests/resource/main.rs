//! The protection of a resource, through the public API, by requests in process.

mod challenge;
mod fixture;
mod guards;
mod identity;
mod metadata;
mod scopes;
mod sessions;
mod store;
mod tokens;
