//! What an operation needs, and that nothing gets past it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::{Body, Frame};
use http_body_util::Full;
use oauth_resource::{PeekedBody, RequireScopeLayer, ScopeRules};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};

use crate::fixture::{Bench, Inner, RESOURCE, call, method, post, rules};

#[tokio::test]
async fn each_operation_needs_its_own_scopes() {
    // RS-22, RS-24, A-SCOPE-4
    let bench = Bench::new();
    let read = |uri: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}).to_string()
    };
    let prompt = |name: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": name}}).to_string()
    };
    for (body, reader, writer, admin) in [
        (method("tools/list"), 200, 200, 200),
        (method("initialize"), 200, 200, 200),
        (method("notifications/initialized"), 200, 200, 200),
        (call("list_notes"), 200, 200, 200),
        (call("add_note"), 403, 200, 200),
        (call("move_note"), 403, 403, 200),
        (method("logging/setLevel"), 403, 403, 200),
        (prompt("digest"), 200, 200, 200),
        (read("notes://all/1"), 200, 200, 200),
        (json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string(), 200, 200, 200),
        // A-AUD-11: what has no rule needs everything that any rule needs.
        (call("Add_note"), 403, 403, 200),
        (call("list_notes "), 403, 403, 200),
        (call("ｌist_notes"), 403, 403, 200),
        (call("unknown"), 403, 403, 200),
        (prompt("unknown"), 403, 403, 200),
        (read("file:///etc/passwd"), 403, 403, 200),
        (read("notes://all/../../secret"), 403, 403, 200),
        (method("x/unknown"), 403, 403, 200),
        (method("Tools/List"), 403, 403, 200),
    ] {
        for (token, status) in [("reader", reader), ("writer", writer), ("admin", admin)] {
            assert_eq!(bench.post(token, &body).await.status, status, "{token}: {body}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_classified_needs_the_strictest_set() {
    // A-AUD-10, A-HTTP-6
    let bench = Bench::new();
    let deep = format!(
        r#"{{"method":"tools/call","params":{{"name":"list_notes","arguments":{}{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    let many = format!("[{}]", vec![method("ping"); 1000].join(","));
    for body in [
        "",
        "tools/call",
        "null",
        "[]",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"method":"tools/call"}"#,
        r#"{"method":"tools/call","params":["list_notes"]}"#,
        r#"{"method":"tools/call","params":{"name":["list_notes"]}}"#,
        r#"{"method":"tools/call","params":{"name":"list_notes","NAME":"move_note"}}"#,
        r#"{"method":"tools/call","params":{"name":{"$serde_json::private::RawValue":"\"list_notes\""}}}"#,
        r#"{"method":"tools/call","params":{"name":"list_notes","arguments":{"$serde_json::private::Number":"1"}}}"#,
        "{'method':'tools/list'}",
        "{\"method\":\"tools/list\"} trailing",
        "{\"method\":\"tools/list\",}",
        "\u{feff}{\"method\":\"tools/list\"}",
        &deep,
        &many,
    ] {
        let reply = bench.post("reader", body).await;
        assert_eq!(reply.status, 403, "{body:.80}");
        assert!(
            reply.challenge().contains(r#"scope="admin notes:delete notes:read notes:write""#),
            "{body:.80}"
        );
        assert_eq!(bench.post("admin", body).await.status, 200, "{body:.80}");
    }
    let raw = |bytes: &'static [u8]| {
        Request::post("/mcp")
            .header("authorization", "Bearer reader")
            .body(Full::from(Bytes::from_static(bytes)))
            .unwrap()
    };
    assert_eq!(bench.send(raw(b"{\"method\":\"tools/list\",\"x\":\"\xff\"}")).await.status, 403);
    assert_eq!(bench.send(raw(b"{\0\"\0m\0\"\0:\x001\0}\0")).await.status, 403);
}

#[tokio::test]
async fn a_aud_10_a_member_twice_is_refused() {
    // T8, A-AUD-10
    let bench = Bench::new();
    for body in [
        r#"{"method":"tools/call","params":{"name":"list_notes","name":"move_note"}}"#,
        r#"{"method":"tools/call","params":{"name":"list_notes","\u006eame":"move_note"}}"#,
        r#"{"method":"tools/list","params":{"name":"move_note"},"method":"tools/call"}"#,
        r#"{"method":"tools/call","params":{"name":"list_notes"},"params":{"name":"move_note"}}"#,
    ] {
        for token in ["reader", "admin"] {
            let reply = bench.post(token, body).await;
            assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32600)), "{body}");
        }
        // A stranger learns nothing.
        assert_eq!(bench.post("", body).await.status, 401);
    }
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_aud_10_a_body_that_others_may_read_differently_needs_the_strictest_set() {
    // A-AUD-10: a reader that obeys the charset finds `"name":"danger"` where there is none, or a name that is another.
    let bench = Bench::new();
    let body = call("list_notes");
    for (header, value, reader) in [
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "application/json; charset=utf-7", 403),
        ("content-type", "application/json; charset=utf-16", 403),
        ("content-encoding", "identity", 200),
        ("content-encoding", "deflate", 403),
    ] {
        for (token, status) in [("reader", reader), ("admin", 200)] {
            let mut request = with_headers(token, &body, &[]);
            request.headers_mut().insert(header, value.parse().unwrap());
            assert_eq!(bench.send(request).await.status, status, "{token}, {header}: {value}");
        }
    }
}

