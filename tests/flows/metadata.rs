//! Discovery, as clients go about it: every form of every document, for issuers without and with a path, several at one host.

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use oauth_core::Stores;
use oauth_core::testing::FixedClock;
use oauth_resource::{ProtectedResource, WELL_KNOWN};
use oauth_server::{AuthorizationServer, OfferedScope};
use oauth_testing::{
    Browser, Client, Hosts, InProcess, KnownClient, Person, Registration, Site, Visit, Wire,
};
use serde_json::Value;
use tower_layer::Layer as _;

const HOST: &str = "https://as.example";

/// An authorization server with a path of its own, and what it protects.
struct Tenant {
    issuer: String,
    mcp: String,
    server: AuthorizationServer,
    resource: ProtectedResource,
}

impl Tenant {
    async fn new(name: &str) -> Self {
        let (issuer, mcp) = (format!("{HOST}/{name}"), format!("https://mcp.example/{name}/mcp"));
        let stores = Stores::memory();
        let clock = FixedClock::default();
        let owner = oauth_core::Secret::new(Site::PASSPHRASE.to_owned());
        let owner =
            oauth_providers::OwnerPassphrase::with_passphrase(&stores, &owner, &oauth_core::OsEntropy)
                .await
                .unwrap();
        let server = AuthorizationServer::builder(&issuer, stores.clone())
            .resource(&mcp)
            .scope(OfferedScope::new("notes:read", "Read your notes"))
            .clients_json(r#"[{"client_id":"web-app","redirect_uris":["https://app.example/cb"]}]"#)
            .sign_in_with(owner)
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        let resource = ProtectedResource::builder(&mcp, &issuer)
            .stores(&stores)
            .shares_origin()
            .clock(std::sync::Arc::new(clock))
            .build()
            .unwrap();
        Self { issuer, mcp, server, resource }
    }

    /// Its MCP server.
    fn mount(&self, router: Router) -> Router {
        let path = self.resource.resource().path().to_owned();
        let mcp = self
            .resource
            .layer()
            .layer(Router::new().fallback(|| async { r#"{"jsonrpc":"2.0","id":1,"result":{}}"# }));
        router
            .route_service(&path, mcp)
            .route_service(&format!("{WELL_KNOWN}{path}"), self.resource.metadata())
    }

    async fn visit(&self, internet: &Hosts) -> Visit {
        let client =
            Client::new(internet.clone(), &self.mcp).unwrap().with_redirect_uri("https://app.example/cb");
        let found = client.discover().await.unwrap();
        let registration = Registration::public("web-app");
        Visit {
            client,
            found,
            registration,
            browser: Browser::new(internet.clone()),
            person: Person::new(Site::PASSPHRASE),
        }
    }
}

/// Two issuers at one host, one after the other before everything else.
fn internet(one: &Tenant, other: &Tenant) -> Hosts {
    let nothing = Router::new();
    let both = one.server.layer().layer(other.server.layer().layer(nothing));
    let authorization = Router::new().fallback_service(both);
    let resources = other.mount(one.mount(Router::new()));
    Hosts::new()
        .with(HOST, InProcess::new(authorization))
        .with("https://mcp.example", InProcess::new(resources))
}

async fn ask(wire: &impl Wire, method: Method, url: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    wire.send(request.body(Bytes::new()).unwrap()).await.unwrap()
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn two_issuers_at_one_host_answer_each_in_their_own_forms() {
    // AS-2 to AS-4
    let (one, other) = (Tenant::new("t1").await, Tenant::new("t2").await);
    let internet = internet(&one, &other);
    for tenant in [&one, &other] {
        let path = tenant.issuer.strip_prefix(HOST).unwrap();
        for form in [
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
            format!("{path}/.well-known/openid-configuration"),
            format!("{path}/.well-known/oauth-authorization-server"),
        ] {
            let answer = ask(&internet, Method::GET, &format!("{HOST}{form}"), &[]).await;
            assert_eq!(answer.status(), 200, "{form}");
            let document = json(&answer);
            assert_eq!(document["issuer"], tenant.issuer.as_str(), "{form}");
            for (name, value) in document.as_object().unwrap() {
                // AS-23, AS-26: each endpoint is below the issuer, without a query.
                if name.ends_with("_endpoint") || name == "jwks_uri" {
                    let url = value.as_str().unwrap();
                    assert!(
                        url.starts_with(&format!("{}/", tenant.issuer)) && !url.contains('?'),
                        "{name}: {url}"
                    );
                }
            }
        }
    }
    for form in ["oauth-authorization-server", "openid-configuration", "oauth-authorization-server/t3"] {
        let answer = ask(&internet, Method::GET, &format!("{HOST}/.well-known/{form}"), &[]).await;
        assert_eq!(answer.status(), 404, "{form}");
    }
}

#[tokio::test]
async fn two_issuers_at_one_host_take_their_own_clients_the_whole_way() {
    // AS-4, AS-47, AS-58, A-MIX-1
    let (one, other) = (Tenant::new("t1").await, Tenant::new("t2").await);
    let internet = internet(&one, &other);
    let mut at_one = one.visit(&internet).await;
    let mut at_other = other.visit(&internet).await;
    let tokens = at_one.connect().await.unwrap();
    let others = at_other.connect().await.unwrap();
    for (visit, own, foreign) in [(&at_one, &tokens, &others), (&at_other, &others, &tokens)] {
        assert_eq!(visit.call_tool(own, "list_notes").await.unwrap().http.status, 200);
        assert_eq!(visit.call_tool(foreign, "list_notes").await.unwrap().http.status, 401);
        assert_eq!(
            visit.send(&visit.refresh(foreign).unwrap()).await.unwrap().error(),
            Some("invalid_grant")
        );
        visit.send(&visit.refresh(own).unwrap()).await.unwrap().tokens().unwrap();
    }
    let (request, pkce) = at_one.request().unwrap();
    let callback = at_one.answer(&request).await.unwrap();
    assert_eq!(callback.iss(), Some(&*one.issuer));
    // What the other one would say to it.
    let redeem = at_other.redeem(&callback, &pkce).unwrap().remove("resource");
    assert_eq!(at_other.send(&redeem).await.unwrap().error(), Some("invalid_grant"));
    assert!(callback.check(&request, &at_other.found).is_err());
}

#[tokio::test]
async fn a_browser_is_signed_in_at_two_issuers_of_one_host() {
    // AS-75: cookies have no path but `/`; each issuer has its own.
    let (one, other) = (Tenant::new("t1").await, Tenant::new("t2").await);
    let internet = internet(&one, &other);
    let mut at_one = one.visit(&internet).await;
    let mut at_other = other.visit(&internet).await;
    at_one.connect().await.unwrap();
    std::mem::swap(&mut at_other.browser, &mut at_one.browser);
    at_other.connect().await.unwrap();
    std::mem::swap(&mut at_other.browser, &mut at_one.browser);
    let (request, _) = at_one.request().unwrap();
    let page = at_one.browser.get(request.url().as_str()).await.unwrap();
    assert_eq!(page.status, 303, "still signed in at the first: {}", page.text());
}

#[tokio::test]
async fn the_issuer_is_the_same_text_in_every_place() {
    // AS-4, AS-9: metadata twice, resource metadata, success, error, introspection.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Gateway).await.unwrap();
    let mut named = vec![visit.found.issuer.clone()];
    for form in ["oauth-authorization-server", "openid-configuration"] {
        let document = visit.client.fetch(&site.url(&format!("/.well-known/{form}"))).await.unwrap();
        named.push(document.member("issuer").unwrap().to_owned());
        assert_eq!(document.json["authorization_response_iss_parameter_supported"], true);
    }
    let (request, pkce) = visit.request().unwrap();
    let callback = visit.answer(&request).await.unwrap();
    named.push(callback.iss().unwrap().to_owned());
    let tokens = visit.send(&visit.redeem(&callback, &pkce).unwrap()).await.unwrap().tokens().unwrap();
    let form = visit.client.introspect(&visit.found, &visit.registration, &tokens.access_token).unwrap();
    named.push(visit.send(&form).await.unwrap().member("iss").unwrap().to_owned());
    let page = visit.browser.get(request.set("response_type", "token").url().as_str()).await.unwrap();
    named.push(oauth_testing::Callback::read(&page.location().unwrap()).iss().unwrap().to_owned());
    assert!(named.iter().all(|issuer| issuer == Site::ORIGIN), "{named:?}");
}

#[tokio::test]
async fn nothing_of_the_request_gets_into_what_clients_are_told() {
    // AS-23, RS-17
    let site = Site::new().await.unwrap();
    for path in
        ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", "/mcp"]
    {
        let headers = [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "host=evil.example"),
        ];
        let answer = ask(&site.wire(), Method::GET, site.url(path).as_str(), &headers).await;
        let text = format!("{:?} {}", answer.headers(), String::from_utf8_lossy(answer.body()));
        assert!(!text.contains("evil") && text.contains(Site::ORIGIN), "{path}: {text}");
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn scripts_of_any_origin_may_call_what_clients_call_and_nothing_that_people_see() {
    // AS-22, TOK-17, RS-14, LIM-7
    let site = Site::new().await.unwrap();
    let wire = site.wire();
    let origin = ("origin", "https://inspector.example");
    for (path, method) in [
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/.well-known/openid-configuration", "GET"),
        ("/.well-known/oauth-protected-resource/mcp", "GET"),
        ("/.well-known/oauth-protected-resource", "GET"),
        ("/jwks.json", "GET"),
        ("/token", "POST"),
        ("/revoke", "POST"),
        ("/introspect", "POST"),
        ("/register", "POST"),
    ] {
        let url = site.url(path);
        let preflight = [
            origin,
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
        ];
        let answer = ask(&wire, Method::OPTIONS, url.as_str(), &preflight).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), "*", "{path}");
        assert!(header(answer.headers(), "access-control-allow-methods").contains(method), "{path}");
        let allowed = header(answer.headers(), "access-control-allow-headers").to_lowercase();
        let needed: &[&str] = if method == "GET" {
            &["mcp-protocol-version"]
        } else {
            &["authorization", "content-type", "mcp-protocol-version"]
        };
        for name in needed {
            assert!(allowed == "*" || allowed.contains(name), "{path}: {name} in {allowed}");
        }
        // The answer itself, an error too.
        let answer = ask(&wire, method.parse().unwrap(), url.as_str(), &[origin]).await;
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header(answer.headers(), "access-control-allow-credentials"), "", "{path}");
        if method == "POST" {
            assert!(
                header(answer.headers(), "access-control-expose-headers").contains("WWW-Authenticate"),
                "{path}"
            );
        }
    }
    for path in
        ["/authorize", "/authorize/continue", "/authorize/consent", "/sign-in/passphrase", "/sign-out"]
    {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let answer = ask(&wire, method.clone(), site.url(path).as_str(), &[origin]).await;
            assert!(!answer.headers().contains_key("access-control-allow-origin"), "{method} {path}");
            if method == Method::OPTIONS {
                assert_eq!(answer.status(), 405, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_there_says_how_to_call_it() {
    // RS-15, LIM-7, AS-24, AS-21
    let site = Site::new().await.unwrap();
    let wire = site.wire();
    for path in [
        "/.well-known/oauth-protected-resource/nope",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/",
        "/mcp/.well-known/openid-configuration",
        "/token/",
        "//token",
        "/favicon.ico",
    ] {
        let answer = ask(&wire, Method::GET, &format!("{}{path}", Site::ORIGIN), &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(!answer.headers().contains_key("www-authenticate"), "{path}");
    }
    for (path, allow) in
        [("/token", "POST, OPTIONS"), ("/register", "POST, OPTIONS"), ("/authorize/consent", "POST")]
    {
        let answer = ask(&wire, Method::GET, site.url(path).as_str(), &[]).await;
        assert_eq!((answer.status().as_u16(), header(answer.headers(), "allow")), (405, allow), "{path}");
    }
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/mcp",
        "/jwks.json",
    ] {
        let get = ask(&wire, Method::GET, site.url(path).as_str(), &[]).await;
        assert_eq!(
            (get.status().as_u16(), header(get.headers(), "content-type")),
            (200, "application/json"),
            "{path}"
        );
        assert!(header(get.headers(), "cache-control").contains("max-age="), "{path}");
        let head = ask(&wire, Method::HEAD, site.url(path).as_str(), &[]).await;
        assert_eq!(head.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_server_that_is_configured_wrong_says_everything_at_once() {
    // AS-5
    for issuer in [
        "http://as.example",
        "https://as.example?x",
        "https://as.example#x",
        "https://user@as.example",
        "as.example",
        "",
    ] {
        let built = AuthorizationServer::builder(issuer, Stores::memory())
            .resource("http://mcp.example")
            .scope(OfferedScope::new("two words", ""))
            .build()
            .await;
        let message = built.unwrap_err().to_string();
        for fault in ["issuer:", "resource:", "scope:", "sign_in_with:"] {
            assert!(message.contains(fault), "{issuer:?}: {message}");
        }
    }
}
