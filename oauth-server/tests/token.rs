//! The path from an authorization request to tokens, through the public service, by a client that nobody has to sign in for.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use oauth_core::testing::FixedClock;
use oauth_core::{Client, GrantFilter, Stores, Timestamp};
use oauth_server::{AuthorizationServer, OfferedScope, Policy};
use serde_json::Value;
use tower::ServiceExt as _;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example/cb";

struct Host {
    server: AuthorizationServer,
    stores: Stores,
    clock: FixedClock,
}

async fn host_with(policy: Policy) -> Host {
    let stores = Stores::memory();
    let clock = FixedClock::at(Timestamp::from_secs(1_700_000_000));
    let server = AuthorizationServer::builder("https://as.example", stores.clone())
        .resource("https://as.example/mcp")
        .scope(OfferedScope::new("notes:read", "Read your notes"))
        .scope(OfferedScope::new("notes:write", "Write notes"))
        .scope(OfferedScope::new("notes:delete", "Delete notes").on_request())
        .client(Client::public("app".parse().unwrap(), [CALLBACK.parse().unwrap()]))
        .client(Client::public("other".parse().unwrap(), ["https://other.example/cb".parse().unwrap()]))
        .policy(policy)
        .clock(clock.clone())
        .insecure_approve_all("owner")
        .build()
        .await
        .unwrap();
    Host { server, stores, clock }
}

async fn host() -> Host {
    host_with(Policy::default()).await
}

impl Host {
    async fn send(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        self.server.clone().oneshot(request).await.unwrap()
    }

    async fn code(&self, extra: &str) -> String {
        let uri = format!(
            "/authorize?response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=S1\
             &code_challenge={CHALLENGE}&code_challenge_method=S256{extra}"
        );
        let response = self.send(Request::get(uri).body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        assert!(location.starts_with("https://app.example/cb?code="), "{location}");
        assert!(location.ends_with("&state=S1&iss=https%3A%2F%2Fas.example"), "{location}");
        location["https://app.example/cb?code=".len()..].split('&').next().unwrap().to_owned()
    }

    async fn token(&self, form: &str) -> (StatusCode, Value) {
        let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        let response = self.send(request.body(Full::from(form.to_owned())).unwrap()).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn redeem(&self, code: &str) -> (StatusCode, Value) {
        self.token(&redeeming(code)).await
    }

    async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.token(&format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await
    }
}

fn redeeming(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=app&code={code}&code_verifier={VERIFIER}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
    )
}

fn text<'a>(body: &'a Value, member: &str) -> &'a str {
    body[member].as_str().unwrap_or_else(|| panic!("no {member} in {body}"))
}

#[tokio::test]
async fn a_code_buys_tokens_once() {
    // TOK-5, AS-59, AS-60, T5
    let host = host().await;
    let code = host.code("&scope=notes%3Aread%20notes%3Awrite%20unknown").await;
    let (status, body) = host.redeem(&code).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!((text(&body, "token_type"), text(&body, "scope")), ("Bearer", "notes:read notes:write"));
    assert_eq!(body["expires_in"], 600);

    // A wrong verifier does no harm; the right one ends everything.
    let (status, again) = host.token(&redeeming(&code).replace(VERIFIER, &"x".repeat(43))).await;
    assert_eq!((status, text(&again, "error")), (StatusCode::BAD_REQUEST, "invalid_grant"));
    let (status, refreshed) = host.refresh(text(&body, "refresh_token")).await;
    assert_eq!(status, StatusCode::OK);
    let (_, again) = host.redeem(&code).await;
    assert_eq!(text(&again, "error"), "invalid_grant");
    let (_, dead) = host.refresh(text(&refreshed, "refresh_token")).await;
    assert_eq!(text(&dead, "error"), "invalid_grant");
}

#[tokio::test]
async fn five_wrong_verifiers_kill_a_code() {
    // AS-61
    let host = host().await;
    let code = host.code("").await;
    for _ in 0..5 {
        let (_, body) = host.token(&redeeming(&code).replace(VERIFIER, &"x".repeat(43))).await;
        assert_eq!(text(&body, "error"), "invalid_grant");
    }
    assert_eq!(text(&host.redeem(&code).await.1, "error"), "invalid_grant");
}

