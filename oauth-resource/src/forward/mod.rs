//! Forward auth: a reverse proxy asks, for each request of its clients, whether it may pass.
//!
//! In this order:
//! 1. Only a proxy whose network was named is listened to: by the [`PeerAddress`](oauth_core::PeerAddress) of the request, nothing
//!    that the request says of itself (A-PROXY-2). Everybody else is 403, whatever they send.
//! 2. What the client asked for is read from the headers of *one* [`ProxyStyle`], each of them there once. Those of another style may
//!    come from the client, and are not looked at.
//! 3. Origin and longest path choose the resource. No resource: 403. A path with a second spelling (`..`, `%2e`, `//`, `%2F`, `;`,
//!    a backslash): 403, because the server behind may read it as another (UP-16).
//! 4. The token is checked as [`RequireBearer`](crate::RequireBearer) does it, with the same cache: 401 with the challenge, 503 if it
//!    cannot be.
//!    A browser that asks for a page on the list whether it may call ([`PathRules::page`]) has none, and needs none.
//! 5. [`PathRules`] say which scopes path and method need: 403 with the challenge.
//! 6. 200, with *every* identity header, empty where nobody is known: what a client sent under that name is overwritten (A-PROXY-4).
//!
//! No body is seen here, so scopes for each tool cannot be: for these, [`ProtectedResource`](crate::ProtectedResource) stands before the
//! server itself. Sessions are not bound to their principals either.

mod builder;
mod decide;
mod original;
mod path;
mod rules;
mod service;

pub use builder::ForwardAuthBuilder;
pub use original::ProxyStyle;
pub use rules::PathRules;
pub use service::ForwardAuth;
