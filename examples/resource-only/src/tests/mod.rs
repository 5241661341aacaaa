//! The server as its clients and those who operate it meet it: over HTTP, behind an issuer of its own.

mod health;
mod rmcp_client;
mod settings;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A port of the day, and what is there.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

fn serve(listener: TcpListener, app: Router) {
    tokio::spawn(hosting::serve(listener, app, CancellationToken::new()));
}
