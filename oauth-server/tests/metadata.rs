//! The metadata documents and the key set, through the service.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use http::StatusCode;
use oauth_core::Stores;
use oauth_core::fetch::StaticFetch;
use oauth_core::testing::FixedClock;
use oauth_server::{AuthorizationServer, Registration};
use serde_json::json;
use support::{ISSUER, OTHER_RESOURCE, RESOURCE, builder, get, has_nothing, request, send, server};

const BOTH: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

#[tokio::test]
async fn both_documents_say_what_the_server_can_do() {
    // AS-1, AS-4, AS-6, AS-7, AS-9, AS-12, AS-26, CONF-1
    let server = server().await;
    for path in BOTH {
        let answer = get(&server, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
        let document = answer.json();
        for (name, value) in [
            ("issuer", json!(ISSUER)),
            ("authorization_endpoint", json!("https://as.example/authorize")),
            ("token_endpoint", json!("https://as.example/token")),
            ("jwks_uri", json!("https://as.example/jwks.json")),
            ("registration_endpoint", json!("https://as.example/register")),
            ("revocation_endpoint", json!("https://as.example/revoke")),
            ("introspection_endpoint", json!("https://as.example/introspect")),
            ("response_types_supported", json!(["code"])),
            ("response_modes_supported", json!(["query"])),
            ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
            ("code_challenge_methods_supported", json!(["S256"])),
            (
                "token_endpoint_auth_methods_supported",
                json!(["none", "client_secret_basic", "client_secret_post"]),
            ),
            (
                "revocation_endpoint_auth_methods_supported",
                json!(["none", "client_secret_basic", "client_secret_post"]),
            ),
            (
                "introspection_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post"]),
            ),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("client_id_metadata_document_supported", json!(false)),
            ("protected_resources", json!([RESOURCE, OTHER_RESOURCE])),
            // What is granted on request alone is not advertised: every client would ask for it.
            ("scopes_supported", json!(["notes:read", "notes:write"])),
        ] {
            assert_eq!(document[name], value, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn the_openid_document_has_what_openid_clients_require() {
    // AS-8, AS-19
    let server = server().await;
    let openid = get(&server, BOTH[1]).await.json();
    assert_eq!(openid["subject_types_supported"], json!(["public"]));
    assert_eq!(openid["id_token_signing_alg_values_supported"], json!(["ES256"]));
    for name in
        ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"]
    {
        assert_eq!(openid[name], json!(false), "{name}");
    }
    assert!(get(&server, BOTH[0]).await.json().get("subject_types_supported").is_none());
}

#[tokio::test]
async fn no_member_is_null_or_empty() {
    // AS-21, wire fact 1
    let bare = AuthorizationServer::builder(ISSUER, Stores::memory())
        .resource(RESOURCE)
        .insecure_approve_all("owner")
        .registration(Registration::Off)
        .build()
        .await
        .unwrap();
    for server in [bare, server().await] {
        for path in BOTH {
            let document = get(&server, path).await.json();
            assert!(!has_nothing(&document), "{document:#}");
        }
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_answers_in_every_form() {
    // AS-2, AS-3, AS-4
    let server = AuthorizationServer::builder("https://as.example/t1", Stores::memory())
        .resource(RESOURCE)
        .insecure_approve_all("owner")
        .build()
        .await
        .unwrap();
    for path in [
        "/.well-known/oauth-authorization-server/t1",
        "/.well-known/openid-configuration/t1",
        "/t1/.well-known/openid-configuration",
        "/t1/.well-known/oauth-authorization-server",
    ] {
        let document = get(&server, path).await.json();
        assert_eq!(document["issuer"], "https://as.example/t1", "{path}");
        assert_eq!(document["token_endpoint"], "https://as.example/t1/token", "{path}");
    }
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/t2"] {
        assert_eq!(get(&server, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_documents_follow_the_configuration() {
    // AS-10, AS-11, AS-18, AS-20, DCR-9
    let clock = FixedClock::default();
    let server = builder(Stores::memory(), &clock)
        .client_documents(std::sync::Arc::new(StaticFetch::new()))
        .advertise_offline_access()
        .registration(Registration::Off)
        .resource_secret(RESOURCE, "a-secret-of-the-resource")
        .documentation("https://docs.example/")
        .privacy_policy("https://docs.example/privacy")
        .terms_of_service("https://docs.example/terms")
        .ui_locales(["en", "de-CH"])
        .build()
        .await
        .unwrap();
    let document = get(&server, BOTH[0]).await.json();
    assert_eq!(document["client_id_metadata_document_supported"], true);
    assert!(document["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
    assert_eq!(document["scopes_supported"], json!(["notes:read", "notes:write", "offline_access"]));
    assert!(document.get("registration_endpoint").is_none());
    assert!(
        document["introspection_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("Bearer"))
    );
    assert_eq!(document["service_documentation"], "https://docs.example/");
    assert_eq!(document["op_policy_uri"], "https://docs.example/privacy");
    assert_eq!(document["op_tos_uri"], "https://docs.example/terms");
    assert_eq!(document["ui_locales_supported"], json!(["en", "de-CH"]));
}

#[tokio::test]
async fn nothing_of_the_request_gets_into_the_documents() {
    // AS-23, A-PROXY-2, wire fact 13
    let server = server().await;
    let plain = get(&server, BOTH[0]).await;
    let headers = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example"),
        ("mcp-protocol-version", "1999-01-01"),
    ];
    let spoofed = send(&server, request(http::Method::GET, BOTH[0], &headers, "")).await;
    assert_eq!(spoofed.body, plain.body);
}

#[tokio::test]
async fn the_documents_may_be_cached_briefly_and_read_from_anywhere() {
    // AS-22, AS-24, KEY-3, A-PROXY-9
    let server = server().await;
    for (path, cache) in [
        (BOTH[0], "public, max-age=300"),
        (BOTH[1], "public, max-age=300"),
        ("/jwks.json", "public, max-age=3600"),
    ] {
        let origin = [("origin", "https://evil.example")];
        let answer = send(&server, request(http::Method::GET, path, &origin, "")).await;
        assert_eq!(answer.headers.get_all("cache-control").iter().count(), 1, "a second one fails clients");
        assert_eq!(answer.header("cache-control"), cache, "{path}");
        assert!(!answer.headers.contains_key("pragma"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    let preflight = request(
        http::Method::OPTIONS,
        BOTH[0],
        &[("access-control-request-headers", "mcp-protocol-version")],
        "",
    );
    let answer = send(&server, preflight).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("access-control-allow-headers").contains("MCP-Protocol-Version"));
    assert_eq!(
        send(&server, request(http::Method::POST, BOTH[0], &[], "")).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn scripts_read_what_is_refused_early_too() {
    // AS-22
    let server = server().await;
    for (method, path, status) in [
        ("GET", "/token", 405),
        ("PUT", "/revoke", 405),
        ("GET", "/introspect", 405),
        ("DELETE", "/register", 405),
        ("POST", "/jwks.json", 405),
        ("POST", BOTH[0], 405),
        ("GET", "/.well-known/oauth-authorization-server/mcp", 404),
        ("GET", "/mcp/.well-known/openid-configuration", 404),
        ("GET", "/.well-known/openid-configuration/mcp", 404),
        ("GET", "/.well-known/oauth-protected-resource", 404),
        ("OPTIONS", "/.well-known/oauth-authorization-server/mcp", 204),
        ("OPTIONS", "/mcp/.well-known/openid-configuration", 204),
    ] {
        let origin = [("origin", "https://inspector.example")];
        let answer = send(&server, request(method.parse().unwrap(), path, &origin, "")).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}");
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{method} {path}");
        if status == 204 {
            assert!(answer.header("access-control-allow-headers").contains("MCP-Protocol-Version"));
        }
    }
    // What people see stays closed, and so does what is not there.
    for (method, path) in
        [("PUT", "/authorize"), ("GET", "/authorize/consent"), ("GET", "/nothing"), ("OPTIONS", "/nothing")]
    {
        let answer = send(&server, request(method.parse().unwrap(), path, &[], "")).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_key_set_is_empty_because_nothing_is_signed() {
    // KEY-1, A-LOGX-5
    let answer = get(&server().await, "/jwks.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.json(), json!({ "keys": [] }));
    assert!(!answer.header("etag").is_empty());
}
