//! Every error of `/authorize`: shown to the user, or told to the client by a redirect.

use http::{Method, Request, StatusCode};
use oauth_core::fetch::Fetched;
use oauth_testing::{AuthorizeRequest, KnownClient, Registration, Site, Visit, Wire as _};

use crate::expect;

/// How a request is bent.
type Bend = fn(AuthorizeRequest) -> AuthorizeRequest;

/// What nobody may be redirected for: the client, its redirect URI, or the form itself is wrong.
const SHOWN: &[(&str, Bend)] = &[
    // AS-30
    ("no client_id", |request| request.remove("client_id")),
    ("an empty client_id", |request| request.set("client_id", "")),
    ("an unknown client", |request| request.set("client_id", "nobody")),
    ("a client_id with control characters", |request| request.set("client_id", "web-app\u{7}")),
    ("an unknown document", |request| request.set("client_id", "https://nowhere.example/client.json")),
    ("a document at a bad address", |request| {
        request.set("client_id", "https://tool.example/../client.json")
    }),
    ("a document on this machine", |request| request.set("client_id", "http://127.0.0.1/client.json")),
    ("everything wrong at once", |request| {
        request
            .set("client_id", "nobody")
            .set("redirect_uri", "https://evil.example")
            .set("response_type", "token")
    }),
    // AS-31
    ("another redirect_uri", |request| request.set("redirect_uri", "https://evil.example/cb")),
    ("another case", |request| request.set("redirect_uri", "https://app.example/CB")),
    ("a slash more", |request| request.set("redirect_uri", "https://app.example/cb/")),
    ("a query more", |request| request.set("redirect_uri", "https://app.example/cb?x=1")),
    ("an encoded letter", |request| request.set("redirect_uri", "https://app.example/%63b")),
    ("a dot segment", |request| request.set("redirect_uri", "https://app.example/x/../cb")),
    ("a port", |request| request.set("redirect_uri", "https://app.example:443/cb")),
    ("a prefix", |request| request.set("redirect_uri", "https://app.example.evil.example/cb")),
    // AS-34
    ("a fragment", |request| request.set("redirect_uri", "https://app.example/cb#x")),
    ("a user", |request| request.set("redirect_uri", "https://app.example@evil.example/cb")),
    ("a script", |request| request.set("redirect_uri", "javascript:alert(1)")),
    // AS-29
    ("two clients", |request| request.add("client_id", "web-app")),
    ("two redirect_uris", |request| request.add("redirect_uri", "https://app.example/cb")),
    // AS-54
    ("20 KiB of state", |request| {
        let state = "x".repeat(20 * 1024);
        request.set("state", &state)
    }),
];

/// What the client is told, with the word for it.
const TOLD: &[(&str, &str, Bend)] = &[
    // AS-36
    ("no response_type", "invalid_request", |request| request.remove("response_type")),
    ("the implicit grant", "unsupported_response_type", |request| request.set("response_type", "token")),
    ("the hybrid flow", "unsupported_response_type", |request| request.set("response_type", "code id_token")),
    ("no response at all", "unsupported_response_type", |request| request.set("response_type", "none")),
    // AS-37, AS-38
    ("no challenge", "invalid_request", |request| request.remove("code_challenge")),
    ("no challenge and no method", "invalid_request", |request| {
        request.remove("code_challenge").remove("code_challenge_method")
    }),
    ("no method", "invalid_request", |request| request.remove("code_challenge_method")),
    ("the plain method", "invalid_request", |request| request.set("code_challenge_method", "plain")),
    ("another case of the method", "invalid_request", |request| request.set("code_challenge_method", "s256")),
    ("a short challenge", "invalid_request", |request| request.set("code_challenge", &"a".repeat(42))),
    ("a long challenge", "invalid_request", |request| request.set("code_challenge", &"a".repeat(44))),
    ("padding", "invalid_request", |request| request.set("code_challenge", &format!("{}=", "a".repeat(42)))),
    ("base64 of another alphabet", "invalid_request", |request| {
        request.set("code_challenge", &format!("{}+/", "a".repeat(41)))
    }),
    // AS-29
    ("a parameter twice", "invalid_request", |request| request.add("scope", "notes:read")),
    ("a challenge twice", "invalid_request", |request| request.add("code_challenge", &"b".repeat(43))),
    // AS-39: nothing is fetched.
    ("a request object", "request_not_supported", |request| {
        request.set("request", "eyJhbGciOiJub25lIn0.e30.")
    }),
    ("a request_uri", "request_uri_not_supported", |request| {
        request.set("request_uri", "https://evil.example/request.jwt")
    }),
    ("a pushed request of nobody", "request_uri_not_supported", |request| {
        request.set("request_uri", "urn:ietf:params:oauth:request_uri:x")
    }),
    // AS-40
    ("the fragment", "invalid_request", |request| request.set("response_mode", "fragment")),
    ("a form", "invalid_request", |request| request.set("response_mode", "form_post")),
    // AS-41
    ("an unknown resource", "invalid_target", |request| request.set("resource", "https://other.example/mcp")),
    ("a relative resource", "invalid_target", |request| request.set("resource", "/mcp")),
    ("a resource with a fragment", "invalid_target", |request| {
        request.set("resource", "https://mcp.example/mcp#x")
    }),
    ("one known resource and one unknown", "invalid_target", |request| {
        request.add("resource", "https://other.example/mcp")
    }),
    // AS-44
    ("no scope that is known", "invalid_scope", |request| request.set("scope", "admin everything")),
    ("a scope that is none", "invalid_scope", |request| request.set("scope", "notes:read \"")),
    // AS-51, AS-52
    ("none and something", "invalid_request", |request| request.set("prompt", "none login")),
    ("an age that is none", "invalid_request", |request| request.set("max_age", "-1")),
    ("an age in words", "invalid_request", |request| request.set("max_age", "an hour")),
];

