//! Looking up names.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Looks up the addresses of a host. It need not judge them: whoever asks does.
///
/// ```
/// use std::io;
/// use std::net::IpAddr;
///
/// use async_trait::async_trait;
/// use oauth_core::fetch::{FetchPolicy, GuardedFetch, Resolver};
///
/// /// Knows one name.
/// struct Fixed;
///
/// #[async_trait]
/// impl Resolver for Fixed {
///     async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
///         match host {
///             "app.example" => Ok(vec![IpAddr::from([203, 0, 113, 7])]),
///             _ => Err(io::Error::from(io::ErrorKind::NotFound)),
///         }
///     }
/// }
///
/// let fetch = GuardedFetch::builder(FetchPolicy::new()).with_resolver(Fixed).build();
/// assert!(fetch.is_ok());
/// ```
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses, IPv4 and IPv6, that the host has right now. None at all is an error.
    ///
    /// Asked once for each new connection. The host is a name in lower case, never an address.
    ///
    /// # Errors
    ///
    /// Whatever went wrong. It becomes the source of a [`FetchError::Unreachable`](super::FetchError::Unreachable).
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's look-up (`getaddrinfo`), on threads that may block.
///
/// ```
/// use oauth_core::fetch::{Resolver, SystemResolver};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let addresses = SystemResolver::new(8).resolve("localhost").await?;
/// assert!(addresses.iter().all(|address| address.is_loopback()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SystemResolver {
    turns: Arc<Semaphore>,
}

impl SystemResolver {
    /// At most so many look-ups at once.
    ///
    /// A look-up cannot be broken off: its thread stays until the operating system answers, long after the one who
    /// asked has gone. Names whose servers never answer would take up all threads without this limit.
    #[must_use]
    pub fn new(max_concurrent: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(max_concurrent)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = tokio::task::spawn_blocking(move || {
            let addresses = (host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect();
            // Kept until here, whoever has stopped waiting.
            drop(turn);
            Ok(addresses)
        });
        lookup.await.map_err(io::Error::other)?
    }
}
