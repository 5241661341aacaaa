//! DCRX: whoever registers gets what anybody would get, and no more.

use http::{Method, Request, StatusCode};
use oauth_core::ClientFilter;
use oauth_server::Limits;
use oauth_testing::Page;
use serde_json::{Value, json};

use crate::host::{CALLBACK, Host, ORIGIN, PEER, ask, assert_refused, token_request, url, visit};

fn metadata() -> Value {
    json!({ "client_name": "App", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" })
}

#[tokio::test]
async fn a_dcrx_1_flood() {
    let host = Host::with(|server| {
        let mut limits = Limits::default();
        limits.unused_clients = 100;
        server.limits(limits)
    })
    .await;
    let register = |at: usize, peer: String| {
        let metadata = json!({ "client_name": format!("App {at}"), "redirect_uris": [CALLBACK] });
        let request =
            Request::post(url("/register")).header("content-type", "application/json").header(PEER, peer);
        host.send(request, metadata.to_string())
    };
    // From one address.
    let mut limited = 0;
    for at in 0..200 {
        let answer = register(at, "192.0.2.9".to_owned()).await;
        limited += usize::from(answer.status() == StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.status() == StatusCode::CREATED || answer.headers().contains_key("retry-after"));
    }
    assert_eq!(limited, 140);
    // From ten thousand.
    let mut statuses = std::collections::BTreeMap::new();
    for at in 0..10_000_u32 {
        let answer =
            register(at as usize + 1000, std::net::Ipv4Addr::from(0xc633_0000 + at).to_string()).await;
        *statuses.entry(answer.status().as_u16()).or_insert(0) += 1;
    }
    assert!(statuses[&429] >= 9_400, "{statuses:?}");
    assert!(host.stores().clients.count(ClientFilter::All).await.unwrap() <= 100);
    // What was not used makes room.
    host.forward(86_400 + 60);
    assert_eq!(register(99_999, "192.0.2.9".to_owned()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_dcrx_3_privilege_by_metadata() {
    let host = Host::start().await;
    let greedy = json!({
        "client_id": "admin", "client_secret": "chosen-by-myself-0123456789", "trusted": true, "origin": "configured",
        "client_name": "Admin", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "scope": "admin notes:read",
        "scope_ceiling": "admin", "expires_at": null, "used": true, "consent": "skip", "skip_consent": true,
        "grant_types": ["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "password", "implicit"],
    });
    let answer = host.register(&greedy).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_ne!(answer.member("client_id"), Some("admin"));
    assert_eq!(answer.json["grant_types"], json!(["authorization_code"]));
    assert_eq!(answer.member("scope"), Some("notes:read"));
    for name in ["client_secret", "trusted", "origin", "scope_ceiling", "consent", "skip_consent", "used"] {
        assert!(answer.json.get(name).is_none(), "{name}: {}", answer.text());
    }
    let id = answer.member("client_id").unwrap();
    // Not vouched for: what is wrong with its request is not told to it before anybody has signed in.
    let page = visit(&host, &ask(id, CALLBACK).set("scope", "admin")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    for grant_type in
        ["client_credentials", "password", "urn:ietf:params:oauth:grant-type:token-exchange", "refresh_token"]
    {
        let request =
            token_request().set("grant_type", grant_type).set("client_id", id).set("refresh_token", "x");
        let answer = host.client().send(&request).await.unwrap();
        assert!(
            matches!(answer.error(), Some("unsupported_grant_type" | "unauthorized_client")),
            "{}",
            answer.text()
        );
    }
    for alone in [
        json!(["client_credentials"]),
        json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]),
        json!(["password"]),
    ] {
        let mut metadata = metadata();
        metadata["grant_types"] = alone;
        assert_refused(&host.register(&metadata).await, 400, "invalid_client_metadata");
    }
    // A member twice: which of them was judged?
    let twice = format!(r#"{{"redirect_uris":["{CALLBACK}"],"redirect_uris":["https://evil.example/cb"]}}"#);
    let request = Request::post(url("/register")).header("content-type", "application/json");
    assert_eq!(host.send(request, twice).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_dcrx_4_urls_are_not_fetched() {
    let host = Host::start().await;
    let canary = "https://canary.example/x";
    let members = [
        "jwks_uri",
        "logo_uri",
        "client_uri",
        "tos_uri",
        "policy_uri",
        "sector_identifier_uri",
        "initiate_login_uri",
        "backchannel_logout_uri",
    ];
    let mut metadata = metadata();
    for name in members {
        metadata[name] = json!(canary);
    }
    metadata["request_uris"] = json!([canary]);
    let answer = host.register(&metadata).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    visit(&host, &ask(answer.member("client_id").unwrap(), CALLBACK)).await;
    assert!(host.documents().requests().is_empty(), "{:?}", host.documents().requests());
    for internal in ["http://169.254.169.254/latest", "file:///etc/passwd", "gopher://10.0.0.1/"] {
        let answer = host.register(&json!({ "redirect_uris": [CALLBACK], "jwks_uri": internal })).await;
        assert_refused(&answer, 400, "invalid_client_metadata");
    }
}

/// Registrations cannot be managed over HTTP (RFC 7592): there is no token to steal, and no URI to use it at.
#[tokio::test]
async fn a_dcrx_6_no_management_token() {
    let host = Host::start().await;
    let answer = host.register(&metadata()).await;
    assert!(
        answer.json.get("registration_access_token").is_none()
            && answer.json.get("registration_client_uri").is_none()
    );
    let id = answer.member("client_id").unwrap();
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH] {
        for target in [
            "/register".to_owned(),
            format!("/register/{id}"),
            format!("/register?client_id={id}"),
            format!("/register/{id}?access_token=x"),
        ] {
            let request =
                Request::builder().method(&method).uri(url(&target)).header("authorization", "Bearer x");
            let status = host.send(request, "").await.status();
            assert!(
                matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
                "{method} {target}: {status}"
            );
        }
    }
    assert!(host.stores().clients.find(&id.parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dcrx_7_no_update() {
    let host = Host::start().await;
    let id = host.register(&metadata()).await.member("client_id").unwrap().to_owned();
    let changed = json!({ "client_id": id, "redirect_uris": ["javascript:alert(1)"], "grant_types": ["client_credentials"] });
    for (method, target) in [
        (Method::PUT, format!("/register/{id}")),
        (Method::PUT, "/register".to_owned()),
        (Method::POST, "/register".to_owned()),
    ] {
        let request =
            Request::builder().method(method).uri(url(&target)).header("content-type", "application/json");
        assert!(host.send(request, changed.to_string()).await.status().is_client_error());
    }
    // Nor by registering under the same name again.
    let again = json!({ "client_id": id, "redirect_uris": ["https://evil.example/cb"], "token_endpoint_auth_method": "none" });
    assert_ne!(host.register(&again).await.member("client_id"), Some(id.as_str()));
    let stored = host.stores().clients.find(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.client.redirect_uris.len(), 1);
    assert_eq!(stored.client.redirect_uris[0].as_str(), CALLBACK);
}

#[tokio::test]
async fn a_dcrx_8_nobody_gets_anothers_secret() {
    let host = Host::start().await;
    let confidential = json!({ "client_name": "App", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic" });
    let (first, second) = (host.register(&confidential).await, host.register(&confidential).await);
    assert_ne!(first.member("client_id"), second.member("client_id"));
    assert_ne!(first.member("client_secret"), second.member("client_secret"));
    assert!(first.member("client_secret").is_some());
    // One without a secret is the same for all who say the same, and has nothing to give away.
    let (first, second) = (host.register(&metadata()).await, host.register(&metadata()).await);
    assert_eq!(first.member("client_id"), second.member("client_id"));
    assert!(first.member("client_secret").is_none() && second.member("client_secret").is_none());
    // Whoever says almost the same is somebody else.
    let mut other = metadata();
    other["redirect_uris"] = json!([CALLBACK, "https://evil.example/cb"]);
    assert_ne!(host.register(&other).await.member("client_id"), first.member("client_id"));
}

#[tokio::test]
async fn a_dcrx_9_registration_from_a_foreign_page() {
    let host = Host::start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain; application/json",
        "",
    ] {
        let mut request = Request::post(url("/register")).header("origin", "https://evil.example");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = host.send(request, metadata().to_string()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{kind}");
    }
    // A form can be made to look like JSON; it is not taken for it.
    let html = format!(
        "<form method=post action={ORIGIN}/register><input name='{{\"redirect_uris\":[\"{CALLBACK}\"],\"x\":\"' value='\"}}'><button>Win</button></form>"
    );
    let evil = Page::of_html("https://evil.example/", &html);
    let page = host.browser().submit(evil.form_with_button("Win").unwrap(), &[], None).await.unwrap();
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(host.stores().clients.count(ClientFilter::All).await.unwrap(), 0);
}
