//! Bodies that are too large, never end, or break off: answered in bounded time and memory.

use std::convert::Infallible;
use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use oauth_testing::{KnownClient, Site};
use tower_service::Service as _;

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(site: &Site, path: &str, body: Body) -> Response<Body> {
    let request =
        Request::post(path).header("host", "mcp.example").header("content-type", FORM).body(body).unwrap();
    site.router().call(request).await.unwrap()
}

fn endless() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 8192])))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408_and_one_without_end_is_413() {
    // TOK-16, DCR-1, LIM-8
    let site = Site::new().await.unwrap();
    for path in [
        "/token",
        "/revoke",
        "/introspect",
        "/register",
        "/authorize",
        "/authorize/consent",
        "/sign-in/passphrase",
    ] {
        let begun = tokio::time::Instant::now();
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let answer = post(&site, path, never).await;
        assert_eq!(answer.status(), 408, "{path}");
        assert!(begun.elapsed().as_secs() <= 30, "{path}: {:?}", begun.elapsed());
        // A byte now and then does not help.
        let drips =
            stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"x"))).then(|byte| async {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                byte
            });
        assert_eq!(post(&site, path, Body::from_stream(drips)).await.status(), 408, "{path}");
        assert_eq!(post(&site, path, Body::from_stream(endless())).await.status(), 413, "{path}");
        let broken = stream::iter([Ok(Bytes::from_static(b"grant_type=")), Err(io::Error::other("gone"))]);
        let answer = post(&site, path, Body::from_stream(broken)).await;
        // A-HTTP-14: chunks that are none end so, too.
        assert_eq!(answer.status(), 400, "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[tokio::test(start_paused = true)]
async fn what_says_that_it_is_too_large_is_not_read_at_all() {
    // TOK-16
    let site = Site::new().await.unwrap();
    let large = Body::from(vec![b'x'; 5 * 1024 * 1024]);
    let answer = post(&site, "/token", large).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (413, "application/json")
    );
}

#[tokio::test]
async fn the_mcp_server_takes_no_body_without_end_either() {
    // The peek at the body is bounded.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let bearer = format!("Bearer {}", tokens.access_token);
    let request = Request::post("/mcp").header("host", "mcp.example").header("authorization", bearer);
    let request =
        request.header("content-type", "application/json").body(Body::from_stream(endless())).unwrap();
    assert_eq!(site.router().call(request).await.unwrap().status(), 413);
    assert!(site.calls().is_empty());
}
