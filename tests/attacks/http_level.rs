//! HTTP: requests that are not what they seem, and more of them than anybody needs.

use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderName, Method, Request, StatusCode};
use oauth_core::{GrantFilter, Quota};
use oauth_server::Limits;
use oauth_testing::TokenRequest;
use serde_json::json;

use crate::host::{
    CALLBACK, Host, PEER, agree, ask, assert_refused, assert_shown, assert_told, redeem, token_request, url,
    visit,
};
use crate::wire;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_http_3_parameters_in_body_and_query() {
    let host = Host::start().await;
    let code = host.code().await;
    let whole = redeem("app", &code).pairs.encoded();
    // All in the query: it is not read.
    assert_eq!(host.post_form(&format!("/token?{whole}"), "").await.status(), StatusCode::BAD_REQUEST);
    let without = redeem("app", &code).remove("code").pairs.encoded();
    let answer = host.post_form(&format!("/token?code={code}"), without).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(answer.body()).contains("code is missing"));
    for path in ["/revoke", "/introspect"] {
        let answer = host.post_form(&format!("{path}?client_id=app&token=x"), "").await;
        assert!(answer.status().is_client_error(), "{path}");
    }
    // Where both say something, the body is meant.
    let answer = host.post_form(&format!("/token?code=x&client_id=one&{whole}"), whole.clone()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // An authorization request by POST is in the body, too; the browser comes back with it by GET.
    let good = ask("app", CALLBACK).pairs.encoded();
    let answer = host.post_form(&format!("/authorize?{good}"), "").await;
    assert_eq!(answer.headers()[LOCATION], "/authorize?");
    let answer = host.post_form("/authorize?client_id=x", good.clone()).await;
    assert_eq!(answer.headers()[LOCATION].to_str().unwrap(), format!("/authorize?{good}"));
    for body in ["a=b\r\nSet-Cookie: x=1", "\n//evil.example"] {
        let answer = host.post_form("/authorize", body).await;
        assert!(!answer.headers().contains_key(LOCATION) && answer.status().is_client_error(), "{body:?}");
    }
}

#[tokio::test]
async fn a_http_6_bytes_that_are_no_text() {
    let host = Host::start().await;
    let bytes = ["%FF%FE", "%00", "%C0%80", "%ED%A0%80", "%", "%zz", "%0"];
    for name in [
        "client_id",
        "redirect_uri",
        "scope",
        "resource",
        "code_challenge",
        "prompt",
        "max_age",
        "nonce",
        "login_hint",
        "response_type",
        "x",
    ] {
        for bad in bytes {
            let query = ask("app", CALLBACK).remove(name).url();
            let page = host.browser().get(&format!("{query}&{name}={bad}")).await.unwrap();
            assert_shown(&page);
        }
    }
    // `state` is the client's own: any text comes back as it was, but text it must be.
    for bad in ["%FF%FE", "%C0%80", "%zz"] {
        let query = ask("app", CALLBACK).remove("state").url();
        assert_shown(&host.browser().get(&format!("{query}&state={bad}")).await.unwrap());
    }
    for path in ["/token", "/revoke", "/introspect"] {
        for name in [
            "client_id",
            "code",
            "code_verifier",
            "grant_type",
            "token",
            "client_secret",
            "refresh_token",
            "x",
        ] {
            for bad in bytes {
                let answer = host.post_form(path, format!("grant_type=refresh_token&{name}={bad}")).await;
                assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path} {name}={bad}");
            }
        }
        assert_eq!(host.post_form(path, &b"\xff\xfe=\x00"[..]).await.status(), StatusCode::BAD_REQUEST);
    }
    for name in [
        "authorization",
        "cookie",
        "content-type",
        "x-forwarded-for",
        "origin",
        "dpop",
        "user-agent",
        "sec-purpose",
        "x-resource-secret",
    ] {
        for path in [
            "/authorize",
            "/authorize/continue",
            "/sign-in/door/callback",
            "/mcp",
            "/token",
            "/introspect",
            "/register",
            "/authorize/consent",
        ] {
            for method in [Method::GET, Method::POST] {
                let odd = HeaderValue::from_bytes(b"\x80\xff\xfe = \xc3\x28; x").unwrap();
                let request = Request::builder().method(&method).uri(url(path)).header(name, odd);
                let answer = host.send(request, "a=b").await;
                assert!(answer.status().is_client_error(), "{method} {path} {name}: {}", answer.status());
            }
        }
    }
}

