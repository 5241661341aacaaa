//! The page at the server's own address: for browsers, with what metadata says and nothing else.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use oauth_core::Stores;
use oauth_core::testing::FixedClock;
use oauth_server::AuthorizationServer;
use support::{Answer, OTHER_RESOURCE, RESOURCE, builder, request, send, server};
use tower::{Layer as _, ServiceExt as _, service_fn};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn visit(server: &AuthorizationServer, path: &str) -> Answer {
    send(server, request(Method::GET, path, &[("accept", BROWSER), ("host", "evil.example")], "")).await
}

#[tokio::test]
async fn a_browser_is_told_what_this_is_and_how_to_connect() {
    // AS-70 to AS-74
    let page = visit(&server().await, "/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for said in [
        "MCP server",
        RESOURCE,
        OTHER_RESOURCE,
        "claude mcp add --transport http notes https://mcp.example/mcp",
        "claude mcp add --transport http other-example https://other.example/mcp",
        "code --add-mcp &#39;{",
        "npx @modelcontextprotocol/inspector",
        "href=\"https://as.example/.well-known/oauth-authorization-server\"",
        "href=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"",
    ] {
        assert!(page.text().contains(said), "no {said:?} in {}", page.text());
    }
    // Nothing of the request, no script, no form, and the headers of every page.
    for never in ["evil.example", "<script", "<form", "<input"] {
        assert!(!page.text().contains(never), "{never}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
    assert_eq!((page.header("vary"), page.header("access-control-allow-origin")), ("Accept", ""));
    assert!(page.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn programs_are_told_that_there_is_nothing() {
    let server = server().await;
    for (method, accept) in [
        (Method::GET, "application/json"),
        (Method::GET, "text/event-stream"),
        (Method::GET, "application/json, text/event-stream"),
        (Method::GET, "*/*"),
        (Method::POST, BROWSER),
        (Method::DELETE, BROWSER),
        (Method::OPTIONS, BROWSER),
    ] {
        let answer = send(&server, request(method.clone(), "/", &[("accept", accept)], "")).await;
        assert_eq!(answer.error(), (404, "invalid_request".to_owned()), "{method} {accept}");
    }
    assert_eq!(send(&server, request(Method::GET, "/", &[], "")).await.status, StatusCode::NOT_FOUND);
    let head = send(&server, request(Method::HEAD, "/", &[("accept", BROWSER)], "")).await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn it_is_where_the_issuer_is_and_names_the_operators_pages() {
    let builder = AuthorizationServer::builder("https://host.example/t1", Stores::memory())
        .resource("https://host.example/t1/mcp")
        .documentation("https://docs.example/")
        .privacy_policy("https://docs.example/privacy")
        .terms_of_service("https://docs.example/terms")
        .insecure_approve_all("owner");
    let server = builder.build().await.unwrap();
    for path in ["/t1", "/t1/", "/"] {
        let page = visit(&server, path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for link in [
            "https://host.example/.well-known/oauth-authorization-server/t1",
            "https://docs.example/",
            "https://docs.example/privacy",
            "https://docs.example/terms",
        ] {
            assert!(page.text().contains(&format!("href=\"{link}\"")), "{link}");
        }
    }
    assert_eq!(visit(&server, "/t2").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_host_has_its_own_page_or_none() {
    let clock = FixedClock::default();
    let without = builder(Stores::memory(), &clock).without_landing_page().build().await.unwrap();
    let nothing = visit(&without, "/").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(nothing.text().contains("<h1>There is nothing here</h1>") && !nothing.text().contains("<a "));
    assert!(!visit(&without, "/authorise").await.text().contains("<a "));

    // Before an app, the address is the app's.
    let app = service_fn(|_: http::Request<Full<bytes::Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::from("the app's own")))
    });
    let both = server().await.layer().layer(app);
    let answer = both.oneshot(request(Method::GET, "/", &[("accept", BROWSER)], "")).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "the app's own");
}

#[tokio::test]
async fn who_opens_an_address_without_a_page_is_told_so_in_words() {
    // AS-70 to AS-74
    let server = server().await;
    for (path, status, said) in [
        ("/authorise", 404, "<h1>There is nothing here</h1>"),
        ("/.well-known/none", 404, "<h1>There is nothing here</h1>"),
        ("/token", 405, "<h1>There is nothing to see here</h1>"),
        ("/authorize/consent", 405, "<h1>There is nothing to see here</h1>"),
    ] {
        let page = visit(&server, path).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (status, "text/html; charset=utf-8"));
        assert!(page.text().contains(said) && page.text().contains("href=\"/\""), "{}", page.text());
        assert_eq!((page.header("x-frame-options"), page.header("vary")), ("DENY", "Accept"));
        assert_eq!(page.header("allow").is_empty(), status == 404, "{path}");
        // Programs are told what they always were.
        for (method, accept) in
            [(Method::GET, "*/*"), (Method::GET, "application/json"), (Method::PUT, BROWSER)]
        {
            let answer = send(&server, request(method, path, &[("accept", accept)], "")).await;
            assert_eq!(answer.error(), (status, "invalid_request".to_owned()), "{path} {accept}");
            assert_eq!((answer.header("content-type"), answer.header("vary")), ("application/json", ""));
        }
    }
    // Before an app, the page at the address is the app's: there is nothing to link to.
    let app = service_fn(|_: http::Request<Full<bytes::Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::from("the app's own")))
    });
    let both = server.layer().layer(app);
    let answer = both.oneshot(request(Method::GET, "/token", &[("accept", BROWSER)], "")).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.contains("nothing to see here") && !text.contains("<a "), "{text}");
}

#[tokio::test]
async fn until_the_operator_says_it_the_pages_bear_the_host() {
    let page = visit(&server().await, "/").await;
    assert!(page.text().contains("<title>Connect an app · as.example</title>"), "{}", page.text());
}

#[tokio::test]
async fn on_loopback_it_is_shown_under_loopback_names_alone() {
    // A-PROXY-7
    let builder = AuthorizationServer::builder("http://127.0.0.1:8080", Stores::memory())
        .resource("http://127.0.0.1:8080/mcp")
        .insecure_approve_all("owner");
    let server = builder.build().await.unwrap();
    let from = |host: &'static str| request(Method::GET, "/", &[("accept", BROWSER), ("host", host)], "");
    assert_eq!(send(&server, from("127.0.0.1:8080")).await.status, StatusCode::OK);
    assert_eq!(send(&server, from("evil.example")).await.status, StatusCode::FORBIDDEN);
    let elsewhere = [("accept", BROWSER), ("host", "evil.example")];
    let answer = send(&server, request(Method::GET, "/nothing", &elsewhere, "")).await;
    assert_eq!(answer.error(), (404, "invalid_request".to_owned()));
}
