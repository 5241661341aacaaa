//! CIMDX: documents at addresses that strangers name.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use oauth_core::async_trait;
use oauth_core::fetch::{FetchPolicy, Fetched, GuardedFetch, Resolver};
use oauth_testing::Page;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::host::{
    CALLBACK, Host, ORIGIN, PEER, agree, ask, assert_refused, assert_shown, consent_page, redeem, refresh,
    token_request, visit,
};

const ID: &str = "https://tool.example/c.json";

fn document() -> Value {
    json!({ "client_id": ID, "client_name": "Tool", "redirect_uris": [CALLBACK] })
}

/// The first look-up gets the first of these answers, and so on; the last one stays. Without any, there is no such name.
struct Flipping {
    answers: Vec<IpAddr>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Resolver for Flipping {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answers.get(turn).or(self.answers.last()) {
            Some(answer) => Ok(vec![*answer]),
            None => Err(io::Error::other("no such name")),
        }
    }
}

/// A host with the fetcher that goes to the network, where names have these addresses, one after the other.
async fn guarded(policy: FetchPolicy, answers: &[&str]) -> (Host, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = answers.iter().map(|answer| answer.parse().unwrap()).collect();
    let resolver = Flipping { answers, asked: asked.clone() };
    let fetch = Arc::new(GuardedFetch::builder(policy).with_resolver(resolver).build().unwrap());
    (Host::with(move |server| server.client_documents(fetch.clone())).await, asked)
}

/// Counts connections, and hangs up.
async fn canary(address: &str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, connections)
}

/// A token that the server could have issued: for any other no document is fetched (CIMD-11).
fn of_our_form() -> String {
    let grant = oauth_core::GrantId::generate(&oauth_core::OsEntropy);
    let format = oauth_core::TokenFormat::default();
    format.mint(oauth_core::CredentialKind::RefreshToken, grant, &oauth_core::OsEntropy).0.expose().to_owned()
}