#[tokio::test]
async fn a_http_7_giants() {
    let host = Host::start().await;
    let began = Instant::now();
    let huge = Bytes::from(vec![b'a'; 100 << 20]);
    for path in [
        "/token",
        "/revoke",
        "/introspect",
        "/register",
        "/authorize",
        "/authorize/consent",
        "/sign-in/door",
        "/sign-out",
    ] {
        let answer = host.post_form(path, huge.clone()).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    let answer = host.send(Request::post(url("/mcp")).header(CONTENT_TYPE, "application/json"), huge).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // Small bodies with much in them: names that collide, or are many.
    for body in [
        "a&".repeat(30_000),
        (0..10_000).map(|at| format!("{at:x}=&")).collect(),
        "a=1&".repeat(15_000),
        "&".repeat(60_000),
    ] {
        for path in ["/token", "/authorize", "/authorize/consent"] {
            let answer = host.post_form(path, body.clone()).await;
            let again = answer
                .headers()
                .get(LOCATION)
                .is_some_and(|location| location.as_bytes().starts_with(b"/authorize?"));
            assert!(answer.status().is_client_error() || (path == "/authorize" && again), "{path}");
        }
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let answer =
        host.send(Request::post(url("/register")).header(CONTENT_TYPE, "application/json"), deep).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let long = ask("app", CALLBACK).set("state", &"x".repeat(20_000));
    assert_shown(&visit(&host, &long).await);
    let answer = host.client().send(&redeem("app", &"x".repeat(60_000))).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    // Over a connection: a header of a mebibyte.
    let address = wire::serve(host.router()).await;
    let request =
        format!("GET /authorize HTTP/1.1\r\nHost: mcp.example\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = wire::exchange(address, request.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 400"),
        "{answer:.60}"
    );
}

#[tokio::test]
async fn a_http_9_no_syntax_but_the_form() {
    let host = Host::start().await;
    let code = host.code().await;
    // A semicolon is a character of a value.
    let joined = redeem("app", &code).pairs.encoded().replace('&', ";");
    assert_eq!(host.post_form("/token", joined).await.status(), StatusCode::BAD_REQUEST);
    let page = host.browser().get(&ask("app", CALLBACK).url().as_str().replace('&', ";")).await.unwrap();
    assert_shown(&page);
    // Brackets are characters of a name.
    let request = ask("app", CALLBACK)
        .set("scope", "notes:read")
        .add("scope[]", "notes:delete")
        .add("scope[0]", "notes:delete")
        .add("resource[]", "https://evil.example");
    let callback = agree(&mut host.browser(), &request, "alice").await;
    let tokens =
        host.client().send(&redeem("app", callback.code().unwrap())).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
    let bracketed = redeem("app", &code).remove("code").set("code[]", &code).set("code[0]", &code);
    assert_refused(&host.client().send(&bracketed).await.unwrap(), 400, "invalid_request");
    // Nor are other types of bodies forms.
    for kind in [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded2",
        "",
    ] {
        let request = Request::post(url("/token")).header(CONTENT_TYPE, kind);
        assert_eq!(
            host.send(request, redeem("app", &code).pairs.encoded()).await.status(),
            StatusCode::BAD_REQUEST,
            "{kind}"
        );
    }
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_http_11_path_confusion() {
    let host = Host::start().await;
    let code = host.code().await;
    let whole = redeem("app", &code).pairs.encoded();
    for path in [
        "//token",
        "/token/",
        "/%74oken",
        "/TOKEN",
        "/token;x",
        "/token%2f",
        "/token%00",
        "/./token",
        "/x/../token",
        "/.well-known/../token",
        "/token%3fx",
        "/authorize/../token",
        "/token.",
    ] {
        let answer = host.post_form(path, whole.clone()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let query = ask("app", CALLBACK).pairs.encoded();
    for path in [
        "//authorize",
        "/authorize/",
        "/%61uthorize",
        "/AUTHORIZE",
        "/authorize;x",
        "/authorize/continue/",
        "/authorize//continue",
        "/sign-in/",
        "/sign-in/door/",
        "/sign-in/door//callback",
        "/sign-in/../authorize",
        "/sign-in/door%2fcallback",
    ] {
        let answer = host.get(&format!("{path}?{query}")).await;
        assert!(matches!(answer.status().as_u16(), 404 | 405), "{path}: {}", answer.status());
    }
    // As they stand on the wire, where no library has tidied them up.
    let address = wire::serve(host.router()).await;
    for path in [
        "/.well-known/../mcp",
        "/mcp/../mcp",
        "/./mcp",
        "//mcp",
        "/mcp/.",
        "/%6dcp",
        "/mcp%2f..",
        "http://evil.example/mcp",
        "/mcp?x=/mcp",
        "/mcp#x",
        "*",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let answer = wire::exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer:.80}");
    }
    assert!(host.calls().is_empty(), "{:?}", host.calls());
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_http_12_around_the_guard() {
    let host = Host::start().await;
    for path in [
        "/mcp",
        "/mcp/",
        "/MCP",
        "/Mcp",
        "/mcp/x",
        "//mcp",
        "/mcp;x",
        "/mcp%2f",
        "/mcp%00",
        "/mcp.",
        "/%6dcp",
        "/mcp?access_token=x",
    ] {
        for method in [
            Method::GET,
            Method::POST,
            Method::DELETE,
            Method::PUT,
            Method::HEAD,
            Method::from_bytes(b"PROPFIND").unwrap(),
        ] {
            let request =
                Request::builder().method(&method).uri(url(path)).header(CONTENT_TYPE, "application/json");
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "list_notes" } });
            let status = host.send(request, message.to_string()).await.status();
            assert!(matches!(status.as_u16(), 401 | 404 | 405), "{method} {path}: {status}");
        }
    }
    assert!(host.calls().is_empty());
}

/// What a proxy and this server could disagree about is one request, or none.
#[tokio::test]
async fn a_http_14_request_smuggling() {
    let host = Host::start().await;
    let code = host.code().await;
    let address = wire::serve(host.router()).await;
    let hidden_body = redeem("app", &code).pairs.encoded();
    let hidden = format!(
        "POST /token HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{hidden_body}",
        hidden_body.len()
    );
    let head = format!("POST /revoke HTTP/1.1\r\nHost: mcp.example\r\nContent-Type: {FORM}\r\n");
    let all = hidden.len() + 5;
    for attack in [
        // CL.TE and TE.CL
        format!("{head}Content-Length: {all}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{all:x}\r\n{hidden}\r\n0\r\n\r\n"
        ),
        // Encodings that one of the two does not know.
        format!("{head}Transfer-Encoding: xchunked\r\nContent-Length: {all}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding : chunked\r\nContent-Length: {all}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{head}Transfer-Encoding:\u{b}chunked\r\nContent-Length: {all}\r\n\r\n0\r\n\r\n{hidden}"),
        // Lengths that differ, or are none.
        format!("{head}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("{head}Content-Length: 0, {}\r\n\r\n{hidden}", hidden.len()),
        format!("{head}Content-Length: -1\r\n\r\n{hidden}"),
        format!("{head}Content-Length: +0\r\n\r\n{hidden}"),
        // Lines that end otherwise. (With LF alone they may, RFC 9112 §2.2.)
        format!("{head}X: y\rContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("{head}Content-Length: {}\r\n folded\r\n\r\n{hidden}", hidden.len()),
    ] {
        let answer = wire::exchange_briefly(address, attack.as_bytes()).await;
        let redeemed = answer.contains("access_token");
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused && !redeemed, "{attack:?}\n{answer}");
    }
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_http_15_line_breaks_on_the_way_to_a_header() {
    let host = Host::start().await;
    let split = "x\r\nSet-Cookie: evil=1\r\nLocation: https://evil.example\r\n\r\n<script>";
    let mut browser = host.browser();
    let callback = agree(&mut browser, &ask("app", CALLBACK).set("state", split), "alice").await;
    assert_eq!(callback.state(), Some(split));
    for step in browser.history() {
        assert!(step.cookies.iter().all(|(cookie, _)| cookie.starts_with("__Host-")), "{:?}", step.cookies);
    }
    for name in ["nonce", "login_hint", "resource", "prompt", "client_id", "redirect_uri", "ui_locales"] {
        let page = visit(&host, &ask("app", CALLBACK).set(name, split)).await;
        assert_shown(&page);
        assert!(
            page.headers.get_all(SET_COOKIE).iter().all(|cookie| cookie.as_bytes().starts_with(b"__Host-"))
        );
    }
    // A bad scope is the client's to know of; nothing of it goes along (A-SCOPE-2).
    let page = visit(&host, &ask("app", CALLBACK).set("scope", split)).await;
    assert_told(&page, "invalid_scope");
    assert!(!page.location().unwrap().as_str().contains("evil") && !page.headers.contains_key(SET_COOKIE));
    for name in ["client_id", "scope", "code", "resource", "token"] {
        let answer = host.client().send(&redeem("app", "x").set(name, split)).await.unwrap();
        assert!(answer.status.is_client_error() && !answer.headers.contains_key(SET_COOKIE));
    }
    // A tool's name is in no challenge.
    let tokens = host.tokens().await;
    let answer = host
        .client()
        .mcp()
        .call_tool(Some(&tokens.access_token), "x\r\nSet-Cookie: evil=1", json!({}))
        .await
        .unwrap();
    assert!(answer.http.status.is_client_error() && !answer.http.headers.contains_key(SET_COOKIE));
    // A redirect to another server takes the ticket alone with it.
    for target in ["/sign-in/door%0d%0aLocation:x", "/sign-in/x%0d%0a/callback"] {
        assert!(!host.get(target).await.headers().contains_key(LOCATION));
    }
}

#[tokio::test]
async fn a_http_17_options() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let before = host.stores().grants.count(GrantFilter::All).await.unwrap();
    let calls = host.calls().len();
    let open = [
        "/token",
        "/revoke",
        "/introspect",
        "/register",
        "/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ];
    let closed = [
        "/authorize",
        "/authorize/continue",
        "/authorize/consent",
        "/sign-in/door",
        "/sign-in/door/callback",
        "/sign-out",
    ];
    for (path, is_open) in
        open.into_iter().map(|path| (path, true)).chain(closed.into_iter().map(|path| (path, false)))
    {
        for bearer in [None, Some(&tokens.access_token)] {
            let mut request = Request::options(url(path))
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST");
            if let Some(token) = bearer {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = host.send(request, redeem("app", "x").pairs.encoded()).await;
            let origin = answer.headers().get("access-control-allow-origin");
            assert!(!answer.headers().contains_key("access-control-allow-credentials"), "{path}");
            if is_open {
                assert_eq!(
                    (answer.status(), origin.map(HeaderValue::as_bytes)),
                    (StatusCode::NO_CONTENT, Some(&b"*"[..])),
                    "{path}"
                );
            } else {
                assert_eq!((answer.status(), origin), (StatusCode::METHOD_NOT_ALLOWED, None), "{path}");
                assert!(!answer.headers()[ALLOW].to_str().unwrap().contains("OPTIONS"));
            }
        }
    }
    let answer = host
        .send(
            Request::options(url("/mcp"))
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST"),
            "",
        )
        .await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"), "{answer:?}");
    assert_eq!(host.stores().grants.count(GrantFilter::All).await.unwrap(), before);
    assert_eq!(host.calls().len(), calls);
}

/// A-PROXY-3: an address that a client writes before the proxy's word is not the one that is counted.
#[tokio::test]
async fn a_proxy_3_rate_limits_by_forwarded_addresses() {
    let answers = async |headers: fn(usize) -> String, peer: &'static str| {
        let host = Host::with(|server| {
            let mut limits = Limits::default();
            limits.authorize_source = Quota::new(5, std::time::Duration::from_secs(3600));
            server.limits(limits).trusted_proxy("10.0.0.0/8")
        })
        .await;
        let mut limited = 0;
        for at in 0..20 {
            let request = Request::get(ask("app", CALLBACK).url().as_str())
                .header(PEER, peer)
                .header(HeaderName::from_static("x-forwarded-for"), headers(at));
            limited += usize::from(host.send(request, "").await.status() == StatusCode::TOO_MANY_REQUESTS);
        }
        limited
    };
    // Not from a proxy.
    assert_eq!(answers(|at| format!("198.51.100.{at}"), "192.0.2.9").await, 15);
    // The proxy has appended the client's address to what the client wrote.
    assert_eq!(answers(|at| format!("198.51.100.{at}, 192.0.2.9"), "10.0.0.1").await, 15);
    assert_eq!(answers(|at| format!("198.51.100.{at}, x, 192.0.2.9"), "10.0.0.1").await, 15);
    assert_eq!(answers(|at| format!("198.51.100.{at}, , 192.0.2.9, 10.0.0.2"), "10.0.0.1").await, 15);
    assert_eq!(answers(|at| format!("10.0.0.{at}, 192.0.2.9"), "10.0.0.1").await, 15);
    // Clients behind one proxy are told apart.
    assert_eq!(answers(|at| format!("198.51.100.{at}"), "10.0.0.1").await, 0);
}

/// Introspection tells nobody of tokens that are not theirs: neither by the answer, nor by when it stops answering.
#[tokio::test]
async fn introspection_is_no_oracle() {
    let host = Host::with(|server| {
        let mut limits = Limits::default();
        limits.token_client = Quota::new(4, std::time::Duration::from_secs(3600));
        server
            .limits(limits)
            .resource("https://mcp.example/other")
            .resource_secret("https://mcp.example/other", "a secret of the other")
    })
    .await;
    let of_mcp = host.tokens().await.access_token;
    let ask_for = |token: String| {
        let mut request: TokenRequest = token_request().set("token", &token);
        request.url = host.url("/introspect");
        let request = request.header(AUTHORIZATION, "Bearer a secret of the other".parse().unwrap());
        let client = host.client();
        async move { client.send(&request).await.unwrap() }
    };
    let unknown = format!("mcp_at_{}", "A".repeat(64));
    let (one, other) = (ask_for(of_mcp.clone()).await, ask_for(unknown.clone()).await);
    assert_eq!((one.status, &one.body), (other.status, &other.body));
    // Until the quota of misses is used up.
    for _ in 0..100 {
        ask_for(unknown.clone()).await;
    }
    let (one, other) = (ask_for(of_mcp).await, ask_for(unknown).await);
    assert_eq!((one.status, &one.body), (other.status, &other.body));
}
