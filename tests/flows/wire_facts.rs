//! What real clients were seen to trip over: one test for each of the wire facts, by its number.
//!
//! Fact 14 is about the device flow, which this server does not offer; fact 15 is about the version of Node that the conformance suite needs,
//! which is settled where the suite is run.

use http::{Method, Request, StatusCode};
use oauth_testing::{Client, KnownClient, Protocol, Registration, Site, Wire as _};
use serde_json::{Value, json};

/// Whether a member anywhere is `null`, or an empty text or list.
fn has_nothing(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(has_nothing),
        Value::Object(members) => members.values().any(has_nothing),
        _ => false,
    }
}

#[tokio::test]
async fn fact_1_no_answer_has_null_or_an_empty_text() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit_of_newcomer().await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap();
    let introspected = visit.client.introspect(
        &visit.found,
        &Registration::public("x"),
        &refreshed.tokens().unwrap().access_token,
    );
    let introspected = introspected.unwrap().remove("client_id").basic(Site::MCP, Site::RESOURCE_SECRET);
    let openid = visit.client.fetch(&site.url("/.well-known/openid-configuration")).await.unwrap();
    let all = [
        visit.found.resource.clone(),
        visit.found.server.clone(),
        openid.json,
        visit.registration.json.clone(),
        refreshed.json,
        visit.send(&introspected).await.unwrap().json,
    ];
    for document in all {
        assert!(document.is_object() && !has_nothing(&document), "{document:#}");
    }
    assert!(visit.registration.json.get("client_secret").is_none());
}

#[tokio::test]
async fn fact_2_the_resource_is_the_url_that_the_user_typed() {
    let site = Site::new().await.unwrap();
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let client = Client::new(site.wire(), Site::MCP).unwrap();
        let document = client.fetch(&site.url(path)).await.unwrap();
        assert_eq!(document.member("resource"), Some(Site::MCP), "{path}");
    }
}

#[tokio::test]
async fn fact_3_the_issuer_has_the_same_slash_in_both_documents() {
    let site = Site::new().await.unwrap();
    let visit = site.visit(KnownClient::Desktop).await.unwrap();
    assert_eq!(visit.found.resource["authorization_servers"], json!([Site::ORIGIN]));
    assert_eq!(visit.found.server["issuer"], Site::ORIGIN);
}

#[tokio::test]
async fn fact_4_what_the_typescript_family_needs_is_there() {
    let site = Site::new().await.unwrap();
    let visit = site.visit_of_newcomer().await.unwrap();
    assert_eq!(visit.found.server["response_types_supported"], json!(["code"]));
    assert!(visit.found.endpoint("registration_endpoint").is_ok());
    assert_eq!(visit.registration.json["redirect_uris"], json!([Client::REDIRECT_URI]));
}

#[tokio::test]
async fn fact_5_the_authorization_endpoint_has_no_query() {
    let site = Site::new().await.unwrap();
    let visit = site.visit(KnownClient::Desktop).await.unwrap();
    assert_eq!(visit.found.endpoint("authorization_endpoint").unwrap().query(), None);
}

#[tokio::test]
async fn fact_6_a_token_answer_is_of_the_types_that_clients_parse() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let callback = visit.answer(&request).await.unwrap();
    let redeemed = visit.send(&visit.redeem(&callback, &pkce).unwrap()).await.unwrap();
    let refreshed = visit.send(&visit.refresh(&redeemed.tokens().unwrap()).unwrap()).await.unwrap();
    for answer in [redeemed, refreshed] {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.json["expires_in"].is_u64() && answer.json["scope"].is_string(), "{}", answer.text());
        assert_eq!(answer.json["token_type"], "Bearer");
    }
}

#[tokio::test]
async fn fact_7_a_bad_token_is_401_before_it_is_anything_else() {
    let site = Site::new().await.unwrap();
    let wire = site.wire();
    let send = |method: Method, token: Option<&str>, body: &str| {
        let mut request =
            Request::builder().method(method).uri(Site::MCP).header("accept", "text/event-stream");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.to_owned().into()).unwrap();
        let wire = wire.clone();
        async move { wire.send(request).await.unwrap() }
    };
    for token in [None, Some("nonsense"), Some("mcp_at_unknown")] {
        for (method, body) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::PUT, "x"),
            (Method::POST, ""),
            (Method::POST, "no json"),
        ] {
            let answer = send(method.clone(), token, body).await;
            assert_eq!(answer.status(), 401, "{method} {token:?} {body:?}");
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(
                challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="),
                "{challenge}"
            );
            assert_eq!(challenge.contains("error="), token.is_some(), "{challenge}");
        }
    }
    // With a good one the MCP server answers, whatever it says to a GET.
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let answer = send(Method::GET, Some(&tokens.access_token), "").await;
    assert!(answer.status() != 401 && answer.status() != 403, "{}", answer.status());
    assert_eq!(site.calls().pop().unwrap().http_method, Method::GET);
}

