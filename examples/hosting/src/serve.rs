//! Connections, each in a task of its own: who sends the head of a request drop by drop is cut off, and so is who does not take in the answer;
//! whoever asked before the end is answered.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth_core::PeerAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long the head of a request may take, the next one's on a connection that is kept open, too (TOK-16). Bodies have a time-out of the
/// server's own.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer may wait for somebody to take it in. A stream that has nothing to say waits for nobody.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the head of a request may be: several times the longest token.
const HEAD_BYTES: usize = 64 * 1024;

/// How many connections there may be. The next one waits until another has ended.
const CONNECTIONS: usize = 8192;

/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_secs(1);

/// Listens, or says what to do about it.
///
/// # Errors
/// The address, what is wrong, and that `flag` chooses another.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let listener = hosting::listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
/// let taken = hosting::listen(listener.local_addr().unwrap(), "--listen").await.unwrap_err();
/// assert!(taken.ends_with("choose another with --listen"), "{taken}");
/// # });
/// ```
pub async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}; choose another with {flag}"))
}

/// How long open requests may take once a program is told to end.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Serves until somebody ends the program: Ctrl-C, or SIGTERM, as service managers send it. What was asked before has
/// [three seconds](PATIENCE).
///
/// ```no_run
/// # async fn example(app: axum::Router) -> Result<(), String> {
/// hosting::run(hosting::listen("127.0.0.1:3000".parse().unwrap(), "--listen").await?, app).await;
/// # Ok(())
/// # }
/// ```
pub async fn run(listener: TcpListener, app: Router) {
    let stop = CancellationToken::new();
    let server = serve(listener, app, stop.clone());
    let end = async {
        stopped().await;
        stop.cancel();
        // Somebody holds a connection open; everything that was answered is on the disk.
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = server => {}
        () = end => {}
    }
}

/// Ready once somebody wants the program to end.
///
/// ```no_run
/// # async fn example() {
/// hosting::stopped().await;
/// println!("going down");
/// # }
/// ```
pub async fn stopped() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = terminated => {}
        () = interrupted => {}
    }
}

/// Serves until `stop`, and then what was asked before. HTTP/1.1: what comes by HTTP/2 has a proxy before it. Each request knows its
/// [`PeerAddress`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stop = tokio_util::sync::CancellationToken::new();
/// let listener = hosting::listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
/// let server = tokio::spawn(hosting::serve(listener, axum::Router::new(), stop.clone()));
/// stop.cancel();
/// server.await.unwrap();
/// # });
/// ```
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    serve_some(listener, app, stop, CONNECTIONS).await;
}

/// So many at once.
async fn serve_some(listener: TcpListener, app: Router, stop: CancellationToken, most: usize) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < most => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(converse(stream, peer, app.clone(), stop.clone()));
            }
            // Somebody came and went.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                tokio::select! {
                    () = tokio::time::sleep(NO_ROOM) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn is_of_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse(stream: TcpStream, peer: SocketAddr, app: Router, stop: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        // Limits tell callers apart by their address.
        request.extensions_mut().insert(PeerAddress(peer.ip()));
        let app = app.clone();
        async move {
            match names_one_host(&request) {
                true => app.oneshot(request).await,
                false => Ok((StatusCode::BAD_REQUEST, "a request names one host").into_response()),
            }
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(ANSWER_TIMEOUT));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke off");
    }
}

/// What is at no path: for clients that read errors, and for people.
///
/// ```
/// let app: axum::Router = axum::Router::new().fallback(hosting::not_found);
/// # let _ = app;
/// ```
pub async fn not_found() -> Response {
    let body = r#"{"error":"not_found","error_description":"there is nothing at this address"}"#;
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// RFC 9112 §3.2: in HTTP/1.1 there is one `Host`. What stands behind would choose among several.
fn names_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_all_places_are_taken_waits_for_one() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let app = Router::new().route("/", get(|| async { "here" }));
        let server = tokio::spawn(serve_some(listener, app, stop.clone(), 1));
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let (mut first, mut second) =
            (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
        let mut answer = [0; 12];
        first.write_all(ask).await?;
        first.read_exact(&mut answer).await?;
        second.write_all(ask).await?;
        let waits = tokio::time::timeout(HEAD_TIMEOUT / 2, second.read_exact(&mut answer)).await;
        assert!(waits.is_err(), "the only place is taken");
        drop(first);
        second.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"HTTP/1.1 200");
        stop.cancel();
        server.await?;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_in_the_answer_is_cut_off() -> std::io::Result<()> {
        const LARGE: usize = 64 * 1024 * 1024;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let app = Router::new().route("/", get(|| async { vec![b'x'; LARGE] }));
        let server = tokio::spawn(serve(listener, app, stop.clone()));
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

        let mut stalls = TcpStream::connect(address).await?;
        stalls.write_all(ask).await?;
        tokio::time::sleep(3 * ANSWER_TIMEOUT).await;
        let mut answer = Vec::new();
        let _ = stalls.read_to_end(&mut answer).await;
        assert!(answer.len() < LARGE, "what was under way came, and no more: {}", answer.len());

        // Who takes it in has it whole.
        let mut reads = TcpStream::connect(address).await?;
        reads.write_all(ask).await?;
        let mut answer = Vec::new();
        reads.read_to_end(&mut answer).await?;
        assert!(answer.len() > LARGE);
        stop.cancel();
        server.await?;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_a_head_drop_by_drop_is_cut_off() -> std::io::Result<()> {
        // TOK-16
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let app = Router::new().route("/", get(|| async { "here" }));
        let server = tokio::spawn(serve(listener, app, stop.clone()));

        let mut slow = TcpStream::connect(address).await?;
        slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await?;
        let began = tokio::time::Instant::now();
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).await?;
        assert!(
            began.elapsed() >= HEAD_TIMEOUT && began.elapsed() < 2 * HEAD_TIMEOUT,
            "{:?}",
            began.elapsed()
        );

        let mut long = TcpStream::connect(address).await?;
        long.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx: ").await?;
        // Refused before all of it is there.
        let _ = long.write_all(&vec![b'x'; 2 * HEAD_BYTES]).await;
        let mut answer = vec![0; 12];
        long.read_exact(&mut answer).await?;
        assert_eq!(answer, b"HTTP/1.1 431");

        let mut quick = TcpStream::connect(address).await?;
        quick.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        quick.read_to_string(&mut answer).await?;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");

        for heads in ["", "host: x\r\nhost: y\r\n"] {
            let mut odd = TcpStream::connect(address).await?;
            odd.write_all(format!("GET / HTTP/1.1\r\n{heads}connection: close\r\n\r\n").as_bytes()).await?;
            let mut answer = String::new();
            odd.read_to_string(&mut answer).await?;
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        }

        // Who waits for nothing is let go when it stops.
        let mut idle = TcpStream::connect(address).await?;
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let mut first = [0; 12];
        idle.read_exact(&mut first).await?;
        assert_eq!(&first, b"HTTP/1.1 200");
        stop.cancel();
        server.await?;
        Ok(())
    }
}
