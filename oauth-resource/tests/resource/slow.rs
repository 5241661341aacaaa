//! A body that does not arrive. Time is tokio's own here, and stands until everybody waits for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;

use crate::fixture::Bench;

/// Never ends, never brings anything.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_it_for_ever() {
    // LIM-8, TOK-16 on the resource's side; wire fact 7: a stranger is challenged all the same.
    let bench = Bench::new();
    let begun = tokio::time::Instant::now();
    let stranger = bench.send(Request::post("/mcp").body(Never).unwrap()).await;
    // RS-81: no longer than it takes to name what was asked for.
    assert!(begun.elapsed().as_secs() <= 1, "{:?}", begun.elapsed());
    assert_eq!(stranger.status, 401);
    assert!(stranger.challenge().starts_with("Bearer scope="), "{}", stranger.challenge());
    let known = Request::post("/mcp").header("authorization", "Bearer reader").body(Never).unwrap();
    assert_eq!(bench.send(known).await.status, 408);
    assert_eq!(bench.inner.count(), 0);
}
