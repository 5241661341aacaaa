//! Limits in bytes, in time and in number.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use oauth_core::fetch::{Fetch, FetchError, FetchPolicy, FetchRequest, GuardedFetch, Resolver};
use tokio::io::AsyncWriteExt;

use crate::development;
use crate::server::{Connection, Server, ok};

// CIMD-9
#[tokio::test]
async fn a_body_is_cut_at_the_limit_whether_announced_or_not() {
    const ALL: usize = 50 * 1024 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let pour = |head: String, sent: Arc<AtomicUsize>| {
        move |mut stream: Connection| {
            let (head, sent) = (head.clone(), Arc::clone(&sent));
            async move {
                let chunk = [b'x'; 16 * 1024];
                let _ = stream.write_all(head.as_bytes()).await;
                while sent.load(Ordering::SeqCst) < ALL && stream.write_all(&chunk).await.is_ok() {
                    sent.fetch_add(chunk.len(), Ordering::SeqCst);
                }
            }
        }
    };
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {ALL}\r\n\r\n");
    for head in [announced, "HTTP/1.1 200 OK\r\n\r\n".to_owned()] {
        sent.store(0, Ordering::SeqCst);
        let server = Server::on("127.0.0.1:0", pour(head, Arc::clone(&sent))).await;
        let outcome = development().fetch(FetchRequest::get(&server.url("/c"))).await;
        assert!(matches!(outcome, Err(FetchError::TooLarge { limit: 65536 })), "{outcome:?}");
        // The kernel's buffers take some of it, unread.
        assert!(sent.load(Ordering::SeqCst) < ALL / 2, "the connection was closed");
    }
}

#[tokio::test]
async fn the_smaller_of_both_limits_holds_to_the_byte() {
    let fetch = GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback().with_max_body(8)).unwrap();
    for (length, wanted, fits) in
        [(8, None, true), (9, None, false), (4, Some(4), true), (5, Some(4), false), (9, Some(100), false)]
    {
        let body = "x".repeat(length);
        let chunked =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        for answer in [ok(&body), chunked] {
            let server = Server::answering(answer).await;
            let url = server.url("/c");
            let mut request = FetchRequest::get(&url);
            request.max_body = wanted;
            assert_eq!(fetch.fetch(request).await.is_ok(), fits, "{length} bytes, {wanted:?} wanted");
        }
    }
}

// CIMD-9: what is packed stays packed, so that its length on the wire is its length.
#[tokio::test]
async fn nothing_is_decompressed() {
    // `gzip` of an empty file.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len())
            .into_bytes();
    answer.extend_from_slice(packed);
    let server = Server::answering(answer).await;
    let fetched = development().fetch(FetchRequest::get(&server.url("/c"))).await.unwrap();
    assert_eq!(fetched.body, packed.as_slice());
}

// CIMD-9
#[tokio::test]
async fn one_who_drips_is_cut_off_at_the_deadline() {
    let closed = Arc::new(AtomicUsize::new(0));
    let server = Server::on("127.0.0.1:0", {
        let closed = Arc::clone(&closed);
        move |mut stream| {
            let closed = Arc::clone(&closed);
            async move {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                closed.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let timeout = Duration::from_millis(200);
    let fetch =
        GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback().with_total_timeout(timeout)).unwrap();
    let begun = Instant::now();
    let outcome = fetch.fetch(FetchRequest::get(&server.url("/c"))).await;
    assert!(matches!(outcome, Err(FetchError::TimedOut { after }) if after == timeout), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    tokio::time::timeout(Duration::from_secs(5), async {
        while closed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection is closed, not left to drip");
}

#[tokio::test]
async fn one_who_is_silent_is_cut_off_too() {
    let server = Server::on("127.0.0.1:0", |stream| async move {
        let _kept_open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let timeout = Duration::from_millis(100);
    let fetch =
        GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback().with_total_timeout(timeout)).unwrap();
    let outcome = fetch.fetch(FetchRequest::get(&server.url("/c"))).await;
    assert!(matches!(outcome, Err(FetchError::TimedOut { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_name_that_is_never_found_ends_at_the_deadline() {
    struct Never;
    #[async_trait]
    impl Resolver for Never {
        async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let policy = FetchPolicy::new().with_total_timeout(Duration::from_millis(100));
    let fetch = GuardedFetch::builder(policy).with_resolver(Never).build().unwrap();
    let outcome = fetch.fetch(FetchRequest::get("https://app.example/c")).await;
    assert!(matches!(outcome, Err(FetchError::TimedOut { .. })), "{outcome:?}");
}

// CIMD-11, A-CIMDX-15
#[tokio::test]
async fn a_stampede_on_one_host_takes_only_its_turns() {
    let open = Arc::new(Mutex::new((0_usize, 0_usize)));
    let server = Server::on("127.0.0.1:0", {
        let open = Arc::clone(&open);
        move |mut stream| {
            let open = Arc::clone(&open);
            async move {
                {
                    let mut open = open.lock().unwrap();
                    open.0 += 1;
                    open.1 = open.1.max(open.0);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                open.lock().unwrap().0 -= 1;
                let _ = stream.write_all(ok("{}").as_bytes()).await;
            }
        }
    })
    .await;
    let policy = FetchPolicy::new()
        .insecure_allow_loopback()
        .with_max_concurrent_per_host(3)
        .with_turn_timeout(Duration::from_millis(200));
    let fetch = Arc::new(GuardedFetch::new(policy).unwrap());
    let mut fetches = tokio::task::JoinSet::new();
    for path in 0..200 {
        let (fetch, url) = (Arc::clone(&fetch), server.url(&format!("/{path}")));
        fetches.spawn(async move { fetch.fetch(FetchRequest::get(&url)).await });
    }
    let outcomes = fetches.join_all().await;
    assert_eq!(open.lock().unwrap().1, 3, "at once");
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(FetchError::Busy))).count();
    let fetched = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(busy + fetched, 200);
    assert!(busy > 0 && fetched >= 3, "{fetched} fetched, {busy} told that we are busy");
    // And all turns are back.
    assert!(fetch.fetch(FetchRequest::get(&server.url("/after"))).await.is_ok());
}
