//! What cannot be reached, whatever is tried.

use std::sync::atomic::Ordering;

use oauth_core::fetch::{Fetch, FetchError, FetchPolicy, FetchRequest, GuardedFetch};

use crate::server::{Server, ok};
use crate::{Flipping, development, is_refused_address};

// CIMD-3, A-CIMDX-5
#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let canary = Server::answering(ok("{}")).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            canary.url("/good.json")
        );
        let server = Server::answering(answer).await;
        let fetched = development().fetch(FetchRequest::get(&server.url("/c"))).await.unwrap();
        assert!(status.starts_with(fetched.status.as_str()));
    }
    assert_eq!(canary.connections(), 0);
}

// A-CIMDX-1, A-CIMDX-2: nothing is connected to, and the answer is the same whether something listens or not.
#[tokio::test]
async fn addresses_of_this_machine_are_refused_before_a_connection_in_any_notation() {
    let canary = Server::answering(ok("{}")).await;
    let fetch = GuardedFetch::new(FetchPolicy::new()).unwrap();
    let port = canary.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "localhost.",
        "a.localhost",
    ] {
        let error = fetch.fetch(FetchRequest::get(&format!("https://{host}:{port}/x"))).await.unwrap_err();
        assert_eq!(error.to_string(), "refused to fetch: the address is not public", "{host}");
    }
    for url in [format!("http://127.0.0.1:{port}/x"), format!("https://user@127.0.0.1:{port}/x")] {
        assert!(matches!(fetch.fetch(FetchRequest::get(&url)).await, Err(FetchError::Refused(_))), "{url}");
    }
    assert_eq!(canary.connections(), 0);
}

// CIMD-7, CIMD-8: a name is judged by all its answers, with the text of an address.
#[tokio::test]
async fn a_name_is_refused_if_a_single_answer_is_inside() {
    let canary = Server::answering(ok("{}")).await;
    let inside: [&[&str]; 5] = [
        &["127.0.0.1"],
        &["203.0.114.1", "127.0.0.1"],
        &["2606:4700::1111", "::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
    ];
    for answers in inside {
        let (resolver, asked) = Flipping::new(&[answers]);
        let fetch = GuardedFetch::builder(FetchPolicy::new()).with_resolver(resolver).build().unwrap();
        let url = format!("https://rebind.example:{}/c.json", canary.address.port());
        let outcome = fetch.fetch(FetchRequest::get(&url)).await;
        assert!(is_refused_address(&outcome), "{answers:?}: {outcome:?}");
        assert_eq!(outcome.unwrap_err().to_string(), "refused to fetch: the address is not public");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    assert_eq!(canary.connections(), 0);
}

// CIMD-8, A-CIMDX-4: 127.0.0.2 stands for a public address here, and 127.0.0.1 at the same port for what is inside.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_connected_to_where_it_was_judged() {
    // Both hang up on whoever connects; what counts is who was connected to.
    let allowed = Server::listen("127.0.0.2:0", |_| async {}, |_| async { None }).await;
    let port = allowed.address.port();
    let canary = Server::listen(&format!("127.0.0.1:{port}"), |_| async {}, |_| async { None }).await;
    let (resolver, asked) = Flipping::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let policy = FetchPolicy::new().allow_network("127.0.0.2/32".parse().unwrap());
    let fetch = GuardedFetch::builder(policy).with_resolver(resolver).build().unwrap();
    let url = format!("https://rebind.example:{port}/c.json");

    let first = fetch.fetch(FetchRequest::get(&url)).await;
    assert!(matches!(first, Err(FetchError::Unreachable { .. })), "{first:?}");
    assert_eq!((allowed.connections(), asked.load(Ordering::SeqCst)), (1, 1), "one look-up, one connection");
    assert!(is_refused_address(&fetch.fetch(FetchRequest::get(&url)).await));
    assert_eq!((allowed.connections(), canary.connections()), (1, 0));
}

// A-CIMDX-21: this test starts itself again with the environment set, since a process cannot safely change its own.
#[tokio::test]
async fn a_proxy_in_the_environment_is_not_asked() {
    const MARK: &str = "GUARDED_FETCH_TARGET";
    if let Ok(url) = std::env::var(MARK) {
        assert_eq!(development().fetch(FetchRequest::get(&url)).await.unwrap().body, r#""direct""#);
        return;
    }
    let server = Server::answering(ok(r#""direct""#)).await;
    let proxy = Server::answering(ok(r#""by proxy""#)).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "reach::a_proxy_in_the_environment_is_not_asked"]).env(MARK, server.url("/c"));
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.url(""));
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(name);
    }
    let output = child.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((server.connections(), proxy.connections()), (1, 0));
}
