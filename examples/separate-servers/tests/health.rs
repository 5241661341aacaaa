//! Who looks after the MCP server sees whether the authorization server answers it.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_testing::Site;
use separate_servers::{HEALTH, Offer, authorization_server, mcp_server};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

async fn health(origin: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{origin}{HEALTH}")).await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// What somebody with a token that nobody knows is told.
async fn call(origin: &str, token: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{origin}/mcp")).bearer_auth(token).body("{}");
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_mcp_server_is_well_while_it_is_answered() {
    // RS-72
    let ((as_listener, issuer), (mcp_listener, origin)) = (listen().await, listen().await);
    let mcp = format!("{origin}/mcp");
    let (secret, stores) = (Secret::generate(&OsEntropy), Stores::memory());
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let server = authorization_server(&issuer, &mcp, &secret, Offer::default(), stores, owner).await.unwrap();
    let up = Arc::new(AtomicBool::new(true));
    let switch = up.clone();
    let switched = from_fn(move |request: Request, next: Next| {
        let up = switch.load(Ordering::SeqCst);
        async move { if up { next.run(request).await } else { StatusCode::BAD_GATEWAY.into_response() } }
    });
    let issuer_app = Router::new().fallback_service(server).layer(switched);
    tokio::spawn(hosting::serve(as_listener, issuer_app, CancellationToken::new()));
    let app = mcp_server(&mcp, &issuer, &secret).unwrap();
    tokio::spawn(hosting::serve(mcp_listener, app, CancellationToken::new()));

    // Nobody has come with a token yet.
    let (status, said) = health(&origin).await;
    assert_eq!((status, &said["status"]), (200, &"healthy".into()), "{said}");
    assert_eq!(
        (&said["introspection"][0]["issuer"], &said["introspection"][0]["reachable"]),
        (&issuer.into(), &true.into())
    );
    for token in ["one", "another"] {
        up.store(false, Ordering::SeqCst);
        assert_eq!(call(&origin, token).await, 503);
        let (status, said) = health(&origin).await;
        assert_eq!((status, &said["introspection"][0]["reachable"]), (503, &false.into()), "{said}");
        up.store(true, Ordering::SeqCst);
        assert_eq!(call(&origin, token).await, 401);
        assert_eq!(health(&origin).await.0, 200);
    }
}

#[test]
fn the_mcp_server_is_not_where_it_says_how_it_is() {
    let secret = Secret::generate(&OsEntropy);
    let error = mcp_server("http://127.0.0.1:3232/health", "http://127.0.0.1:3001", &secret).unwrap_err();
    assert!(error.to_string().contains("/health"), "{error}");
}
