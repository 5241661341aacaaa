//! The port through which requests leave: a service in this process, or a server behind a socket.

mod hosts;
mod in_process;
mod tcp;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use oauth_core::async_trait;

pub use hosts::Hosts;
pub use in_process::InProcess;
pub use tcp::Tcp;

/// Sends one request and brings back the whole response. Follows nothing, keeps nothing.
///
/// The request's URI is absolute; what arrives has the path alone and a `Host` header, as over a socket.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use oauth_testing::{Wire, WireError};
///
/// /// Answers everything with its own method.
/// struct Echo;
///
/// #[oauth_core::async_trait]
/// impl Wire for Echo {
///     async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
///         Ok(Response::new(Bytes::from(request.method().to_string())))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let request = Request::get("https://as.example/").body(Bytes::new()).unwrap();
/// assert_eq!(Echo.send(request).await?.body(), "GET");
/// # Ok::<(), WireError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Wire: Send + Sync + 'static {
    /// Sends a request, and waits for the end of the response's body.
    ///
    /// # Errors
    /// [`WireError`] if there is nobody, or they break off. A refused request is a response.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError>;
}

#[async_trait]
impl<W: Wire + ?Sized> Wire for Arc<W> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        (**self).send(request).await
    }
}

/// Why there is no response.
///
/// ```
/// use oauth_testing::WireError;
/// assert_eq!(WireError::Nobody("https://as.example".into()).to_string(), "nobody answers at https://as.example");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// There is no server of that origin.
    #[error("nobody answers at {0}")]
    Nobody(String),
    /// No absolute URI, or a scheme that this wire does not speak.
    #[error("cannot send to {0}")]
    Target(Uri),
    /// The connection failed, or the response broke off.
    #[error("the exchange broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The response did not end in time.
    #[error("no whole response in time")]
    TimedOut,
}

/// `scheme://host[:port]`.
fn origin_of(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// From the absolute URI to what a server reads: the path and query, and `Host`, unless the sender lies about it.
fn origin_form(request: &mut Request<Bytes>) -> Result<(), WireError> {
    let target = || WireError::Target(request.uri().clone());
    let authority = request.uri().authority().ok_or_else(target)?;
    let host = authority.as_str().parse().map_err(|_| target())?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = path.parse().map_err(|_| target())?;
    *request.uri_mut() = path;
    request.headers_mut().entry(header::HOST).or_insert(host);
    Ok(())
}
