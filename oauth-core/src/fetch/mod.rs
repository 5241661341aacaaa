//! Fetching what strangers name: client metadata documents, key sets, the endpoints of other servers.
//!
//! Whoever can make a server fetch a URL can point it at what only that server can reach: its own machine, the company
//! network, the cloud's metadata address. So everything that fetches does it through the [`Fetch`] port, and what a
//! [`FetchPolicy`] says holds for each request:
//!
//! 1. The URL is `https`, without user information and fragment, at an allowed port and host.
//! 2. An address written into it, in whatever notation, is public ([`is_public`]).
//! 3. A name resolves to public addresses only; the connection goes to just those, without a second look-up.
//! 4. No proxy is asked, whatever the environment says: it would resolve the name again, behind the guard.
//! 5. No redirect is followed, no cookie kept, nothing decompressed, nothing tried twice.
//! 6. Answers are bounded in bytes and time, and requests in number, for each host and over all.
//!
//! `GuardedFetch` (feature `fetch`) does all this over sockets. `StaticFetch` (feature `testing`) has the answers
//! ready. [`SingleFlight`] makes one fetch of many concurrent ones of the same thing.

use std::sync::Arc;

use async_trait::async_trait;

mod address;
mod error;
mod host;
mod network;
mod policy;
mod request;
mod single_flight;

#[cfg(feature = "fetch")]
mod guarded;
#[cfg(feature = "fetch")]
mod resolver;
#[cfg(feature = "testing")]
mod static_fetch;
mod target;
#[cfg(feature = "fetch")]
mod turns;

pub use address::is_public;
pub use error::{FetchError, Refusal};
#[cfg(feature = "fetch")]
pub use guarded::{GuardedFetch, GuardedFetchBuilder, SetupError};
pub use host::{HostPattern, HostPatternError};
pub use network::{Network, NetworkError};
pub use policy::FetchPolicy;
pub use request::{FetchRequest, Fetched};
#[cfg(feature = "fetch")]
pub use resolver::{Resolver, SystemResolver};
pub use single_flight::{SingleFlight, TooManyFlights};
#[cfg(feature = "testing")]
pub use static_fetch::{RecordedRequest, StaticFetch};
pub use target::{Scheme, Target};

/// Sends one request to a server that somebody else has named, and brings its answer.
///
/// An implementation that puts a document in place of the network, complete:
///
/// ```
/// use async_trait::async_trait;
/// use http::StatusCode;
/// use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched};
///
/// struct Pinned {
///     url: String,
///     document: String,
/// }
///
/// #[async_trait]
/// impl Fetch for Pinned {
///     async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
///         if request.url != self.url {
///             return Ok(Fetched::new(StatusCode::NOT_FOUND, ""));
///         }
///         match request.max_body {
///             Some(limit) if self.document.len() > limit => Err(FetchError::TooLarge { limit }),
///             _ => Ok(Fetched::json(self.document.clone())),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), FetchError> {
/// let pinned = Pinned { url: "https://app.example/client.json".into(), document: "{}".into() };
/// let fetched = pinned.fetch(FetchRequest::get("https://app.example/client.json")).await?;
/// assert_eq!(fetched.body, "{}");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request, once, and brings the whole answer.
    ///
    /// Any status is an answer, redirects too: none is followed. The URL may be anything a stranger could write; an
    /// implementation that reaches a network judges it, and every address behind it, as [`FetchPolicy`] does. When in
    /// doubt it refuses. It never brings more bytes than [`FetchRequest::max_body`]: a longer answer is
    /// [`FetchError::TooLarge`], not a shorter one. Dropping the future ends the request.
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<F: Fetch + ?Sized> Fetch for Arc<F> {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        (**self).fetch(request).await
    }
}