async fn get(visit: &mut Visit, request: &AuthorizeRequest) -> oauth_testing::Page {
    visit.browser.get(request.url().as_str()).await.unwrap()
}

#[tokio::test]
async fn what_is_wrong_with_the_client_or_its_address_is_shown() {
    let site = Site::new().await.unwrap();
    site.documents().set("https://nowhere.example/client.json", Fetched::new(StatusCode::NOT_FOUND, ""));
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    for signed_in in [false, true] {
        for (what, bend) in SHOWN {
            let (request, _) = visit.request().unwrap();
            let page = get(&mut visit, &bend(request)).await;
            assert_eq!(page.status, 400, "{what}: {}", page.text());
            expect::shown(&page, 400);
            // AS-55: nothing of the request is in the page.
            assert!(!page.html.contains("evil.example"), "{what}");
        }
        if !signed_in {
            visit.connect().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_rest_is_told_to_a_client_that_somebody_vouches_for() {
    // AS-46, AS-47: with nobody signed in, too.
    let site = Site::new().await.unwrap();
    for client in [KnownClient::WebApp, KnownClient::Desktop, KnownClient::Gateway] {
        let mut visit = site.visit(client).await.unwrap();
        for (what, error, bend) in TOLD {
            let (request, _) = visit.request().unwrap();
            let request = bend(request.set("state", "ä <b>&=+%00\r\n 𝄞 \u{202e}\"'"));
            let page = get(&mut visit, &request).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{what}: {}", page.text());
            let callback = expect::told(&page, &request);
            assert_eq!(callback.error(), Some(*error), "{what}");
        }
    }
    assert!(site.documents().requests().is_empty());
}

#[tokio::test]
async fn an_error_of_a_client_nobody_vouches_for_is_shown_until_somebody_signs_in() {
    // AS-50
    let site = Site::new().await.unwrap();
    let document = site.visit(KnownClient::Document).await.unwrap();
    for mut visit in [site.visit_of_newcomer().await.unwrap(), document] {
        let told = |(what, ..): &&(&str, &str, Bend)| {
            // A document is fetched for a plausible request alone.
            !["no response_type", "no challenge", "no challenge and no method", "a challenge twice"]
                .contains(what)
        };
        for (what, _, bend) in TOLD.iter().filter(told) {
            let (request, _) = visit.request().unwrap();
            let bent = bend(request);
            // Nor does it help to ask for silence.
            let silent = (*what != "none and something").then(|| bent.clone().set("prompt", "none"));
            for request in silent.into_iter().chain([bent]) {
                let page = get(&mut visit, &request).await;
                assert_eq!(page.status, 400, "{what}");
                expect::shown(&page, 400);
            }
        }
        visit.connect().await.unwrap();
        for (what, error, bend) in TOLD.iter().filter(told) {
            let (request, _) = visit.request().unwrap();
            let request = bend(request);
            let page = get(&mut visit, &request).await;
            assert_eq!(page.status, 303, "{what}");
            assert_eq!(expect::told(&page, &request).error(), Some(*error), "{what}");
        }
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_had_now_is_no_fault_of_the_client() {
    // TOK-8's like: the app would be removed for a hiccup of its own site.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let page = get(&mut visit, &request.set("client_id", "https://unreachable.example/client.json")).await;
    expect::shown_unavailable(&page);
}

#[tokio::test]
async fn a_state_that_stands_twice_or_is_too_long_is_not_sent_back() {
    // AS-29, AS-54
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let long = "x".repeat(5000);
    for bent in [request.clone().add("state", "other"), request.set("state", &long)] {
        let page = get(&mut visit, &bent).await;
        let callback = expect::told(&page, &bent.remove("state"));
        assert_eq!(callback.error(), Some("invalid_request"));
    }
}

#[tokio::test]
async fn the_redirect_uri_is_left_out_only_where_one_is_registered() {
    // AS-35
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let request = request.remove("redirect_uri");
    let callback = visit.answer(&request).await.unwrap();
    let redeem = visit.redeem(&callback, &pkce).unwrap();
    visit.send(&redeem.remove("redirect_uri")).await.unwrap().tokens().unwrap();

    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let page = get(&mut visit, &request.remove("redirect_uri")).await;
    expect::shown(&page, 400);
}

#[tokio::test]
async fn the_query_of_a_registered_address_is_kept() {
    // AS-48
    let site = Site::new().await.unwrap();
    let address = "https://new.example/cb?tenant=a%20b";
    let client = site.client(address).unwrap();
    let found = client.discover().await.unwrap();
    let registered = client
        .register(&found, &client.registration().with("token_endpoint_auth_method", "none".into()))
        .await
        .unwrap();
    let mut visit = site.visit_as(registered, address).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let callback = visit.answer(&request).await.unwrap();
    assert!(
        callback.url.as_str().starts_with("https://new.example/cb?tenant=a%20b&code="),
        "{}",
        callback.url
    );
}

#[tokio::test]
async fn a_client_without_the_code_grant_asks_nobody() {
    // TOK-15's like at the authorization endpoint
    let clients = r#"[{"client_id":"machine","redirect_uris":["https://machine.example/cb"],"grant_types":["refresh_token"]}]"#;
    let site = Site::builder().server(|server| server.clients_json(clients)).build().await.unwrap();
    let mut visit =
        site.visit_as(Registration::public("machine"), "https://machine.example/cb").await.unwrap();
    let (request, _) = visit.request().unwrap();
    let page = get(&mut visit, &request).await;
    expect::shown(&page, 400);
}

#[tokio::test]
async fn only_get_and_post_ask_and_only_get_of_a_person_counts() {
    // AS-27, LIM-7
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    let (request, _) = visit.request().unwrap();
    let url = request.url();
    let cookies: Vec<String> =
        visit.browser.cookies().iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    let ask = |method: Method, purpose: Option<&str>| {
        let mut request =
            Request::builder().method(method).uri(url.as_str()).header("cookie", cookies.join("; "));
        if let Some(purpose) = purpose {
            request = request.header("sec-purpose", purpose);
        }
        request.body(bytes::Bytes::new()).unwrap()
    };
    let wire = site.wire();
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = wire.send(ask(method.clone(), None)).await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD, POST");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
    site.faults().reset();
    // As browsers say it, and said it (A-CODE-13).
    for (name, value) in
        [("purpose", "prefetch"), ("x-moz", "prefetch"), ("sec-purpose", "Prefetch;anonymous-client-ip")]
    {
        let mut looked = ask(Method::GET, None);
        looked.headers_mut().insert(name, value.parse().unwrap());
        let answer = wire.send(looked).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().len()), (503, 0), "{name}");
    }
    for (looked, status) in [
        (ask(Method::HEAD, None), 200),
        // Not an empty page to keep for later: the browser asks again when somebody goes there.
        (ask(Method::GET, Some("prefetch")), 503),
        (ask(Method::GET, Some("prefetch;prerender")), 503),
    ] {
        let answer = wire.send(looked).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(answer.body().is_empty() && !answer.headers().contains_key("location"));
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    assert!(site.faults().calls().is_empty(), "nothing was asked, nothing was written");
    // The person's own GET is remembered consent, and gets its code.
    let answer = wire.send(ask(Method::GET, None)).await.unwrap();
    assert_eq!(answer.status(), 303);
}
