//! An OAuth 2.1 authorization server for MCP, in your process, on your store, with any HTTP stack that speaks `tower`.
//!
//! One typed operation an endpoint, a thin HTTP adapter, and one service over all paths: [`AuthorizationServer`].
//!
//! The [manual] says [how to](manual::howto) put it into a program, why each [default](manual::defaults) is as it is, and what stops
//! each known [attack](manual::attacks).
//!
//! | feature | adds |
//! |---|---|
//! | `fetch` (default) | the guarded client of `oauth-core`, for [clients by metadata document](Builder::client_documents) |
//!
//! # Deployment
//!
//! - **Addresses.** Put a [`PeerAddress`] into each request's extensions, and behind a proxy name it with
//!   [`Builder::trusted_proxy`]: else all visitors count as one, and one of them uses up everybody's limits.
//! - **Sweeping.** `Sweep` of `oauth-stores` forgets what has ended, one server at a time. Without it, call
//!   [`Stores::purge`](oauth_core::Stores::purge) every few minutes, with a time that lies back: never less than
//!   [`Policy::interaction`] (10 minutes), because a page that was answered is known by its grant; an hour also bears a clock that is set back.
//! - **The store** has the key that seals tickets, and hashes of everything else: keep it private (`oauth-stores` creates an SQLite file
//!   for its owner alone, mode 0600).
//! - **Several servers** over one store are one server: a code of one is redeemed at another. Quotas on floods are counted in each process,
//!   guesses of secrets in the store.
//! - **The runtime.** Any executor will do; on tokio, with time enabled (`enable_all`): slow bodies are cut off after 10 s. Outside of
//!   tokio the host does that; the guarded fetcher and the owner's passphrase do need tokio.
//! - **TLS** is the proxy's, or the host's. An `http` issuer is for loopback, and answers to loopback names alone.
//!
//! ```
//! use oauth_core::{Clock as _, Stores, SystemClock};
//! use oauth_server::Policy;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let stores = Stores::memory();
//! let kept = std::time::Duration::from_secs(3600);
//! assert!(kept > Policy::default().interaction);
//! let forgotten = stores.purge(SystemClock.now().before(kept)).await?;
//! # assert_eq!(forgotten, 0);
//! # Ok::<(), oauth_core::StoreError>(())
//! # }).unwrap();
//! ```

pub mod manual;
pub mod pages;

mod authorize;
mod clients;
mod config;
mod elicitation;
mod interaction;
mod introspect;
mod jwks;
mod landing;
mod metadata;
mod policy;
mod revoke;
mod server;
mod service;
mod token;
mod wire;

pub use config::{BuildError, Builder, DocumentChange, DocumentPolicy, OfferedScope, Registration};
pub use elicitation::{Elicitation, ElicitationFault};
pub use oauth_core::PeerAddress;
pub use policy::{LimitError, Limits, Policy};
pub use server::AuthorizationServer;
pub use service::{AuthorizationLayer, ResponseFuture, WithAuthorization};
pub use token::{Asked, Entitlement, GrantType, TokenFault};
