//! Who looks after the server sees when it cannot tell good tokens from others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use clap::Parser as _;
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use serde_json::{Value, json};

use crate::now;
use crate::settings::Settings;
use crate::tests::{listen, serve};
use crate::verifiers::Verifiers;

/// An issuer that is down until it is said to be up.
async fn issuer() -> (String, Arc<AtomicBool>) {
    let (listener, issuer) = listen().await;
    let up = Arc::new(AtomicBool::new(false));
    let jwks = JwkSet::of([SigningKey::generate_es256().public_jwk().clone()], &Algorithm::ALL).to_json();
    let metadata = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")});
    let answer = |up: &Arc<AtomicBool>, body: Value| {
        let up = up.clone();
        move || async move {
            match up.load(Ordering::SeqCst) {
                true => Ok(axum::Json(body)),
                false => Err(StatusCode::BAD_GATEWAY),
            }
        }
    };
    let app = Router::new()
        .route("/.well-known/oauth-authorization-server", get(answer(&up, metadata)))
        .route("/jwks", get(answer(&up, json!(jwks))))
        .route("/introspect", post(answer(&up, json!({"active": false}))))
        .fallback(any(|| async { StatusCode::NOT_FOUND }));
    serve(listener, app);
    (issuer, up)
}

/// The server, and where it is.
async fn server(issuer: &str, more: &[&str]) -> (String, Verifiers) {
    let (listener, origin) = listen().await;
    let address = origin.strip_prefix("http://").unwrap();
    let arguments = ["resource-only", "--issuer", issuer, "--listen", address];
    let settings = Settings::parse_from(arguments.iter().chain(more));
    let (app, verifiers) = crate::app(&settings).unwrap();
    serve(listener, app);
    (origin, verifiers)
}

async fn health(origin: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{origin}/health")).await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

async fn call(origin: &str, token: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{origin}/mcp")).bearer_auth(token).body("{}");
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn it_is_well_once_the_issuers_keys_are_there() {
    // RS-64
    let (issuer, up) = issuer().await;
    let (origin, verifiers) = server(&issuer, &[]).await;
    let keys = verifiers.keys.unwrap();
    assert!(!keys.warm_up(now()).await);
    let (status, said) = health(&origin).await;
    assert_eq!((status, &said["issuers"][0]["ready"]), (503, &json!(false)), "{said}");
    assert_eq!((&said["issuers"][0]["issuer"], &said["status"]), (&json!(issuer), &json!("unhealthy")));

    up.store(true, Ordering::SeqCst);
    // As whoever keeps them fresh comes by again.
    assert!(keys.warm_up(now() + Duration::from_secs(10)).await);
    let (status, said) = health(&origin).await;
    assert_eq!(
        (status, &said["issuers"][0]["ready"], &said["issuers"][0]["keys"]),
        (200, &json!(true), &json!(1))
    );
    assert_eq!(said["version"], env!("CARGO_PKG_VERSION"));

    // Down again, its last keys count.
    up.store(false, Ordering::SeqCst);
    assert_eq!(health(&origin).await.0, 200);
}

#[tokio::test]
async fn it_is_well_while_the_endpoint_answers() {
    // RS-72
    let (issuer, up) = issuer().await;
    let endpoint = format!("{issuer}/introspect");
    let asks = ["--introspection-endpoint", &endpoint, "--client-id", "mcp", "--client-secret", "secret"];
    let (origin, _) = server(&issuer, &asks).await;
    let (status, said) = health(&origin).await;
    assert_eq!((status, &said["introspection"][0]["reachable"]), (503, &json!(false)), "{said}");
    assert_eq!(said["introspection"][0]["issuer"], json!(issuer));
    assert_eq!(call(&origin, "opaque").await, 503);

    up.store(true, Ordering::SeqCst);
    assert_eq!(call(&origin, "opaque").await, 401);
    let (status, said) = health(&origin).await;
    assert_eq!((status, &said["introspection"][0]["reachable"]), (200, &json!(true)), "{said}");

    up.store(false, Ordering::SeqCst);
    assert_eq!(call(&origin, "another").await, 503);
    assert_eq!(health(&origin).await.0, 503);
    up.store(true, Ordering::SeqCst);
    assert_eq!(call(&origin, "another").await, 401);
    assert_eq!(health(&origin).await.0, 200);
}

#[tokio::test]
async fn anybody_may_ask_how_it_is_and_no_tool_stands_there() {
    let (issuer, up) = issuer().await;
    up.store(true, Ordering::SeqCst);
    let secret = ["--hmac-secret", "0123456789abcdef0123456789abcdef"];
    let (origin, _) = server(&issuer, &secret).await;
    // A shared secret asks nobody.
    let (status, said) = health(&origin).await;
    assert_eq!((status, &said["status"], &said["issuers"]), (200, &json!("healthy"), &Value::Null), "{said}");
    let answer = reqwest::Client::new().post(format!("{origin}/health")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    // A balancer in the network asks in the clear, where clients may not.
    let settings = Settings::parse_from(["resource-only", "--issuer", &issuer]);
    let (app, _) = crate::app(&settings).unwrap();
    for (path, status) in [("/health", 503), ("/mcp", 403)] {
        let request = axum::http::Request::get(path)
            .extension(oauth_core::PeerAddress("192.0.2.7".parse().unwrap()))
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = tower::ServiceExt::oneshot(app.clone(), request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let taken = ["resource-only", "--issuer", &issuer, "--audience", "https://mcp.example/health"];
    let said = crate::app(&Settings::parse_from(taken)).unwrap_err();
    assert!(said.contains("MCP_AUDIENCE: /health"), "{said}");
}
