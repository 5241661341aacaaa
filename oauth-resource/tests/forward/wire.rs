//! HTTP/1.1 by hand: a client that spells headers as it likes, and a server behind the proxy that tells what arrived.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::response::{IntoResponse as _, Response};
use http_body_util::StreamBody;
use oauth_core::PeerAddress;
use oauth_resource::{ForwardAuth, WELL_KNOWN};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::fixture::notes;

/// An answer as it stood on the wire.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Sends these header lines as they are written.
pub(crate) async fn get(to: SocketAddr, target: &str, lines: &[&str]) -> Reply {
    ask(to, "GET", target, lines).await
}

/// The same, from this address.
pub(crate) async fn get_from(from: [u8; 4], to: SocketAddr, target: &str, lines: &[&str]) -> Reply {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    reply(send(socket.connect(to).await.unwrap(), to, "GET", target, lines).await).await
}

/// The same, by another method.
pub(crate) async fn ask(to: SocketAddr, method: &str, target: &str, lines: &[&str]) -> Reply {
    reply(send(TcpStream::connect(to).await.unwrap(), to, method, target, lines).await).await
}

async fn reply(mut stream: TcpStream) -> Reply {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an answer within 10 s").unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    Reply { status: status.unwrap_or_else(|| panic!("no status in {text:?}")), text }
}

async fn send(
    mut stream: TcpStream,
    to: SocketAddr,
    method: &str,
    target: &str,
    lines: &[&str],
) -> TcpStream {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", host(to));
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

fn host(to: SocketAddr) -> String {
    format!("localhost:{}", to.port())
}

/// Reads a stream of events until `wanted` has come.
pub(crate) struct Events(TcpStream, String);

impl Events {
    pub(crate) async fn open(to: SocketAddr, target: &str, lines: &[&str]) -> Self {
        Self(send(TcpStream::connect(to).await.unwrap(), to, "GET", target, lines).await, String::new())
    }

    pub(crate) async fn until(&mut self, wanted: &str) {
        let mut buffer = [0; 4096];
        while !self.1.contains(wanted) {
            let read = tokio::time::timeout(Duration::from_secs(10), self.0.read(&mut buffer));
            let read =
                read.await.unwrap_or_else(|_| panic!("{wanted:?} did not come: {:?}", self.1)).unwrap();
            assert!(read > 0, "the stream ended: {:?}", self.1);
            self.1.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}

/// Where what listens.
pub(crate) struct Behind {
    pub(crate) auth: SocketAddr,
    pub(crate) mcp: SocketAddr,
    /// Lets the stream at `/mcp/stream` go on.
    pub(crate) go_on: Arc<Notify>,
}

/// Forward auth with the metadata, and a server that believes headers.
pub(crate) async fn start(verify: ForwardAuth, resource: &str) -> Behind {
    let metadata = notes(resource).metadata();
    let auth = Router::new()
        .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), metadata)
        .fallback_service(verify)
        .layer(map_request(with_peer));
    let go_on = Arc::new(Notify::new());
    let waits = go_on.clone();
    let mcp = Router::new().fallback(move |request: Request| answer(request, waits.clone()));
    Behind { auth: serve(auth).await, mcp: serve(mcp).await, go_on }
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn with_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddress(peer.ip()));
    request
}

async fn answer(request: Request, go_on: Arc<Notify>) -> Response {
    if request.uri().path() == "/mcp/stream" {
        let first =
            async { Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from("data: one\n\n"))) };
        let second = async move {
            go_on.notified().await;
            Ok(http_body::Frame::data(Bytes::from("data: two\n\n")))
        };
        let events = futures::stream::once(first);
        let events = futures::StreamExt::chain(events, futures::stream::once(second));
        let body = Body::new(StreamBody::new(events));
        return ([("content-type", "text/event-stream")], body).into_response();
    }
    // Each header on a line of its own, so that two are two.
    let mut text = format!("ARRIVED {}\n", request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}={}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text.into_response()
}