#[tokio::test]
async fn fact_8_after_a_restart_a_refresh_goes_to_the_origin_without_metadata_and_resource() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    // The Python SDK's own guess.
    let guessed = oauth_testing::TokenRequest::new(site.url("/token"))
        .set("grant_type", "refresh_token")
        .set("refresh_token", tokens.refresh_token.as_deref().unwrap())
        .set("client_id", "desktop");
    let refreshed = visit.send(&guessed).await.unwrap().tokens().unwrap();
    visit.call_tool(&refreshed, "list_notes").await.unwrap().result().unwrap();
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
    ] {
        assert_eq!(visit.found.endpoint(name).unwrap(), site.url(path));
    }
}

#[tokio::test]
async fn fact_9_a_code_grant_without_scope_gets_the_default_scopes() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let tokens = visit.connect_by(&request.remove("scope"), &pkce).await.unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read notes:write"));
}

#[tokio::test]
async fn fact_10_the_redirects_in_use_work() {
    // AS-32, AS-33: the port of the day is another than the registered one, as with Claude Code's and VS Code's.
    let site = Site::new().await.unwrap();
    for (registered, asked) in [
        ("http://127.0.0.1:33418/oauth/callback", "http://127.0.0.1:33418/oauth/callback"),
        ("http://127.0.0.1:33418/oauth/callback", "http://127.0.0.1:50001/oauth/callback"),
        ("http://127.0.0.1/", "http://127.0.0.1:50001/"),
        ("http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback"),
        ("http://localhost/callback", "http://localhost:3118/callback"),
        ("http://[::1]:1/cb", "http://[::1]:2/cb"),
        ("https://claude.ai/api/mcp/auth_callback", "https://claude.ai/api/mcp/auth_callback"),
        ("https://vscode.dev/redirect", "https://vscode.dev/redirect"),
        (
            "cursor://anysphere.cursor-retrieval/oauth/user-callback",
            "cursor://anysphere.cursor-retrieval/oauth/user-callback",
        ),
        ("com.example.app:/callback", "com.example.app:/callback"),
    ] {
        let client = site.client(registered).unwrap();
        let found = client.discover().await.unwrap();
        let registration =
            client.register(&found, &client.registration().with("client_name", registered.into())).await;
        let registration = registration.unwrap_or_else(|error| panic!("{registered}: {error}"));
        let mut visit = site.visit_as(registration, asked).await.unwrap();
        let tokens = visit.connect().await.unwrap_or_else(|error| panic!("{asked}: {error}"));
        visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    }
}

#[tokio::test]
async fn fact_11_mcp_remote_finds_none_and_its_other_members_are_accepted() {
    let site = Site::new().await.unwrap();
    let client = site.client("http://127.0.0.1:3334/oauth/callback").unwrap();
    let found = client.discover().await.unwrap();
    assert!(
        found.server["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none"))
    );
    for method in ["none", "client_secret_post"] {
        let request = client
            .registration()
            .with("token_endpoint_auth_method", method.into())
            .with("client_uri", "https://github.com/geelen/mcp-remote".into())
            .with("software_id", "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d".into())
            .with("software_version", "0.1.38".into());
        let registration = client.register(&found, &request).await.unwrap();
        assert_eq!(registration.auth_method, method);
        let mut visit = site.visit_as(registration, client.redirect_uri()).await.unwrap();
        visit.connect().await.unwrap();
    }
}

#[tokio::test]
async fn fact_12_http_basic_needs_no_client_id_in_the_body() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Gateway).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let callback = visit.answer(&request).await.unwrap();
    let form = visit.redeem(&callback, &pkce).unwrap();
    assert_eq!(form.pairs.get("client_id"), None);
    let tokens = visit.send(&form).await.unwrap().tokens().unwrap();
    // And is not disturbed by one.
    visit.send(&visit.refresh(&tokens).unwrap().set("client_id", "gateway")).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn fact_13_well_known_requests_are_answered_for_any_protocol_version() {
    let site = Site::new().await.unwrap();
    for protocol in [Protocol::Session, Protocol::Stateless] {
        Client::new(site.wire(), Site::MCP).unwrap().with_protocol(protocol).discover().await.unwrap();
    }
    for version in ["2024-11-05", "2099-01-01", "nonsense", ""] {
        for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"] {
            let request = Request::get(site.url(path).as_str()).header("mcp-protocol-version", version);
            let answer = site.wire().send(request.body(bytes::Bytes::new()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {version:?}");
        }
    }
}