fn with_headers(token: &str, body: &str, headers: &[(&'static str, &'static str)]) -> Request<Full<Bytes>> {
    let mut request = post(token, body);
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_aud_10_headers_that_contradict_the_body_are_refused_after_authentication() {
    // RS-81, T8, A-AUD-10
    let bench = Bench::new();
    let versioned = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}},
    })
    .to_string();
    let task =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "t1"}}).to_string();
    for (body, headers, good) in [
        (call("list_notes"), vec![("mcp-method", "tools/call"), ("mcp-name", "list_notes")], true),
        (call("list_notes"), vec![("mcp-name", "=?base64?bGlzdF9ub3Rlcw==?=")], true),
        (method("tools/list"), vec![("mcp-method", "tools/list")], true),
        (task.clone(), vec![("mcp-name", "t1")], true),
        (versioned.clone(), vec![("mcp-protocol-version", "2026-07-28")], true),
        (call("list_notes"), vec![("mcp-protocol-version", "2025-11-25")], true),
        (call("move_note"), vec![("mcp-method", "tools/call"), ("mcp-name", "list_notes")], false),
        (call("list_notes"), vec![("mcp-name", "LIST_NOTES")], false),
        (call("list_notes"), vec![("mcp-name", "=?base64?bGlzdF9ub3Rlcw?=")], false),
        (call("list_notes"), vec![("mcp-method", "tools/list")], false),
        (call("list_notes"), vec![("mcp-method", "tools/call"), ("mcp-method", "tools/call")], false),
        (call("list_notes"), vec![("mcp-name", "list_notes"), ("mcp-name", "move_note")], false),
        (r#"{"method":"tools/call","params":{}}"#.to_owned(), vec![("mcp-name", "list_notes")], false),
        (format!("[{},{}]", method("ping"), method("tools/list")), vec![("mcp-method", "ping")], false),
        (task, vec![("mcp-name", "t2")], false),
        (versioned, vec![("mcp-protocol-version", "2025-11-25")], false),
    ] {
        let reply = bench.send(with_headers("reader", &body, &headers)).await;
        assert_eq!(reply.status, if good { 200 } else { 400 }, "{headers:?} {body}");
        if !good {
            assert_eq!(reply.json()["error"]["code"], -32020, "{headers:?}");
            assert_eq!(bench.send(with_headers("", &body, &headers)).await.status, 401, "{headers:?}");
            assert_eq!(
                bench.send(with_headers("nonsense", &body, &headers)).await.status,
                401,
                "{headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_aud_10_each_element_of_a_batch_counts() {
    // RS-83, A-AUD-10
    let bench = Bench::new();
    let batch =
        |calls: &[&str]| format!("[{}]", calls.iter().map(|name| call(name)).collect::<Vec<_>>().join(","));
    assert_eq!(bench.post("reader", &batch(&["list_notes", "list_notes"])).await.status, 200);
    let reply = bench.post("reader", &batch(&["list_notes", "add_note"])).await;
    assert_eq!(reply.status, 403);
    // One challenge for all of it.
    assert!(reply.challenge().contains(r#"scope="notes:read notes:write""#));
    assert_eq!(bench.post("admin", &batch(&["list_notes", "move_note"])).await.status, 200);
    assert_eq!(
        bench.post("reader", &format!("[{},[{}]]", method("ping"), call("add_note"))).await.status,
        403
    );
    // RS-88: one element that needs a token makes the batch need one.
    let mixed = format!("[{},{}]", method("server/discover"), call("list_notes"));
    assert_eq!(bench.post("", &mixed).await.status, 401);
    assert_eq!(bench.post("", &format!("[{}]", method("server/discover"))).await.status, 200);
    assert_eq!(bench.post("", "[]").await.status, 401);
}

#[tokio::test]
async fn a_aud_14_what_needs_no_token_takes_none_but_no_bad_one() {
    // RS-88, A-AUD-14
    let bench = Bench::new();
    assert_eq!(bench.post("", &method("server/discover")).await.status, 200);
    assert!(bench.inner.last().caller.is_none());
    assert_eq!(bench.post("reader", &method("server/discover")).await.status, 200);
    assert!(bench.inner.last().caller.is_some());
    let reply = bench.post("nonsense", &method("server/discover")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.challenge().contains("invalid_token"));
    assert_eq!(bench.post("", &method("tools/list")).await.status, 401);
    // Whoever is let in without a token passes no check less.
    let mismatch = with_headers("", &method("server/discover"), &[("mcp-method", "tools/call")]);
    assert_eq!(bench.send(mismatch).await.status, 400);
}

/// A body of these frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

#[tokio::test]
async fn the_inner_service_reads_the_very_same_bytes() {
    let bench = Bench::new();
    let body = " {\"method\" : \"tools\\/list\",\r\n\"params\":{\"x\":1e3, \"é\":\"\\u00e9\"}}\n".to_owned();
    // A key that is not ASCII beside those that decide is not classified: an admin may send it.
    assert_eq!(bench.post("admin", &body).await.status, 200);
    let seen = bench.inner.last();
    assert_eq!((seen.body, seen.exact_size), (Bytes::from(body.clone()), Some(body.len() as u64)));

    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "1".parse().unwrap());
    let mut frames: VecDeque<_> =
        body.as_bytes().chunks(7).map(|chunk| Frame::data(Bytes::copy_from_slice(chunk))).collect();
    frames.push_back(Frame::trailers(trailers.clone()));
    let request = Request::post("/mcp").header("authorization", "Bearer admin").body(Frames(frames)).unwrap();
    assert_eq!(bench.send(request).await.status, 200);
    let seen = bench.inner.last();
    assert_eq!((seen.body, seen.trailers), (Bytes::from(body), Some(trailers)));
}

#[tokio::test]
async fn a_split_anywhere_hides_nothing() {
    let bench = Bench::new();
    let body = call("add_note");
    for at in 0..body.len() {
        let halves = [&body.as_bytes()[..at], &body.as_bytes()[at..]];
        let frames = halves.iter().map(|half| Frame::data(Bytes::copy_from_slice(half))).collect();
        let request =
            Request::post("/mcp").header("authorization", "Bearer reader").body(Frames(frames)).unwrap();
        assert_eq!(bench.send(request).await.status, 403, "{at}");
    }
}

#[tokio::test]
async fn a_body_has_a_limit() {
    // A-HTTP-7
    let bench = Bench::with(|builder| builder.scopes(rules()).max_body(1000));
    let body = |length: usize| {
        format!("{}{}", method("tools/list"), " ".repeat(length - method("tools/list").len()))
    };
    assert_eq!(bench.post("reader", &body(1000)).await.status, 200);
    assert_eq!(bench.post("reader", &body(1001)).await.status, 413);
    let frames = (0..1001).map(|_| Frame::data(Bytes::from_static(b" "))).collect();
    let request =
        Request::post("/mcp").header("authorization", "Bearer reader").body(Frames(frames)).unwrap();
    assert_eq!(bench.send(request).await.status, 413);
}

/// A body whose connection breaks.
struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("secret detail"))))
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_nobody() {
    let bench = Bench::new();
    let request = Request::post("/mcp").header("authorization", "Bearer admin").body(Broken).unwrap();
    let reply = bench.send(request).await;
    assert_eq!(reply.status, 400);
    assert!(!String::from_utf8_lossy(&reply.body).contains("secret"));
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_body_is_looked_at_whatever_the_method() {
    // A-HTTP-11: an inner service that dispatches by the body alone.
    let bench = Bench::new();
    for method in ["GET", "DELETE", "PUT", "PATCH"] {
        let request = Request::builder().method(method).uri("/mcp").header("authorization", "Bearer reader");
        assert_eq!(
            bench.send(request.body(Full::from(call("add_note"))).unwrap()).await.status,
            403,
            "{method}"
        );
        let request = Request::builder().method(method).uri("/mcp").header("authorization", "Bearer reader");
        assert_eq!(bench.send(request.body(Frames(VecDeque::new())).unwrap()).await.status, 200, "{method}");
        assert_eq!(bench.inner.last().method, method);
    }
}

#[tokio::test]
async fn the_scope_layer_by_itself_lets_nobody_in() {
    // Forgotten in front: the layer that looks at tokens.
    let inner = Inner::default();
    let layer = RequireScopeLayer::new(&RESOURCE.parse().unwrap(), ScopeRules::builder("").build().unwrap());
    for request in [post("reader", &method("tools/list")), post("", &method("tools/list"))] {
        let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 401);
    }
    assert_eq!(inner.count(), 0);
    assert!(PeekedBody::unread(Full::<Bytes>::default()).is_end_stream());
}

#[tokio::test]
async fn a_aud_11_other_spellings_of_a_tool() {
    // Somebody behind may take them for the tool; here they are tools without a rule, which need everything.
    let bench = Bench::new();
    for other in [
        "Add_Note",
        "ADD_NOTE",
        "add_note ",
        " add_note",
        "add_note\t",
        "add\u{ff3f}note",
        "\u{ff41}dd_note",
        "add_no\u{200b}te",
        "add_not\u{0435}",
        "add_note\0",
        "add-note",
        "",
    ] {
        let reply = bench.post("writer", &call(other)).await;
        assert_eq!(reply.status, 403, "{other:?}");
        assert!(
            reply.challenge().contains(r#"scope="admin notes:delete notes:read notes:write""#),
            "{other:?}"
        );
    }
    assert_eq!(bench.inner.count(), 0);
    // Escapes are no other spelling.
    let escaped = call("add_note").replace("add_note", r"\u0061dd_not\u0065");
    assert_eq!(bench.post("writer", &escaped).await.status, 200);
}