#[tokio::test]
async fn a_cimdx_1_addresses_inside() {
    let (host, asked) = guarded(FetchPolicy::new(), &["127.0.0.1"]).await;
    let (port, connections) = canary("127.0.0.1:0").await;
    let mut texts: Vec<String> = Vec::new();
    for id in [
        format!("https://127.0.0.1:{port}/x"),
        "https://127.0.0.1/x".to_owned(),
        format!("https://[::1]:{port}/x"),
        "https://10.0.0.1/x".to_owned(),
        "https://192.168.1.1/x".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://100.64.0.1/x".to_owned(),
        "https://0.0.0.0/x".to_owned(),
        format!("https://localhost:{port}/x"),
    ] {
        let page = visit(&host, &ask(&id, CALLBACK)).await;
        assert_shown(&page);
        texts.push(page.text().to_owned());
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:#?}");
    assert_eq!((connections.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (0, 0));
    // By a name that leads inside: as by one that leads nowhere, at the token endpoint, too.
    let (nowhere, _) = guarded(FetchPolicy::new(), &[]).await;
    let id = format!("https://inside.example:{port}/x");
    let mut said = Vec::new();
    for host in [&host, &nowhere] {
        let page = visit(host, &ask(&id, CALLBACK)).await;
        let answer = host.client().send(&refresh(&id, &of_our_form())).await.unwrap();
        assert_refused(&answer, 503, "temporarily_unavailable");
        said.push((page.status, page.text().to_owned(), answer.headers, answer.body));
    }
    assert_eq!((said[0].0, &said[0]), (StatusCode::SERVICE_UNAVAILABLE, &said[1]));
    assert_eq!((connections.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_cimdx_2_odd_notations() {
    let (host, _) = guarded(FetchPolicy::new(), &["127.0.0.1"]).await;
    let (port, connections) = canary("127.0.0.1:0").await;
    for address in [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[::ffff:a00:1]",
        "[fe80::1%25eth0]",
        "[fe80::1]",
        "[fc00::1]",
        "[2002:7f00:1::]",
        "１２７.０.０.１",
        "127。0。0。1",
        "ⓛocalhost",
        "localhost.",
        "127.0.0.1.",
        "LOCALHOST",
        "%31%32%37.0.0.1",
        "127.0.0.1\\@tool.example",
        "tool.example@127.0.0.1",
        "tool.example#@127.0.0.1",
    ] {
        assert_shown(&visit(&host, &ask(&format!("https://{address}:{port}/x"), CALLBACK)).await);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

/// T9: 127.0.0.2 stands for a public address, 127.0.0.1 at the same port for what is inside.
#[tokio::test]
async fn a_cimdx_4_dns_rebinding() {
    let (port, allowed) = canary("127.0.0.2:0").await;
    let (_, inside) = canary(&format!("127.0.0.1:{port}")).await;
    let policy = FetchPolicy::new().allow_network("127.0.0.2/32".parse().unwrap());
    let (host, asked) = guarded(policy, &["127.0.0.2", "127.0.0.1"]).await;
    let request = ask(&format!("https://rebind.example:{port}/c.json"), CALLBACK);
    // Nobody speaks TLS there; what counts is who was connected to.
    let page = visit(&host, &request).await;
    assert!(page.status.is_client_error() || page.status.is_server_error());
    assert_eq!(
        (asked.load(Ordering::SeqCst), allowed.load(Ordering::SeqCst)),
        (1, 1),
        "one look-up, one connection"
    );
    // Asked again once the failure is forgotten, the name has changed its mind.
    host.forward(11);
    assert_eq!(visit(&host, &request).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (asked.load(Ordering::SeqCst), allowed.load(Ordering::SeqCst), inside.load(Ordering::SeqCst)),
        (2, 1, 0)
    );
}

#[tokio::test]
async fn a_cimdx_5_redirects() {
    let host = Host::start().await;
    for location in ["http://169.254.169.254/", "https://tool.example/good.json", "/good.json"] {
        host.publish(&json!({ "client_id": "https://tool.example/good.json", "client_name": "Tool", "redirect_uris": [CALLBACK] }));
        for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
            let answer = Fetched::new(status, document().to_string())
                .with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .with_header(LOCATION, location.parse().unwrap());
            host.documents().set(ID, answer);
            assert_shown(&visit(&host, &ask(ID, CALLBACK)).await);
            host.forward(11);
        }
    }
    assert!(host.documents().requests().iter().all(|request| request.url == ID));
}

#[tokio::test]
async fn a_cimdx_9_no_json() {
    let host = Host::start().await;
    let good = document().to_string();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"<html></html>".to_vec(),
        format!("[{good}]").into_bytes(),
        format!("\u{feff}{good}").into_bytes(),
        utf16,
        good.replace("\"Tool\"", "NaN").into_bytes(),
        good.replace('{', "{\"x\":NaN,").into_bytes(),
        good.replace('{', &format!("{{\"client_id\":\"{ID}\",")).into_bytes(),
        good.replace('{', "{\"redirect_uris\":[\"https://evil.example/cb\"],").into_bytes(),
        format!("{good}{good}").into_bytes(),
        format!("{}1{}", "[".repeat(8_000), "]".repeat(8_000)).into_bytes(),
        Vec::new(),
        vec![b' '; 17 * 1024],
    ];
    for (at, body) in bodies.into_iter().enumerate() {
        let id = format!("https://tool.example/{at}.json");
        host.documents().set(&id, Fetched::json(body));
        assert_shown(&visit(&host, &ask(&id, CALLBACK)).await);
        // Nothing of it is kept: mended, it counts as soon as it is looked at again.
        host.publish(&json!({ "client_id": id, "client_name": "Tool", "redirect_uris": [CALLBACK] }));
        host.forward(11);
        assert_eq!(visit(&host, &ask(&id, CALLBACK)).await.status, StatusCode::OK);
    }
    for kind in ["text/html", "text/plain", "application/javascript", "image/png"] {
        let answer = Fetched::json(good.clone()).with_header(CONTENT_TYPE, kind.parse().unwrap());
        let id = format!("https://{}.example/c.json", kind.len());
        host.documents().set(id.clone(), answer);
        assert_shown(&visit(&host, &ask(&id, CALLBACK)).await);
    }
}

#[tokio::test]
async fn a_cimdx_10_another_id() {
    let host = Host::start().await;
    for other in [
        "https://tool.example/C.json",
        "https://TOOL.example/c.json",
        "https://tool.example/c.json/",
        "https://tool.example//c.json",
        "https://tool.example/c%2ejson",
        "https://tool.example/c.json?x=1",
        "https://tool.example:443/c.json",
        "https://evil.example/c.json",
        "http://tool.example/c.json",
        " https://tool.example/c.json",
        "",
    ] {
        let mut document = document();
        document["client_id"] = json!(other);
        host.documents().set(ID, Fetched::json(document.to_string()));
        assert_shown(&visit(&host, &ask(ID, CALLBACK)).await);
        host.forward(11);
    }
    // The other way round: the document is right, and is asked for by another spelling.
    host.publish(&document());
    for asked in [
        "https://tool.example:443/c.json",
        "https://TOOL.example/c.json",
        "https://tool.example/c%2ejson",
        "https://tool.example/./c.json",
        "https://tool.example/x/../c.json",
        "https://tool.example\\c.json",
    ] {
        host.documents().set(asked, Fetched::json(document().to_string()));
        assert_shown(&visit(&host, &ask(asked, CALLBACK)).await);
    }
}

#[tokio::test]
async fn a_cimdx_12_a_secret_for_everybody() {
    let host = Host::start().await;
    for (name, value) in [
        ("client_secret", json!("x")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
    ] {
        let mut document = document();
        document[name] = value;
        host.publish(&document);
        assert_shown(&visit(&host, &ask(ID, CALLBACK)).await);
        host.forward(11);
    }
}

/// However many documents are named, and at whichever endpoint: fetches are bounded by source and in total.
#[tokio::test]
async fn a_cimdx_15_stampede() {
    let authorize = |at: usize| ask(&format!("https://many.example/{at}.json"), CALLBACK).url().to_string();
    let one_peer = |_: usize| "192.0.2.77".to_owned();
    let one_network = |at: usize| format!("2001:db8:1:2::{at:x}");
    let peers: [(&dyn Fn(usize) -> String, usize); 3] = [
        (&one_peer, 30),
        (&one_network, 30),
        (&|at| std::net::Ipv4Addr::from(0xc633_0000 + u32::try_from(at).unwrap()).to_string(), 300),
    ];
    for (peer, most) in peers {
        // The limits on requests are not those that are looked at here.
        let host = Host::with(|server| {
            let mut limits = oauth_server::Limits::insecure_unlimited();
            limits.fetch_source = oauth_server::Limits::default().fetch_source;
            limits.fetch_total = oauth_server::Limits::default().fetch_total;
            server.limits(limits)
        })
        .await;
        for at in 0..1000 {
            let answer = host.send(Request::get(authorize(at)).header(PEER, peer(at)), "").await;
            assert!(answer.status().is_client_error() || answer.status().is_server_error());
        }
        assert!(host.documents().requests().len() <= most, "{} of {most}", host.documents().requests().len());
        // Who was not there is not shut out by who was, but for the total.
        if most < 300 {
            host.publish(&document());
            assert_eq!(visit(&host, &ask(ID, CALLBACK)).await.status, StatusCode::OK);
        }
    }
    // At the endpoints that clients call by themselves it is no different.
    let host = Host::start().await;
    for path in ["/token", "/revoke", "/introspect"] {
        for at in 0..40 {
            let id = format!("https://many.example{path}/{at}.json");
            let mut request = token_request().set("client_id", &id).set("token", "x");
            request.url = host.url(path);
            host.client().send(&request.header(PEER, HeaderValue::from_static("192.0.2.77"))).await.unwrap();
        }
    }
    assert!(host.documents().requests().len() <= 30, "{}", host.documents().requests().len());
    // One document at once is fetched once.
    let host = Arc::new(Host::start().await);
    host.publish(&document());
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let host = host.clone();
        tasks.push(tokio::spawn(async move { visit(&host, &ask(ID, CALLBACK)).await.status }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(host.documents().count(ID), 1);
}

#[tokio::test]
async fn a_cimdx_16_the_server_itself() {
    let host = Host::start().await;
    for path in ["/.well-known/oauth-authorization-server", "/authorize", "/jwks.json", "/mcp"] {
        assert_shown(&visit(&host, &ask(&format!("{ORIGIN}{path}"), CALLBACK)).await);
        assert_shown(&visit(&host, &ask(&format!("{ORIGIN}:443{path}"), CALLBACK)).await);
        assert_shown(&visit(&host, &ask(&format!("https://MCP.example{path}"), CALLBACK)).await);
    }
    assert!(host.documents().requests().is_empty());
    // Where it does fetch, it sends nothing of its own.
    host.publish(&document());
    let mut browser = host.browser();
    agree(&mut browser, &ask("app", CALLBACK), "alice").await;
    browser.get(ask(ID, CALLBACK).url().as_str()).await.unwrap();
    let fetched = host.documents().requests().remove(0);
    assert!(!fetched.headers.contains_key("cookie") && !fetched.headers.contains_key("authorization"));
    assert!(fetched.body.is_empty());
}

#[tokio::test]
async fn a_cimdx_17_the_domain_changes_hands() {
    let host = Host::start().await;
    let publish = |document: &Value| {
        let answer =
            Fetched::json(document.to_string()).with_header(CACHE_CONTROL, "max-age=60".parse().unwrap());
        host.documents().set(ID, answer);
    };
    publish(&document());
    let mut browser = host.browser();
    let callback = agree(&mut browser, &ask(ID, CALLBACK), "alice").await;
    let tokens = host.client().send(&redeem(ID, callback.code().unwrap())).await.unwrap().tokens().unwrap();
    // Remembered, while nothing changes.
    assert!(browser.get(ask(ID, CALLBACK).url().as_str()).await.unwrap().location().is_some());
    let evil = "https://evil.example/cb";
    let mut taken = document();
    taken["redirect_uris"] = json!([CALLBACK, evil]);
    publish(&taken);
    host.forward(61);
    for redirect_uri in [CALLBACK, evil] {
        let page = browser.get(ask(ID, redirect_uri).url().as_str()).await.unwrap();
        assert!(page.form_with_button("allow").is_ok(), "asked again: {}", page.text());
    }
    // What was granted to whoever held the host before is over.
    let answer = host.client().send(&refresh(ID, tokens.refresh_token.as_deref().unwrap())).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    // A refresh goes by what the document says today: gone, and the client is nobody.
    host.documents().set(ID, Fetched::new(StatusCode::NOT_FOUND, ""));
    host.forward(61);
    let answer = host.client().send(&refresh(ID, tokens.refresh_token.as_deref().unwrap())).await.unwrap();
    assert_refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn a_cimdx_18_a_famous_name_on_a_shared_host() {
    let host = Host::start().await;
    let id = "https://user.github.io/claude/client.json";
    host.publish(
        &json!({ "client_id": id, "client_name": "Claude", "redirect_uris": ["https://user.github.io/cb"] }),
    );
    let page: Page = consent_page(&mut host.browser(), &ask(id, "https://user.github.io/cb"), "alice").await;
    let text = page.text();
    assert!(text.contains("user.github.io") && text.contains("Unverified"), "{text}");
    assert!(page.title().contains("user.github.io"), "never by the name alone: {}", page.title());
}

#[tokio::test]
async fn a_cimdx_19_logos() {
    let host = Host::start().await;
    for (at, logo) in [
        "https://10.0.0.1/x.png",
        "https://canary.example/x.svg",
        "http://canary.example/x.png",
        "data:image/svg+xml,<svg onload=alert(1)>",
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("https://tool.example/{at}.json");
        host.publish(
            &json!({ "client_id": id, "client_name": "Tool", "redirect_uris": [CALLBACK], "logo_uri": logo }),
        );
        let page = consent_page(&mut host.browser(), &ask(&id, CALLBACK), "alice").await;
        assert!(!page.html.contains(logo) && !page.html.contains("canary"), "{logo}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("img-src 'self' data:;"), "{policy}");
    }
    assert!(
        host.documents().requests().iter().all(|request| request.url.starts_with("https://tool.example/"))
    );
}

#[tokio::test]
async fn a_cimdx_20_key_sets() {
    let host = Host::start().await;
    for (at, keys) in ["https://10.0.0.1/jwks", "https://canary.example/jwks", "http://169.254.169.254/"]
        .into_iter()
        .enumerate()
    {
        let id = format!("https://tool.example/{at}.json");
        host.publish(
            &json!({ "client_id": id, "client_name": "Tool", "redirect_uris": [CALLBACK], "jwks_uri": keys }),
        );
        let callback = agree(&mut host.browser(), &ask(&id, CALLBACK), "alice").await;
        host.client().send(&redeem(&id, callback.code().unwrap())).await.unwrap().tokens().unwrap();
    }
    assert!(
        host.documents().requests().iter().all(|request| request.url.starts_with("https://tool.example/"))
    );
}

/// A key that everybody can read is no secret: whoever publishes one is told so (DCR-12, CIMD-6).
#[tokio::test]
async fn a_cimdx_20_keys_that_are_not_public() {
    let host = Host::start().await;
    let public = json!({ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" });
    let mut private = public.clone();
    private["d"] = json!("d");
    for (at, (key, is_good)) in
        [(public.clone(), true), (private, false), (json!({ "kty": "oct", "k": "AAAA" }), false)]
            .into_iter()
            .enumerate()
    {
        let id = format!("https://tool.example/keys-{at}.json");
        host.publish(&json!({ "client_id": id, "client_name": "Tool", "redirect_uris": [CALLBACK], "jwks": { "keys": [public, key] } }));
        if is_good {
            agree(&mut host.browser(), &ask(&id, CALLBACK), "alice").await.code().unwrap();
        } else {
            assert_shown(&visit(&host, &ask(&id, CALLBACK)).await);
        }
    }
}

/// This test starts itself again with the environment set: a process cannot safely change its own.
#[tokio::test]
async fn a_cimdx_21_a_proxy_in_the_environment() {
    const MARK: &str = "OAUTH_TESTING_BEHIND_A_PROXY";
    if std::env::var_os(MARK).is_some() {
        // The proxy would resolve the name by itself, past the guard.
        let (host, asked) = guarded(FetchPolicy::new(), &["127.0.0.1"]).await;
        let page = visit(&host, &ask("https://inside.example/c.json", CALLBACK)).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        return;
    }
    let (port, connections) = canary("127.0.0.1:0").await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "cimdx::a_cimdx_21_a_proxy_in_the_environment"]).env(MARK, "1");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, format!("http://127.0.0.1:{port}"));
    }
    let outcome = child.output().await.unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("1 passed"));
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_cimdx_22_identifiers_that_look_like_urls() {
    let host = Host::start().await;
    for id in [ID, "https://", "http://x", "HTTPS://tool.example/c.json"] {
        let answer = host.register(&json!({ "client_id": id, "redirect_uris": [CALLBACK] })).await;
        let drawn = answer.member("client_id").unwrap();
        assert!(!drawn.contains(':') && drawn != id, "{drawn}");
    }
    // A configured one must be marked as what it is: a document in place of the one at that URL.
    let entry = format!(r#"[{{"client_id":"{ID}","redirect_uris":["{CALLBACK}"]}}]"#);
    let built = oauth_server::AuthorizationServer::builder(ORIGIN, oauth_core::Stores::memory())
        .resource(oauth_testing::Site::MCP)
        .insecure_approve_all("alice")
        .clients_json(&entry)
        .build()
        .await;
    assert!(built.unwrap_err().to_string().contains("pin the document"));
    let host = Host::with(|server| server.pinned_document(ID, &document().to_string())).await;
    host.documents().set(ID, Fetched::json("{}"));
    agree(&mut host.browser(), &ask(ID, CALLBACK), "alice").await.code().unwrap();
    assert_eq!(host.documents().count(ID), 0);
}

/// What one document's owner does wrong is nothing to others, and an outage does not undo what was good.
#[tokio::test]
async fn one_document_says_nothing_of_another() {
    let host = Host::start().await;
    host.publish(&document());
    let evil = "https://tool.example/evil.json";
    // It claims to be the other.
    host.documents().set(evil, Fetched::json(document().to_string()));
    assert_shown(&visit(&host, &ask(evil, CALLBACK)).await);
    assert_eq!(visit(&host, &ask(ID, CALLBACK)).await.status, StatusCode::OK);
    // The origin is down, or somebody on the way shows a page of their own: the last good one counts.
    for answer in [
        Fetched::new(StatusCode::BAD_GATEWAY, ""),
        Fetched::new(StatusCode::OK, "<html>log in to the wifi</html>"),
    ] {
        host.documents().set(ID, answer);
        host.forward(700);
        assert_eq!(visit(&host, &ask(ID, CALLBACK)).await.status, StatusCode::OK);
    }
}
