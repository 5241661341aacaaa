//! Dynamic client registration, through the service.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use oauth_core::fetch::StaticFetch;
use oauth_core::testing::FixedClock;
use oauth_core::{ClientFilter, Quota, Stores, TokenHash};
use oauth_server::{AuthorizationServer, Limits, PeerAddress, Registration};
use serde_json::{Value, json};
use support::{
    Heard, REDIRECT, VERIFIER, authorize, authorize_query, basic, builder, get, has_nothing, post, refresh,
    register, request, send, server,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Metadata with changes; a change to `null` removes the member.
fn app(changes: &Value) -> Value {
    let mut metadata =
        json!({ "client_name": "App", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" });
    let members = metadata.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    metadata
}

async fn with(build: impl FnOnce(oauth_server::Builder) -> oauth_server::Builder) -> AuthorizationServer {
    build(builder(Stores::memory(), &FixedClock::default())).build().await.unwrap()
}

/// Tokens of a registered public client, by the whole code grant.
async fn sign_in(server: &AuthorizationServer, client_id: &str) -> Value {
    let code = authorize(server, client_id, REDIRECT).await.sent_back("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", client_id),
    ];
    let answer = post(server, "/token", &[], &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_public_client_is_told_back_what_was_accepted() {
    // DCR-2, DCR-4, CONF-42, wire facts 1, 4
    let server = server().await;
    let asked = json!({
        "client_name": "App", "redirect_uris": ["http://localhost:3000/callback", REDIRECT, REDIRECT], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "application_type": "native",
        "client_uri": "https://app.example/", "software_id": "app", "software_version": "1.2.3", "contacts": ["a@app.example"],
        "logo_uri": "", "policy_uri": null, "tos_uri": null,
        "x_unknown": true, "client_id": "admin", "trusted": true, "software_statement": "not.a.jwt", "sector_identifier_uri": "https://10.0.0.1/x",
    });
    let answer = register(&server, &asked).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.header("cache-control")),
        (StatusCode::CREATED, "application/json", "no-store")
    );
    let mut told = answer.json();
    assert!(!has_nothing(&told), "{told:#}");
    let members = told.as_object_mut().unwrap();
    // DCR-16
    let id = members.remove("client_id").unwrap();
    assert!(id.as_str().unwrap().starts_with("c_"));
    assert_eq!(members.remove("client_id_issued_at"), Some(json!(1_700_000_000)));
    assert_eq!(
        told,
        json!({
            "client_name": "App", "redirect_uris": ["http://localhost:3000/callback", REDIRECT], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "application_type": "native",
            "client_uri": "https://app.example/", "software_id": "app", "software_version": "1.2.3", "contacts": ["a@app.example"],
        })
    );
    assert_eq!(sign_in(&server, id.as_str().unwrap()).await["token_type"], "Bearer");
}

#[tokio::test]
async fn a_client_obeys_the_method_it_is_told_and_it_works() {
    // DCR-4, CAUTH-2, CAUTH-3, CONF-9, wire facts 11, 12
    let server = server().await;
    for (changes, method) in [
        (json!({ "token_endpoint_auth_method": null }), "client_secret_basic"),
        (json!({ "token_endpoint_auth_method": "client_secret_basic" }), "client_secret_basic"),
        (json!({ "token_endpoint_auth_method": "client_secret_post" }), "client_secret_post"),
        (json!({ "token_endpoint_auth_method": null, "redirect_uris": ["http://127.0.0.1/cb"] }), "none"),
        (
            json!({ "token_endpoint_auth_method": null, "redirect_uris": ["cursor://x/cb", "http://localhost/cb"] }),
            "none",
        ),
        (json!({ "token_endpoint_auth_method": null, "application_type": "native" }), "none"),
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"] }),
            "none",
        ),
    ] {
        let told = register(&server, &app(&changes)).await.json();
        assert_eq!(told["token_endpoint_auth_method"], method, "{changes}");
        let (id, secret) = (told["client_id"].as_str().unwrap(), told["client_secret"].as_str());
        assert_eq!(secret.is_some(), method != "none", "{changes}");
        assert_eq!(told.get("client_secret_expires_at").cloned(), secret.map(|_| json!(0)), "{changes}");
        let redirect = told["redirect_uris"][0].as_str().unwrap();
        let code = authorize(&server, id, redirect).await.sent_back("code").unwrap();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", redirect),
            ("code_verifier", VERIFIER),
        ];
        let header = basic(id, secret.unwrap_or_default());
        let headers: &[_] =
            if method == "client_secret_basic" { &[("authorization", header.as_str())] } else { &[] };
        if method != "client_secret_basic" {
            form.push(("client_id", id));
        }
        if method == "client_secret_post" {
            form.push(("client_secret", secret.unwrap()));
        }
        let answer = post(&server, "/token", headers, &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{changes} {answer:?}");
    }
    let refused = register(&server, &app(&json!({ "token_endpoint_auth_method": "private_key_jwt" }))).await;
    assert_eq!(refused.error(), (400, "invalid_client_metadata".to_owned()));
}

#[tokio::test]
async fn no_power_is_had_by_asking() {
    // DCR-5, DCR-8, DCR-17, A-DCRX-3
    let server = server().await;
    let told = register(&server, &app(&json!({
        "grant_types": ["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "implicit"],
        "scope": "notes:read admin notes:delete offline_access",
    }))).await.json();
    assert_eq!(told["grant_types"], json!(["authorization_code"]));
    assert_eq!(told["scope"], "notes:read");
    // REF-11: who did not ask for refresh gets none.
    assert!(sign_in(&server, told["client_id"].as_str().unwrap()).await.get("refresh_token").is_none());
    // What was registered is no ceiling: clients ask for what is advertised.
    let told = register(&server, &app(&json!({ "scope": "notes:read" }))).await.json();
    let asked = get(
        &server,
        &authorize_query(told["client_id"].as_str().unwrap(), REDIRECT, &[("scope", "notes:write")]),
    )
    .await;
    assert!(asked.sent_back("code").is_some());
    // A-JWT-25
    for alone in [
        json!({ "token_endpoint_auth_signing_alg": "none" }),
        json!({ "token_endpoint_auth_signing_alg": "HS256" }),
        json!({ "id_token_signed_response_alg": "none" }),
    ] {
        let answer = register(&server, &app(&alone)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{alone}");
    }
    // A-REDIR-16
    for control in ["%0d%0aSet-Cookie:x", "%09", "%00", "%7F", "%1b"] {
        let uris = json!({ "redirect_uris": [format!("https://app.example/cb{control}")] });
        let answer = register(&server, &app(&uris)).await;
        assert_eq!(answer.error(), (400, "invalid_redirect_uri".to_owned()), "{control}");
    }
    let told = register(&server, &app(&json!({ "scope": "admin" }))).await.json();
    assert!(told.get("scope").is_none());
    for changes in [json!({ "grant_types": ["client_credentials"] }), json!({ "response_types": ["token"] })]
    {
        assert_eq!(
            register(&server, &app(&changes)).await.error(),
            (400, "invalid_client_metadata".to_owned()),
            "{changes}"
        );
    }
}

#[tokio::test]
async fn the_answer_has_the_refresh_grant_while_the_metadata_offers_it() {
    // CLIENTS: ChatGPT refuses another answer.
    let server = server().await;
    for changes in [
        json!({}),
        json!({ "grant_types": [] }),
        json!({ "grant_types": ["refresh_token", "authorization_code"] }),
    ] {
        let told = register(&server, &app(&changes)).await.json();
        assert_eq!(told["grant_types"], json!(["authorization_code", "refresh_token"]), "{changes}");
    }
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_with_the_rfcs_word() {
    // DCR-3, DCR-7, DCR-12, DCR-13, AS-34, A-REDIR-13 to A-REDIR-16, A-REDIR-22, A-XSS-2
    let server = server().await;
    let key = json!({ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" });
    let many: Vec<String> = (0..11).map(|at| format!("https://app.example/{at}")).collect();
    for redirects in [
        json!(null),
        json!([]),
        json!("https://app.example/cb"),
        json!([1]),
        json!(many),
        json!(["javascript:alert(1)//"]),
        json!(["data:text/html,x"]),
        json!(["file:///etc/passwd"]),
        json!(["http://app.example/cb"]),
        json!(["http://192.168.1.5/cb"]),
        json!(["myapp:/cb"]),
        json!(["https://app.example/cb#x"]),
        json!(["https://app.example/cb?code=x"]),
        json!([" java\tscript:x"]),
        json!(["https://\u{430}pp.example/cb"]),
        json!([REDIRECT, "vbscript:x"]),
    ] {
        let refused = register(&server, &app(&json!({ "redirect_uris": redirects }))).await;
        assert_eq!(refused.error(), (400, "invalid_redirect_uri".to_owned()), "{redirects}");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    for changes in [
        json!({ "client_name": 1 }),
        json!({ "grant_types": "authorization_code" }),
        json!({ "client_uri": "javascript:alert(1)" }),
        json!({ "logo_uri": "http://10.0.0.1/x.svg" }),
        json!({ "tos_uri": "data:text/html,x" }),
        json!({ "policy_uri": 7 }),
        json!({ "jwks_uri": "http://app.example/jwks.json" }),
        json!({ "jwks": {"keys": [key]}, "jwks_uri": "https://app.example/jwks.json" }),
        json!({ "jwks": [] }),
        json!({ "jwks": {"keys": [1]} }),
        json!({ "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "d"}]} }),
        json!({ "jwks": {"keys": [{"kty": "oct", "k": "k"}]} }),
        json!({ "jwks": {"keys": vec![json!({"kty": "RSA", "e": "AQAB", "n": "n".repeat(500)}); 20]} }),
        json!({ "application_type": "browser" }),
        json!({ "scope": "a\"b" }),
        json!({ "scope": ["a"] }),
        json!({ "contacts": "a@app.example" }),
        json!({ "contacts": vec!["a"; 11] }),
        json!({ "software_id": "x".repeat(256) }),
        json!({ "software_version": {} }),
    ] {
        assert_eq!(
            register(&server, &app(&changes)).await.error(),
            (400, "invalid_client_metadata".to_owned()),
            "{changes}"
        );
    }
    let told = register(&server, &app(&json!({ "jwks": {"keys": [key]} }))).await.json();
    assert_eq!(told["jwks"]["keys"], json!([key]));
}

#[tokio::test]
async fn only_a_json_object_is_read() {
    // DCR-1, A-DCRX-9
    let server = server().await;
    let body = app(&json!({})).to_string();
    let deep = format!("{{\"redirect_uris\":[\"{REDIRECT}\"],\"x\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let twice = format!("{{\"redirect_uris\":[\"https://evil.example/\"],{}", &body[1..]);
    for (content_type, body) in [
        ("text/plain", &*body),
        ("", &*body),
        ("application/x-www-form-urlencoded", "redirect_uris=x"),
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", &*deep),
        ("application/json", &*twice),
        ("application/json", "{\"redirect_uris\":"),
    ] {
        let refused = send(
            &server,
            request(Method::POST, "/register", &[("content-type", content_type)], body.to_owned()),
        )
        .await;
        assert_eq!(refused.error(), (400, "invalid_client_metadata".to_owned()), "{content_type} {body:.60}");
    }
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(
        send(&server, request(Method::POST, "/register", &charset, body)).await.status,
        StatusCode::CREATED
    );
    let huge = "x".repeat(5 << 20);
    let answer =
        send(&server, request(Method::POST, "/register", &[("content-type", "application/json")], huge))
            .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get(&server, "/register").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_same_public_client_is_one_and_a_secret_is_never_told_twice() {
    // DCR-11, A-DCRX-8
    let stores = Stores::memory();
    let clock = FixedClock::default();
    let server = builder(stores.clone(), &clock).build().await.unwrap();
    let first = register(&server, &app(&json!({}))).await.json();
    clock.advance(HOUR);
    let again = register(&server, &app(&json!({ "x_unknown": 1 }))).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.json(), first);
    for other in [
        json!({ "client_name": "App 2" }),
        json!({ "client_uri": "https://app.example/" }),
        json!({ "redirect_uris": ["https://app.example/other"] }),
    ] {
        assert_ne!(register(&server, &app(&other)).await.json()["client_id"], first["client_id"], "{other}");
    }
    let confidential = app(&json!({ "token_endpoint_auth_method": "client_secret_post" }));
    let (one, two) =
        (register(&server, &confidential).await.json(), register(&server, &confidential).await.json());
    assert_ne!(one["client_id"], two["client_id"]);
    assert_ne!(one["client_secret"], two["client_secret"]);
    assert_eq!(stores.clients.count(ClientFilter::All).await.unwrap(), 6);
}

#[tokio::test]
async fn a_registration_that_is_not_used_ends_in_a_day_and_one_that_is_lasts() {
    // DCR-10, DCR-20
    let clock = FixedClock::default();
    let server = builder(Stores::memory(), &clock).build().await.unwrap();
    let id = |told: Value| told["client_id"].as_str().unwrap().to_owned();
    let unused = id(register(&server, &app(&json!({ "client_name": "unused" }))).await.json());
    let used = id(register(&server, &app(&json!({ "client_name": "used" }))).await.json());
    let returning = app(&json!({ "client_name": "returning" }));
    let returned = id(register(&server, &returning).await.json());
    let token = sign_in(&server, &used).await["refresh_token"].as_str().unwrap().to_owned();
    clock.advance(20 * HOUR);
    // Who registers again does not get an id that dies in an hour.
    assert_eq!(id(register(&server, &returning).await.json()), returned);
    clock.advance(5 * HOUR);
    assert_eq!(authorize(&server, &unused, REDIRECT).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&server, &unused, &token).await.error(), (401, "invalid_client".to_owned()));
    assert!(authorize(&server, &returned, REDIRECT).await.sent_back("code").is_some());
    assert_eq!(refresh(&server, &used, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_flood_is_stopped_and_what_it_left_goes_away() {
    // DCR-10, LIM-1, A-DCRX-1
    let clock = FixedClock::default();
    let stores = Stores::memory();
    let mut limits = Limits::default();
    limits.unused_clients = 5;
    let server = builder(stores.clone(), &clock).limits(limits).build().await.unwrap();
    let client = |at: usize| app(&json!({ "client_name": format!("App {at}") }));
    for at in 0..5 {
        assert_eq!(register(&server, &client(at)).await.status, StatusCode::CREATED);
    }
    let refused = register(&server, &client(5)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(stores.clients.count(ClientFilter::All).await.unwrap(), 5);
    clock.advance(25 * HOUR);
    assert_eq!(register(&server, &client(6)).await.status, StatusCode::CREATED);
    assert_eq!(stores.clients.count(ClientFilter::All).await.unwrap(), 1);

    let mut limits = Limits::default();
    limits.register_source = Quota::new(2, Duration::from_secs(60));
    let server = with(|builder| builder.limits(limits)).await;
    let from = async |source: &str| {
        let mut posted = request(
            Method::POST,
            "/register",
            &[("content-type", "application/json")],
            app(&json!({})).to_string(),
        );
        posted.extensions_mut().insert(PeerAddress(source.parse().unwrap()));
        send(&server, posted).await.status.as_u16()
    };
    assert_eq!(
        [from("192.0.2.1").await, from("192.0.2.1").await, from("192.0.2.1").await, from("192.0.2.2").await],
        [201, 201, 429, 201]
    );
}

#[tokio::test]
async fn who_is_known_gets_its_registration_back_when_there_is_no_room() {
    // DCR-10, DCR-11
    let clock = FixedClock::default();
    let stores = Stores::memory();
    let mut limits = Limits::default();
    limits.unused_clients = 3;
    let server = builder(stores.clone(), &clock).limits(limits).build().await.unwrap();
    let client = |at: usize| app(&json!({ "client_name": format!("App {at}") }));
    let id = |answer: &support::Answer| answer.json()["client_id"].as_str().unwrap().to_owned();
    let known = register(&server, &client(0)).await;
    // It is used: what is unused fills the table all the same.
    let _ = sign_in(&server, &id(&known)).await;
    let waiting = register(&server, &client(1)).await;
    for at in 2..4 {
        assert_eq!(register(&server, &client(at)).await.status, StatusCode::CREATED);
    }
    for (at, first) in [(0, &known), (1, &waiting)] {
        let again = register(&server, &client(at)).await;
        assert_eq!((again.status, id(&again)), (StatusCode::CREATED, id(first)));
    }
    // Who is not known leaves nothing behind, nor does who can never be known again.
    let mut confidential = client(0);
    confidential["token_endpoint_auth_method"] = json!("client_secret_basic");
    for stranger in [client(9), client(9), confidential] {
        assert_eq!(register(&server, &stranger).await.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(stores.clients.count(ClientFilter::All).await.unwrap(), 4);
    }
    // And is known as little as before once there is room.
    clock.advance(25 * HOUR);
    assert_eq!(register(&server, &client(9)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_flood_at_a_full_table_does_not_sweep_the_store_at_each_request() {
    // DCR-10, LIM-1
    let (stores, watched) = support::clients::counted(Stores::memory());
    let clock = FixedClock::default();
    let mut limits = Limits::default();
    limits.unused_clients = 3;
    let server = builder(stores.clone(), &clock).limits(limits).build().await.unwrap();
    let client = |at: usize| app(&json!({ "client_name": format!("App {at}") }));
    for at in 0..3 {
        assert_eq!(register(&server, &client(at)).await.status, StatusCode::CREATED);
    }
    assert_eq!(watched.purges(), 0, "there is room");
    let all = async |from: usize| {
        let asked = (from..from + 50).map(|at| {
            let server = server.clone();
            async move { register(&server, &client(at)).await.status }
        });
        futures::future::join_all(asked).await
    };
    assert!(all(3).await.iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(watched.purges(), 1);
    clock.advance(Duration::from_secs(9));
    assert!(all(60).await.iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(watched.purges(), 1);
    // Who has waited out the pause finds the room there is by then.
    clock.advance(25 * HOUR);
    assert_eq!(register(&server, &client(200)).await.status, StatusCode::CREATED);
    assert_eq!(watched.purges(), 2);
}

#[tokio::test]
async fn a_registration_that_ends_at_once_is_shown_to_nobody() {
    // DCR-11: at a full table, to ask for somebody who is known is to register, for a moment.
    let (stores, watched) = support::clients::counted(Stores::memory());
    let clock = FixedClock::default();
    let mut limits = Limits::default();
    limits.unused_clients = 1;
    let server = builder(stores.clone(), &clock).limits(limits.clone()).build().await.unwrap();
    // Another server over the store, whose clock is behind, with a place left.
    limits.unused_clients = 10;
    let behind = FixedClock::at(oauth_core::Clock::now(&clock).before(Duration::from_secs(30)));
    let other = builder(stores.clone(), &behind).limits(limits).build().await.unwrap();
    let client = |at: usize| app(&json!({ "client_name": format!("App {at}") }));
    assert_eq!(register(&server, &client(0)).await.status, StatusCode::CREATED);

    let (reached, go) = watched.hold_removal();
    let asking = tokio::spawn({
        let (server, client) = (server.clone(), client(1));
        async move { register(&server, &client).await }
    });
    reached.await.unwrap();
    let told = register(&other, &client(1)).await;
    go.send(()).unwrap();
    assert_eq!(asking.await.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(told.status, StatusCode::CREATED);
    // Who was told an id has it for good.
    let id = told.json()["client_id"].as_str().unwrap().to_owned();
    let kept = stores.clients.find(&id.parse().unwrap()).await.unwrap();
    assert!(kept.is_some_and(|kept| kept.client.is_live(oauth_core::Clock::now(&clock))));
    assert!(authorize(&other, &id, REDIRECT).await.sent_back("code").is_some());
}

#[tokio::test]
async fn who_may_register_is_the_operators_choice() {
    // DCR-9
    let closed = with(|builder| builder.registration(Registration::Off)).await;
    assert_eq!(register(&closed, &app(&json!({}))).await.status, StatusCode::NOT_FOUND);

    let hosts =
        with(|builder| builder.registration(Registration::RedirectHosts(vec!["App.example".to_owned()])))
            .await;
    for (redirects, status) in [
        (json!([REDIRECT]), 201),
        (json!(["http://localhost/cb"]), 201),
        (json!(["cursor://x/cb"]), 201),
        (json!(["https://evil.example/cb"]), 400),
        (json!([REDIRECT, "https://app.example.evil.example/cb"]), 400),
        (json!(["https://sub.app.example/cb"]), 400),
    ] {
        let answer = register(&hosts, &app(&json!({ "redirect_uris": redirects }))).await;
        assert_eq!(answer.status.as_u16(), status, "{redirects}");
    }

    let guarded =
        with(|builder| builder.registration(Registration::InitialAccessToken(TokenHash::of("let-me-in"))))
            .await;
    let by = async |token: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(token.map(|token| ("authorization", token)));
        send(&guarded, request(Method::POST, "/register", &headers, app(&json!({})).to_string())).await
    };
    assert_eq!(by(Some("bearer let-me-in")).await.status, StatusCode::CREATED);
    let missing = by(None).await;
    assert_eq!(
        (missing.status, missing.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"registration\"")
    );
    for wrong in ["Bearer let-me", "Bearer ", "Basic let-me-in"] {
        assert_eq!(by(Some(wrong)).await.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    assert!(by(Some("Bearer x")).await.header("www-authenticate").contains("invalid_token"));
    assert!(
        get(&guarded, "/.well-known/oauth-authorization-server")
            .await
            .json()
            .get("registration_endpoint")
            .is_none()
    );
}

#[tokio::test]
async fn no_url_of_a_registration_is_fetched() {
    // DCR-13, A-DCRX-4, A-CIMDX-20
    let fetch = Arc::new(StaticFetch::new());
    let server = with(|builder| builder.client_documents(fetch.clone())).await;
    let told = register(&server, &app(&json!({
        "jwks_uri": "https://10.0.0.1/jwks.json", "logo_uri": "https://169.254.169.254/x.png", "client_uri": "https://127.0.0.1/", "initiate_login_uri": "https://127.0.0.1/",
        "sector_identifier_uri": "https://127.0.0.1/", "request_uris": ["https://127.0.0.1/"],
    }))).await.json();
    sign_in(&server, told["client_id"].as_str().unwrap()).await;
    assert!(fetch.requests().is_empty());
}

#[tokio::test]
async fn registrations_are_heard_of_without_secrets() {
    // LIM-5, LIM-6
    let heard = Heard::default();
    let server = with(|builder| builder.events(heard.clone())).await;
    let told =
        register(&server, &app(&json!({ "token_endpoint_auth_method": "client_secret_post" }))).await.json();
    let _ = register(&server, &app(&json!({ "redirect_uris": ["javascript:x"] }))).await;
    assert!(
        heard.has(&format!("client_registered client_id={}", told["client_id"].as_str().unwrap())),
        "{:?}",
        heard.all()
    );
    assert!(heard.has("registration_refused reason=redirect_uris"), "{:?}", heard.all());
    assert!(!heard.all().concat().contains(told["client_secret"].as_str().unwrap()));
}

#[tokio::test]
async fn a_browser_may_register_from_anywhere() {
    // AS-22, TOK-17
    let answer = register(&server().await, &app(&json!({}))).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}
