//! Whoever is known is answered without the layers, and exactly as the layers would.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use oauth_core::Secret;
use oauth_resource::{IdentityClaim, SessionKey};

use crate::fixture::{Bench, Reply, call, claims, method, rules};

/// A resource for which most things are set. With room for no token it knows nobody.
fn bench(known: usize) -> Bench {
    let secret = Secret::new("one-and-the-same-secret-for-both".to_owned());
    let bench = Bench::with(|builder| {
        builder
            .scopes(rules())
            .allow_host("mcp.example")
            .allow_origin("https://page.example")
            .identity_header("x-user-id", IdentityClaim::Subject)
            .session_key(SessionKey::derived_from(&secret).unwrap())
            .max_body(2000)
            .cache(known, Duration::from_secs(60))
    });
    bench.tokens.put("bob", claims("bob", "notes:read"));
    bench
}

/// What is answered, and what the inner service saw.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<String>,
    body: Bytes,
    seen: Option<(String, Vec<String>, Bytes, Option<String>)>,
}

fn sorted(headers: &http::HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    lines.sort();
    lines
}

async fn told(bench: &Bench, request: Request<Full<Bytes>>) -> Told {
    let Reply { status, headers, body } = bench.send(request).await;
    let seen = (bench.inner.count() > 0).then(|| {
        let seen = bench.inner.last();
        let caller = seen.caller.map(|caller| caller.subject().to_string());
        (seen.method.to_string(), sorted(&seen.headers), seen.body, caller)
    });
    Told { status, headers: sorted(&headers), body, seen }
}

#[tokio::test]
async fn a_known_token_is_asked_no_less_than_one_that_is_looked_at() {
    // RS-33 to RS-40, RS-75, RS-76, RS-81, RS-82, A-AUD-8, A-AUD-10
    let (layers, known) = (bench(0), bench(100));
    let initialize = method("initialize");
    let opened = told(&known, request("POST", "/mcp", "reader", &initialize, &[])).await;
    let sealed = |told: &Told| {
        let line = told.headers.iter().find_map(|line| line.strip_prefix("mcp-session-id: "));
        line.unwrap().trim_matches('"').to_owned()
    };
    let session = sealed(&opened);
    let bobs = sealed(&told(&known, request("POST", "/mcp", "bob", &initialize, &[])).await);
    for token in ["writer", "admin"] {
        told(&known, request("POST", "/mcp", token, &initialize, &[])).await;
    }
    // From here on, nobody is asked about these tokens, and behind the other resource about each of them every time.
    let asked = known.tokens.asked.load(Ordering::SeqCst);

    let headers: Vec<Vec<(&str, &[u8])>> = vec![
        vec![],
        vec![("origin", b"https://page.example")],
        vec![("origin", b"https://evil.example")],
        vec![("origin", b"https://page.example"), ("origin", b"https://page.example")],
        vec![("host", b"mcp.example")],
        vec![("host", b"evil.example")],
        vec![("host", b"mcp.example"), ("host", b"mcp.example")],
        vec![("authorization", b"Bearer writer")],
        vec![("authorization", b"Basic eDp5")],
        vec![("dpop", b"proof")],
        vec![("dpop", b"proof"), ("dpop", b"proof")],
        vec![("content-type", b"application/json")],
        vec![("content-type", b"application/json; charset=utf-7")],
        vec![("content-type", b"application/json; charset=utf-8")],
        vec![("content-type", b"application/json"), ("content-type", b"application/json")],
        vec![("content-type", b"application/x-www-form-urlencoded")],
        vec![("content-encoding", b"gzip")],
        vec![("content-encoding", b"identity")],
        vec![("mcp-method", b"tools/call")],
        vec![("mcp-method", b"tools/list")],
        vec![("mcp-method", b"tools/call"), ("mcp-name", b"add_note")],
        vec![("mcp-name", b"list_notes")],
        vec![("mcp-name", b"add_note"), ("mcp-name", b"add_note")],
        vec![("mcp-name", b"\xe9")],
        vec![("mcp-protocol-version", b"2025-11-25")],
        vec![("mcp-protocol-version", b"2026-07-28")],
        vec![("mcp-protocol-version", b"2025-11-25"), ("mcp-protocol-version", b"2025-11-25")],
        vec![
            ("mcp-protocol-version", b"2026-07-28"),
            ("mcp-method", b"tools/call"),
            ("mcp-name", b"add_note"),
        ],
        vec![("mcp-protocol-version", b"\xe9")],
        vec![("mcp-session-id", session.as_bytes())],
        vec![("mcp-session-id", bobs.as_bytes())],
        vec![("mcp-session-id", b"inner-1")],
        vec![("mcp-session-id", session.as_bytes()), ("mcp-session-id", session.as_bytes())],
        vec![("mcp-session-id", session.as_bytes()), ("mcp-session-id", bobs.as_bytes())],
        vec![("x-user-id", b"root")],
        vec![("x_user_id", b"root")],
    ];
    let versioned = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let bodies = [
        method("tools/list"),
        method("ping"),
        method("logging/setLevel"),
        method("server/discover"),
        call("list_notes"),
        call("add_note"),
        call("move_note"),
        format!("[{},{}]", call("list_notes"), call("add_note")),
        versioned.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping"}"#.to_owned(),
        "access_token=reader".to_owned(),
        "not json".to_owned(),
        String::new(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(2000)),
    ];
    let mut passed = 0;
    for token in ["reader", "writer", "admin", "bob"] {
        for lines in &headers {
            for body in &bodies {
                passed +=
                    usize::from(alike(&layers, &known, || request("POST", "/mcp", token, body, lines)).await);
            }
            for http_method in ["GET", "DELETE", "PUT", "OPTIONS"] {
                alike(&layers, &known, || request(http_method, "/mcp", token, "", lines)).await;
            }
        }
        for uri in [
            "/mcp?a=b",
            "/mcp?access_token=reader",
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resources",
            "http://mcp.example/mcp",
            "http://evil.example/mcp",
            "/other",
        ] {
            alike(&layers, &known, || request("POST", uri, token, &bodies[0], &[])).await;
        }
    }
    assert!(passed > 300, "{passed}");
    assert_eq!(known.tokens.asked.load(Ordering::SeqCst), asked);
}

/// Whether both let a request pass, or neither.
async fn alike(layers: &Bench, known: &Bench, request: impl Fn() -> Request<Full<Bytes>>) -> bool {
    let (by_layers, without) = (told(layers, request()).await, told(known, request()).await);
    assert_eq!(by_layers, without, "{:?}", request());
    without.seen.is_some()
}

fn request(
    http_method: &str,
    uri: &str,
    token: &str,
    body: &str,
    lines: &[(&str, &[u8])],
) -> Request<Full<Bytes>> {
    let mut request =
        Request::builder().method(http_method).uri(uri).header("authorization", format!("Bearer {token}"));
    for (name, value) in lines {
        let (name, value) = (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        request = request.header(name, value);
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

/// A body that is said to be too long, and that nobody may ask for.
struct TooLong;

impl Body for TooLong {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("nobody reads it");
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(2001)
    }
}

#[tokio::test]
async fn a_body_that_is_said_to_be_too_long_is_not_read() {
    let bench = bench(100);
    // Looked at by the layers, then known.
    for _ in 0..2 {
        let request = Request::post("/mcp").header("authorization", "Bearer reader").body(TooLong).unwrap();
        assert_eq!(bench.send(request).await.status, 413);
    }
    assert_eq!(bench.tokens.asked.load(Ordering::SeqCst), 1);
}
