//! A running server, over HTTP/1.1 without TLS.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use oauth_core::async_trait;
use tokio::net::TcpStream;

use super::{Wire, WireError, origin_form, origin_of};

/// The wire to a running server: a connection for each request.
///
/// ```
/// use bytes::Bytes;
/// use oauth_testing::{Tcp, Wire};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
/// tokio::spawn(async move { axum::serve(listener, router).await });
///
/// let request = http::Request::get(format!("http://{address}/")).body(Bytes::new())?;
/// assert_eq!(Tcp::new().send(request).await?.body(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp {
    address: Option<SocketAddr>,
}

impl Tcp {
    /// How long a response may take, to the end of its body.
    pub const TIME_LIMIT: Duration = Duration::from_secs(30);

    /// Connects to where the URL says, which must be `http`.
    #[must_use]
    pub const fn new() -> Self {
        Self { address: None }
    }

    /// Connects to `address` whatever the URL says, `https` too: plays the proxy that ends TLS.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use oauth_testing::{Tcp, Wire};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let address = listener.local_addr()?;
    /// # let host = |headers: axum::http::HeaderMap| async move { headers["host"].to_str().unwrap().to_owned() };
    /// # let router = axum::Router::new().route("/", axum::routing::get(host));
    /// # tokio::spawn(async move { axum::serve(listener, router).await });
    /// let request = http::Request::get("https://mcp.example/").body(Bytes::new())?;
    /// assert_eq!(Tcp::to(address).send(request).await?.body(), "mcp.example");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub const fn to(address: SocketAddr) -> Self {
        Self { address: Some(address) }
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let uri = request.uri().clone();
        let nobody = || WireError::Nobody(origin_of(&uri).unwrap_or_else(|| uri.to_string()));
        let stream = match (self.address, uri.scheme_str(), uri.host()) {
            (Some(address), ..) => TcpStream::connect(address).await,
            (None, Some("http"), Some(host)) => {
                TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await
            }
            _ => return Err(WireError::Target(uri)),
        };
        origin_form(&mut request)?;
        let stream = TokioIo::new(stream.map_err(|_| nobody())?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request.map(Full::new)).await.map_err(broken)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        connection.abort();
        Ok(Response::from_parts(parts, body))
    }
}

fn broken(error: hyper::Error) -> WireError {
    WireError::Broken(Box::new(error))
}

#[async_trait]
impl Wire for Tcp {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        tokio::time::timeout(Self::TIME_LIMIT, self.exchange(request))
            .await
            .map_err(|_| WireError::TimedOut)?
    }
}