#[tokio::test]
async fn four_wrong_verifiers_do_not() {
    // AS-61
    let host = host().await;
    let code = host.code("").await;
    for _ in 0..4 {
        host.token(&redeeming(&code).replace(VERIFIER, &"x".repeat(43))).await;
    }
    assert_eq!(host.redeem(&code).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_code_is_bound_to_all_that_was_asked() {
    // AS-58, A-REDIR-20, A-CODE-4, A-PKCE-6, A-PKCE-8, TOK-9
    let host = host().await;
    let code = host.code("").await;
    for (change, to, error) in [
        ("client_id=app", "client_id=other", "invalid_grant"),
        ("app.example%2Fcb", "other.example%2Fcb", "invalid_grant"),
        ("&code_verifier=", "&ignored=", "invalid_request"),
        (VERIFIER, "short", "invalid_grant"),
        ("grant_type=authorization_code", "grant_type=password", "unsupported_grant_type"),
        (
            "grant_type=authorization_code",
            "resource=https%3A%2F%2Fevil.example&grant_type=authorization_code",
            "invalid_target",
        ),
    ] {
        let (_, body) = host.token(&redeeming(&code).replace(change, to)).await;
        assert_eq!(text(&body, "error"), error, "{to}");
    }
    assert_eq!(host.redeem(&code).await.0, StatusCode::OK, "none of it burnt the code");
    let late = host.code("").await;
    host.clock.advance(std::time::Duration::from_secs(61));
    // A-CODE-6
    assert_eq!(text(&host.redeem(&late).await.1, "error"), "invalid_grant");
}

#[tokio::test]
async fn eight_parallel_refreshes_get_the_same_tokens_and_one_late_ends_the_grant() {
    // REF-2, REF-3, REF-4, A-RT-2, A-RT-4
    let host = std::sync::Arc::new(host().await);
    let code = host.code("").await;
    let (_, first) = host.redeem(&code).await;
    let token = text(&first, "refresh_token").to_owned();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (host, token) = (host.clone(), token.clone());
            tokio::spawn(async move { host.refresh(&token).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        let (status, body) = task.await.unwrap();
        assert_eq!(status, StatusCode::OK);
        answers.push(body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");

    host.clock.advance(std::time::Duration::from_secs(121));
    assert_eq!(text(&host.refresh(&token).await.1, "error"), "invalid_grant");
    assert_eq!(text(&host.refresh(text(&answers[0], "refresh_token")).await.1, "error"), "invalid_grant");
    assert_eq!(host.stores.grants.count(GrantFilter::All).await.unwrap(), 1);
}

#[tokio::test]
async fn a_retry_that_asks_for_something_else_is_a_replay() {
    let host = host().await;
    let (_, first) = host.redeem(&host.code("").await).await;
    let token = text(&first, "refresh_token");
    assert_eq!(host.refresh(token).await.0, StatusCode::OK);
    let narrowed = format!("grant_type=refresh_token&client_id=app&refresh_token={token}&scope=notes%3Aread");
    assert_eq!(text(&host.token(&narrowed).await.1, "error"), "invalid_grant");
}

#[tokio::test]
async fn without_grace_the_second_use_ends_the_grant() {
    let host = host_with(Policy::strict()).await;
    let (_, first) = host.redeem(&host.code("").await).await;
    let (_, second) = host.refresh(text(&first, "refresh_token")).await;
    assert_eq!(text(&host.refresh(text(&first, "refresh_token")).await.1, "error"), "invalid_grant");
    assert_eq!(text(&host.refresh(text(&second, "refresh_token")).await.1, "error"), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_narrows_and_widens_within_the_grant() {
    // REF-6, A-RT-7, A-RT-8
    let host = host().await;
    let (_, first) = host.redeem(&host.code("").await).await;
    let ask = |token: &str, scope: &str| {
        format!("grant_type=refresh_token&client_id=app&refresh_token={token}&scope={scope}")
    };
    let (status, narrowed) = host.token(&ask(text(&first, "refresh_token"), "notes%3Aread")).await;
    assert_eq!((status, text(&narrowed, "scope")), (StatusCode::OK, "notes:read"));
    let token = text(&narrowed, "refresh_token");
    assert_eq!(
        text(&host.token(&ask(token, "notes%3Aread+notes%3Adelete")).await.1, "error"),
        "invalid_scope"
    );
    let (_, full) = host.token(&ask(token, "notes%3Aread+notes%3Awrite+offline_access")).await;
    assert_eq!(text(&full, "scope"), "notes:read notes:write");
}

#[tokio::test]
async fn what_is_offered_no_more_is_not_refreshed() {
    // REF-10, A-RT-10
    let host = host().await;
    let (_, first) = host.redeem(&host.code("").await).await;
    let token = text(&first, "refresh_token");
    let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
    let other = async |resource: &str, scope: &str| {
        let server = AuthorizationServer::builder("https://as.example", host.stores.clone())
            .resource(resource)
            .scope(OfferedScope::new(scope, "Something"))
            .client(Client::public("app".parse().unwrap(), [CALLBACK.parse().unwrap()]))
            .clock(host.clock.clone())
            .insecure_approve_all("owner");
        Host { server: server.build().await.unwrap(), stores: host.stores.clone(), clock: host.clock.clone() }
    };
    // The grant's resource is served no more.
    let moved = other("https://as.example/other", "notes:read").await;
    let (status, body) = moved.token(&form).await;
    assert_eq!((status, text(&body, "error")), (StatusCode::BAD_REQUEST, "invalid_grant"));
    // None of its scopes is offered: no token without.
    let bare = other("https://as.example/mcp", "tasks:read").await;
    let (status, body) = bare.token(&form).await;
    assert_eq!((status, text(&body, "error")), (StatusCode::BAD_REQUEST, "invalid_grant"));
    // One of them is: that one, whether it is named or all that was granted is.
    let less = other("https://as.example/mcp", "notes:read").await;
    for scope in ["", "&scope=notes%3Aread", "&scope=notes%3Aread+notes%3Awrite"] {
        let code = host.code("").await;
        let (_, granted) = host.redeem(&code).await;
        let token = text(&granted, "refresh_token");
        let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}{scope}");
        let (status, body) = less.token(&form).await;
        assert_eq!((status, text(&body, "scope")), (StatusCode::OK, "notes:read"), "{scope}");
    }
    let (status, body) = less.token(&format!("{form}&scope=notes%3Awrite")).await;
    assert_eq!((status, text(&body, "error")), (StatusCode::BAD_REQUEST, "invalid_scope"));
    // Nothing of it has spent anything.
    assert_eq!(host.token(&form).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_empty_is_not_there_and_an_audience_may_repeat() {
    // TOK-3
    let host = host().await;
    let code = host.code("&scope=&scope=&state=").await;
    let form = format!("{}&code=&scope=&scope=&audience=a&audience=b&client_id=", redeeming(&code));
    let (status, body) = host.token(&form).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    for twice in ["&scope=a&scope=b", "&code=x", "&client_id=app"] {
        let (status, body) = host.token(&format!("{}{twice}", redeeming(&code))).await;
        assert_eq!((status, text(&body, "error")), (StatusCode::BAD_REQUEST, "invalid_request"), "{twice}");
    }
}

#[tokio::test]
async fn a_form_must_be_one() {
    // TOK-1 to TOK-4
    let host = host().await;
    let url = Request::post("/token?grant_type=refresh_token")
        .header("content-type", "application/x-www-form-urlencoded");
    let response = host.send(url.body(Full::default()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let json =
        Request::post("/token").header("content-type", "application/json").body(Full::from("{}")).unwrap();
    assert_eq!(host.send(json).await.status(), StatusCode::BAD_REQUEST);
    let get = Request::get("/token").body(Full::default()).unwrap();
    let response = host.send(get).await;
    assert_eq!(
        (response.status(), response.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS")
    );
    for bad in ["client_id=app&client_id=app", "client_id=app&x=%ZZ", "client_id=app&x=%00"] {
        assert_eq!(text(&host.token(bad).await.1, "error"), "invalid_request");
    }
}

#[tokio::test]
async fn a_server_on_loopback_answers_to_loopback_names_and_its_own_alone() {
    // AS-5; A-PROXY-7: a page of another name that was pointed at this machine reads nothing.
    for (issuer, own, other) in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.2:8080"),
        ("http://127.0.0.2:8080", "127.0.0.2:8080", "127.0.0.3:8080"),
        ("http://127.0.0.2:8080/tenant", "127.0.0.2:8080", "127.0.0.3:8080"),
        ("http://127.9.9.9", "127.9.9.9", "127.9.9.8"),
        ("http://[::1]:8080", "[::1]:8080", "[::2]:8080"),
    ] {
        let server = AuthorizationServer::builder(issuer, Stores::memory())
            .resource("http://127.0.0.1:8080/mcp")
            .insecure_approve_all("owner")
            .build()
            .await
            .unwrap();
        for (host, status) in [
            (own, 200),
            ("localhost:8080", 200),
            ("[::1]:8080", 200),
            (other, 403),
            ("evil.example:8080", 403),
            ("", 403),
        ] {
            let request = Request::get("/jwks.json").header("host", host);
            let response =
                server.clone().oneshot(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{issuer} {host}");
        }
    }
}
