//! Whatever a client makes its proxy say: nobody gets where their token does not reach, by any reading of the path.
//!
//! The first line chooses the proxy's style, the token and the path at which is asked; each other line is a header.
#![no_main]

use std::cell::RefCell;

use http::{Method, Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use oauth_core::{Claims, PeerAddress, Timestamp, TokenVerifier, VerifyFault, async_trait};
use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const RESOURCE: &str = "https://notes.example/mcp";
const PAGE: &str = "https://app.example";
const STYLES: [ProxyStyle; 4] =
    [ProxyStyle::ForwardedUri, ProxyStyle::OriginalUri, ProxyStyle::OriginalUrl, ProxyStyle::Path];

/// One token, that reads.
struct Reader;

#[async_trait]
impl TokenVerifier for Reader {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        if token != "reader" {
            return Err(VerifyFault::Invalid);
        }
        let (alice, app) = (id("alice"), id("app"));
        let claims = Claims::new("https://as.example", alice, app, Timestamp::MAX).with_audience([RESOURCE]);
        Ok(claims.with_scopes("notes:read".parse().map_err(|_| VerifyFault::Invalid)?))
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("written above")
}

struct Asked {
    runtime: Runtime,
    services: Vec<ForwardAuth>,
}

thread_local! {
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

fn build() -> Asked {
    let notes = ProtectedResource::builder(RESOURCE, "https://as.example").verifier(Reader).build().expect("it is whole");
    let rules =
        PathRules::new("notes:read").below("/mcp/admin", "notes:admin").anonymous(Method::GET, "/mcp/open").page(PAGE);
    let service = |style| {
        let builder = ForwardAuth::builder(style).trusted_proxy("127.0.0.0/8");
        builder.resource(&notes, rules.clone()).build().expect("it is whole")
    };
    Asked { runtime: oauth_fuzz::runtime(), services: STYLES.map(service).to_vec() }
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(first) = lines.next() else { return };
    let mut words = first.split(' ');
    let style = words.next().and_then(|word| word.parse::<usize>().ok()).unwrap_or_default() % STYLES.len();
    let has_token = words.next() == Some("reader");
    let target = words.next().filter(|target| target.starts_with('/')).unwrap_or("/verify");
    let mut request = Request::get(target);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    if has_token {
        request = request.header("authorization", "Bearer reader");
    }
    let request = request.extension(PeerAddress([127, 0, 0, 1].into()));
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let (answer, head) = ASKED.with_borrow_mut(|kept| {
        let Asked { runtime, services } = kept.get_or_insert_with(build);
        let asked = Request::from_parts(head.clone(), ());
        let Ok(answer) = runtime.block_on(services[style].clone().oneshot(asked));
        (answer, head)
    });
    judge(STYLES[style], has_token, &head, &answer);
});

fn judge<B>(style: ProxyStyle, has_token: bool, head: &http::request::Parts, answer: &Response<B>) {
    let identity = |name: &str| {
        let values: Vec<&str> =
            answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
        values.join("|")
    };
    if answer.status() != StatusCode::OK {
        assert!(identity("x-user-id").is_empty(), "who was refused is nobody");
        return;
    }
    // Each name once, and never what the client wrote.
    let names = ["x-user-id", "x-user-name", "x-auth-scopes"];
    assert!(names.iter().all(|name| answer.headers().get_all(*name).iter().count() == 1));
    let said = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (method, place) = match style {
        ProxyStyle::ForwardedUri => (said("x-forwarded-method"), said("x-forwarded-uri").to_owned()),
        ProxyStyle::OriginalUri => (said("x-original-method"), said("x-original-uri").to_owned()),
        ProxyStyle::OriginalUrl => {
            let url = said("x-original-url");
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            (said("x-original-method"), rest.find('/').map_or("", |at| &rest[at..]).to_owned())
        }
        _ => (head.method.as_str(), head.uri.path().strip_prefix("/verify").unwrap_or_default().to_owned()),
    };
    // As another reader takes it: dots resolved, everything decoded, twice, case and empty segments ignored.
    let mut path = url::Url::parse(&format!("https://h{place}")).map(|url| url.path().to_owned()).unwrap_or_default();
    for _ in 0..2 {
        let decoded = percent_decoded(&path).replace('\\', "/");
        path = url::Url::parse(&format!("https://h{decoded}")).map(|url| url.path().to_owned()).unwrap_or_default();
    }
    let path = path.to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let segments: Vec<&str> = segments.iter().map(|s| s.split(';').next().unwrap_or_default()).collect();
    assert_eq!(segments.first(), Some(&"mcp"), "{place} is no place below the resource");
    let is_open = method == "GET" || method == "HEAD";
    let is_preflight = method == "OPTIONS"
        && said("origin") == PAGE
        && head.headers.contains_key("access-control-request-method");
    if has_token {
        assert_eq!(identity("x-user-id"), "alice");
        assert_ne!(segments.get(1), Some(&"admin"), "{place} needs more than it was let in with");
    } else {
        assert!(identity("x-user-id").is_empty(), "nobody is somebody");
        assert!(is_preflight || (is_open && segments == ["mcp", "open"]), "{method} {place} without a token");
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
