//! What the doctor says, of tokens and issuers over a real socket.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use clap::Parser as _;
use oauth_core::jose::{Algorithm, HmacAlgorithm, HmacKey, JwkSet, SigningKey};
use oauth_core::{TokenVerifier as _, VerifyFault};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::doctor::report::Report;
use crate::doctor::{issuer, server, token};
use crate::now;
use crate::settings::Settings;

struct Id {
    issuer: String,
    key: Arc<SigningKey>,
}

/// An issuer at a port of the day.
async fn start() -> Id {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let key = Arc::new(SigningKey::generate_es256());
    let metadata = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "code_challenge_methods_supported": ["S256"],
    });
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json();
    let app = Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { axum::Json(metadata) }))
        .route("/jwks", get(move || async move { axum::Json(jwks) }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Id { issuer, key }
}

impl Id {
    fn settings(&self, more: &[&str]) -> Settings {
        let first = ["resource-only", "--issuer", &self.issuer, "--audience", "https://mcp.example/mcp"];
        Settings::parse_from(first.iter().chain(more))
    }

    fn claims(&self) -> Value {
        let now = now().as_secs();
        json!({
            "iss": self.issuer, "aud": "https://mcp.example/mcp", "sub": "alice", "client_id": "app", "jti": "1",
            "iat": now, "exp": now + 600, "scope": "mcp:tools",
        })
    }

    async fn said(&self, settings: &Settings, token: &str) -> (usize, String) {
        let mut report = Report::default();
        let found = issuer::examine(&mut report, settings).await.unwrap();
        token::examine(&mut report, settings, &found, token).await.unwrap();
        let wrong = report.lines().iter().filter(|line| line.starts_with("WRONG")).count();
        (wrong, report.lines().join("\n"))
    }
}

#[tokio::test]
async fn a_good_token_is_said_to_be_good_and_what_it_may() {
    let id = start().await;
    let token = id.key.sign("at+jwt", &id.claims()).unwrap();
    let (wrong, said) = id.said(&id.settings(&[]), &token).await;
    assert_eq!(wrong, 0, "{said}");
    assert!(said.contains("the server accepts it: alice through app"), "{said}");
    assert!(
        said.contains("it may call tools (mcp:tools)") && said.contains("it lacks mcp:resources"),
        "{said}"
    );
}

#[tokio::test]
async fn each_fault_is_said_in_words() {
    let id = start().await;
    let settings = id.settings(&[]);
    let now = now().as_secs();
    for (change, words) in [
        (vec![("exp", json!(now - 7200))], "it expired 2 h ago"),
        (vec![("aud", json!("https://other.example"))], "it is for https://other.example, not for"),
        (vec![("aud", Value::Null)], "it is for nobody in particular"),
        (vec![("iss", json!("https://evil.example"))], "it is from \"https://evil.example\""),
        (vec![("iat", json!(now + 3600))], "this machine's clock is behind"),
        (vec![("nbf", json!(now + 3600))], "it is not good before"),
        (vec![("client_id", Value::Null)], "it has no client_id"),
    ] {
        let mut claims = id.claims();
        for (name, value) in &change {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        let (wrong, said) = id.said(&settings, &id.key.sign("at+jwt", &claims).unwrap()).await;
        // The doctor and the server agree.
        assert!(
            wrong >= 2 && said.contains(words) && said.contains("the server refuses it"),
            "{change:?}\n{said}"
        );
    }
    let other = SigningKey::generate_es256().sign("at+jwt", &id.claims()).unwrap();
    assert!(id.said(&settings, &other).await.1.contains("is none of the issuer's"));
    let plain = id.key.sign("JWT", &id.claims()).unwrap();
    assert!(id.said(&settings, &plain).await.1.contains("OAUTH_PLAIN_JWT=true"));
    assert_eq!(id.said(&id.settings(&["--plain-jwt", "true"]), &plain).await.0, 0);
    let shared = HmacKey::new(HmacAlgorithm::Hs256, &[7; 32]).unwrap().sign("at+jwt", &id.claims()).unwrap();
    assert!(id.said(&settings, &shared).await.1.contains("JWT_HMAC_SECRET is not set"));
    assert!(id.said(&settings, "opaque").await.1.contains("set OAUTH_INTROSPECTION_ENDPOINT"));
    assert!(id.said(&settings, "a.b.c").await.1.contains("it looks like a JWT, and is none"));
    assert!(id.said(&settings, "Bearer x").await.1.contains("that is no token"));
}

#[tokio::test]
async fn a_further_audience_is_named_until_it_is_configured() {
    // RS-49
    let id = start().await;
    let mut claims = id.claims();
    claims["aud"] = json!(["https://mcp.example/mcp", "account", "billing"]);
    let token = id.key.sign("at+jwt", &claims).unwrap();
    let (wrong, said) = id.said(&id.settings(&[]), &token).await;
    assert!(wrong == 3 && said.contains("OAUTH_FURTHER_AUDIENCES=account"), "{said}");
    // Each of them; then the server and the doctor agree again.
    let (wrong, said) = id.said(&id.settings(&["--further-audiences", "account"]), &token).await;
    assert!(wrong == 2 && said.contains("OAUTH_FURTHER_AUDIENCES=billing"), "{said}");
    let (wrong, said) = id.said(&id.settings(&["--further-audiences", "account,billing"]), &token).await;
    assert!(wrong == 0 && said.contains("the server accepts it"), "{said}");
    // It takes nobody's place.
    claims["aud"] = json!("account");
    let token = id.key.sign("at+jwt", &claims).unwrap();
    let (wrong, said) = id.said(&id.settings(&["--further-audiences", "account"]), &token).await;
    assert!(wrong >= 1 && said.contains("the server refuses it"), "{said}");
}

#[tokio::test]
async fn many_tokens_are_asked_about_at_once() {
    // RS-69: one host answers for everybody, and a burst of its users is no attack.
    const AT_ONCE: usize = 16;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    // Answers nobody until all have asked.
    let all = Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let answer = move || async move {
        all.wait().await;
        axum::Json(json!({"active": false}))
    };
    let app = Router::new().route("/introspect", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let endpoint = format!("{issuer}/introspect");
    let settings = Settings::parse_from([
        "resource-only",
        "--issuer",
        &issuer,
        "--introspection-endpoint",
        &endpoint,
        "--client-id",
        "mcp",
        "--client-secret",
        "secret",
    ]);
    let verifier = Arc::new(settings.verifier().unwrap());
    let asking: Vec<_> = (0..AT_ONCE)
        .map(|n| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&format!("token-{n}"), now()).await })
        })
        .collect();
    for one in asking {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(20), one).await;
        let answer = answer.expect("all are asked about at once").unwrap();
        assert!(matches!(answer, Err(VerifyFault::Invalid)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_there_or_calls_itself_otherwise_is_said() {
    let id = start().await;
    let slash = Id { issuer: format!("{}/", id.issuer), key: id.key.clone() };
    let mut report = Report::default();
    issuer::examine(&mut report, &slash.settings(&[])).await.unwrap();
    assert!(report.lines().join("\n").contains("slash and all"), "{:?}", report.lines());
    // Nobody listens at that port any more.
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut report = Report::default();
    issuer::examine(&mut report, &Id { issuer: gone, key: id.key.clone() }.settings(&[])).await.unwrap();
    assert!(report.lines().join("\n").contains("the issuer's metadata is nowhere"), "{:?}", report.lines());
}

#[tokio::test]
async fn an_issuer_with_another_time_is_said() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({"issuer": issuer});
    let date = [("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let app = Router::new().route(
        "/.well-known/oauth-authorization-server",
        get(move || async move { (date, axum::Json(metadata)) }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut report = Report::default();
    issuer::examine(&mut report, &Settings::parse_from(["resource-only", "--issuer", &issuer]))
        .await
        .unwrap();
    let lines = report.lines().join("\n");
    assert!(lines.contains("s ahead of the issuer's: tokens expire too early here"), "{lines}");
}

#[tokio::test]
async fn an_issuer_that_signs_nothing_is_well_where_it_is_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let endpoint = format!("{issuer}/introspect");
    let metadata = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/jwks.json"), "introspection_endpoint": endpoint,
        "code_challenge_methods_supported": ["S256"],
    });
    let app = Router::new()
        .route("/.well-known/oauth-authorization-server", get(move || async move { axum::Json(metadata) }))
        .route("/jwks.json", get(|| async { axum::Json(json!({ "keys": [] })) }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let asks = ["--introspection-endpoint", &endpoint, "--client-id", "mcp", "--client-secret", "secret"];
    for (more, is_well) in [(&asks[..], true), (&[], false)] {
        let arguments = ["resource-only", "--issuer", &issuer];
        let settings = Settings::parse_from(arguments.iter().chain(more));
        let mut report = Report::default();
        issuer::examine(&mut report, &settings).await.unwrap();
        let lines = report.lines().join("\n");
        assert_eq!(!lines.contains("WRONG"), is_well, "{lines}");
        assert!(is_well || lines.contains("OAUTH_INTROSPECTION_ENDPOINT"), "{lines}");
    }
}

#[tokio::test]
async fn a_server_that_tells_clients_all_they_need_is_well() {
    let id = start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = Settings::parse_from(["resource-only", "--issuer", &id.issuer, "--listen", &address]);
    let app = crate::protected_tools(&settings, settings.verifier().unwrap()).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut report = Report::default();
    server::examine(&mut report, &settings.audience()).await.unwrap();
    assert!(report.lines().iter().all(|line| !line.starts_with("WRONG")), "{:?}", report.lines());
    let mut report = Report::default();
    server::examine(&mut report, &id.issuer).await.unwrap();
    assert!(report.lines().join("\n").contains("clients do not sign in"), "{:?}", report.lines());
}

#[tokio::test]
async fn a_server_at_the_root_of_its_host_serves_there() {
    // RS-2
    let id = start().await;
    for (audience, path) in [("https://mcp.example.com", "/"), ("https://mcp.example.com/a/b", "/a/b")] {
        let settings =
            Settings::parse_from(["resource-only", "--issuer", &id.issuer, "--audience", audience]);
        let app = crate::protected_tools(&settings, settings.verifier().unwrap()).unwrap();
        let request = axum::http::Request::post(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), 401, "{audience}");
    }
}

#[tokio::test]
async fn keys_on_this_machine_are_fetched_for_an_issuer_elsewhere() {
    let id = start().await;
    let keys = format!("{}/jwks", id.issuer);
    let issuer = "https://as.example";
    let args =
        ["resource-only", "--issuer", issuer, "--audience", "https://mcp.example/mcp", "--jwks-uri", &keys];
    let mut claims = id.claims();
    claims["iss"] = issuer.into();
    let token = id.key.sign("at+jwt", &claims).unwrap();
    let verifier = Settings::parse_from(args).verifier().unwrap();
    assert!(verifier.verify(&token, now()).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_bound_is_good_where_the_server_takes_it() {
    // RS-31, DPOP-11
    let id = start().await;
    let free = id.key.sign("at+jwt", &id.claims()).unwrap();
    let mut bound = id.claims();
    bound["cnf"] = json!({ "jkt": id.key.public_jwk().thumbprint() });
    let bound = id.key.sign("at+jwt", &bound).unwrap();
    for (token, dpop, is_good, words) in [
        (&free, "off", true, "the server accepts it"),
        (&free, "optional", true, "the server accepts it"),
        (&free, "required", false, "it is bound to no key"),
        (&bound, "off", false, "Set OAUTH_DPOP=optional"),
        (&bound, "optional", true, "only with a proof of that key"),
        (&bound, "required", true, "only with a proof of that key"),
    ] {
        let (wrong, said) = id.said(&id.settings(&["--dpop", dpop]), token).await;
        assert!((wrong == 0) == is_good && said.contains(words), "{dpop}\n{said}");
        assert_eq!(said.contains("the server accepts it"), is_good, "{said}");
    }
}

#[tokio::test]
async fn the_doctor_reads_audiences_as_the_server_does() {
    // RS-47
    let id = start().await;
    for (audience, named, is_good) in [
        ("https://mcp.example/mcp/", "https://mcp.example/mcp", true),
        ("https://mcp.example/mcp/", "https://mcp.example/mcp/", false),
        ("HTTPS://MCP.example:443/mcp", "https://mcp.example/mcp", true),
        ("https://mcp.example/mcp", "HTTPS://MCP.example:443/mcp", true),
        ("https://mcp.example", "https://mcp.example/", true),
        ("https://mcp.example/mcp", "https://mcp.example/MCP", false),
    ] {
        let settings =
            Settings::parse_from(["resource-only", "--issuer", &id.issuer, "--audience", audience]);
        let mut claims = id.claims();
        claims["aud"] = named.into();
        let (wrong, said) = id.said(&settings, &id.key.sign("at+jwt", &claims).unwrap()).await;
        assert!((wrong == 0) == is_good, "{named} for {audience}\n{said}");
        assert_eq!(said.contains("it is for this server"), is_good, "{said}");
        assert_eq!(said.contains("the server accepts it"), is_good, "{said}");
    }
}

#[tokio::test]
async fn with_a_shared_secret_published_keys_are_used_where_they_are_named() {
    let id = start().await;
    let token = id.key.sign("at+jwt", &id.claims()).unwrap();
    let secret = ["--hmac-secret", "0123456789abcdef0123456789abcdef"];
    let (wrong, said) = id.said(&id.settings(&secret), &token).await;
    assert!(wrong > 0 && said.contains("only if OAUTH_JWKS_URI says where they are"), "{said}");
    let keys = format!("{}/jwks", id.issuer);
    let both = [&secret[..], &["--jwks-uri", &keys]].concat();
    let (wrong, said) = id.said(&id.settings(&both), &token).await;
    assert!(wrong == 0 && said.contains("the server accepts it"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_a_servers_own_documents_is_said() {
    let id = start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let document =
        |resource: &str, issuers: Value| json!({"resource": resource, "authorization_servers": issuers});
    let weak = json!({"issuer": format!("{origin}/weak"), "jwks_uri": format!("{origin}/none")});
    let other = document("https://other.example/mcp", json!([&id.issuer]));
    let nobodys = document(&format!("{origin}/nobodys"), json!([]));
    let weakly = document(&format!("{origin}/weakly"), json!([format!("{origin}/weak")]));
    let answer = |document: Value| get(move || async move { axum::Json(document) });
    let open = || get(|| async { "open to all" });
    let app = Router::new()
        .route("/{name}", open())
        .route("/.well-known/oauth-protected-resource/other", answer(other))
        .route("/.well-known/oauth-protected-resource/nobodys", answer(nobodys))
        .route("/.well-known/oauth-protected-resource/weakly", answer(weakly))
        .route("/.well-known/oauth-protected-resource/rubbish", get(|| async { "<html>" }))
        .route("/.well-known/oauth-authorization-server/weak", answer(weak));
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (name, words) in [
        ("other", "it calls itself \"https://other.example/mcp\""),
        ("nobodys", "names no authorization server"),
        ("weakly", "does not list S256"),
        ("weakly", "/none: not a json web key set"),
        ("rubbish", "is no JSON"),
        ("missing", "answers 404"),
        ("other", "not 401: clients do not sign in"),
        ("other", "no WWW-Authenticate"),
    ] {
        let mut report = Report::default();
        server::examine(&mut report, &format!("{origin}/{name}")).await.unwrap();
        let said = report.lines().join("\n");
        assert!(
            said.lines().any(|line| line.starts_with("WRONG") && line.contains(words)),
            "{name}: {words}\n{said}"
        );
    }
    let mut report = Report::default();
    server::examine(&mut report, "http://127.0.0.1:9/mcp").await.unwrap();
    assert!(report.lines().join("\n").contains("cannot be reached"), "{:?}", report.lines());
}
