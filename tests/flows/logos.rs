//! The logos of clients on the consent page: of whom, from where, and what happens when there is none.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use oauth_core::fetch::{FetchError, Fetched, StaticFetch};
use oauth_server::DocumentPolicy;
use oauth_testing::{KnownClient, Landed, Page, Registration, Site, Visit};
use serde_json::{Value, json};

const LOGO: &str = "https://pictures.example/logo";
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
const SHOWN: &str = "data:image/gif;base64,";

const PICTURED: &str = r#"[{"client_id": "pictured", "client_name": "Pictured", "redirect_uris": ["https://pictured.example/cb"],
    "logo_uri": "https://pictures.example/logo"}]"#;

fn picture(kind: &'static str, bytes: &[u8]) -> Fetched {
    Fetched::new(StatusCode::OK, bytes.to_vec()).with_header(CONTENT_TYPE, HeaderValue::from_static(kind))
}

struct World {
    site: Site,
    fetch: Arc<StaticFetch>,
}

impl World {
    async fn new(policy: DocumentPolicy) -> Self {
        let fetch = Arc::new(StaticFetch::new().with(LOGO, picture("image/gif", GIF)));
        let logos = fetch.clone();
        let site = Site::builder().server(move |server| {
            server.clients_json(PICTURED).client_logos(logos.clone()).document_policy(policy.clone())
        });
        Self { site: site.build().await.unwrap(), fetch }
    }

    async fn pictured(&self) -> Visit {
        self.site.visit_as(Registration::public("pictured"), "https://pictured.example/cb").await.unwrap()
    }

    /// A client by document with this `logo_uri`.
    async fn documented(&self) -> Visit {
        let mut document: Value = serde_json::from_str(KnownClient::DOCUMENT).unwrap();
        document["logo_uri"] = json!(LOGO);
        let id = KnownClient::Document.registration().client_id;
        self.site.documents().set(id, Fetched::json(document.to_string()));
        self.site.visit(KnownClient::Document).await.unwrap()
    }
}

/// The sign-in page and the consent page behind it.
async fn pages(visit: &mut Visit) -> (Page, Page) {
    let (request, _) = visit.request().unwrap();
    let page = visit.browser.get(request.set("prompt", "login consent").url().as_str()).await.unwrap();
    let person = visit.person.clone();
    let answered = person.sign_in(&mut visit.browser, &page).await.unwrap();
    let Landed::Page(consent) = visit.browser.follow_until(answered, |_| false).await.unwrap() else {
        unreachable!("there is nowhere to stop")
    };
    let consent = *consent;
    assert!(consent.form_with_button("allow").is_ok(), "{}", consent.text());
    (page, consent)
}

#[tokio::test]
async fn a_client_that_the_operator_knows_is_shown_with_its_logo() {
    // CIMD-16, AS-78
    let world = World::new(DocumentPolicy::new()).await;
    let mut visit = world.pictured().await;
    let (sign_in, consent) = pages(&mut visit).await;
    // Nobody makes the server fetch who has not signed in.
    assert!(!sign_in.html.contains(SHOWN));
    assert!(consent.html.contains(SHOWN));
    // It is kept, and carried inside the page: the page's policy stays closed, and the picture's host learns of nobody.
    assert!(!consent.html.contains(LOGO));
    let policy = consent.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("img-src 'self' data:;"), "{policy}");
    let (_, again) = pages(&mut visit).await;
    assert!(again.html.contains(SHOWN));
    assert_eq!(world.fetch.requests().len(), 1);
    // For a day.
    world.site.clock().advance(Duration::from_secs(86_400));
    let _ = pages(&mut visit).await;
    assert_eq!(world.fetch.requests().len(), 2);
}

#[tokio::test]
async fn the_server_fetches_no_picture_of_its_own() {
    // A-CIMDX-16
    for own in ["https://mcp.example/logo", "https://mcp.example./logo"] {
        let fetch = Arc::new(StaticFetch::new().with(own, picture("image/gif", GIF)));
        let (logos, clients) = (fetch.clone(), PICTURED.replace(LOGO, own));
        let site =
            Site::builder().server(move |server| server.clients_json(&clients).client_logos(logos.clone()));
        let site = site.build().await.unwrap();
        let client = Registration::public("pictured");
        let mut visit = site.visit_as(client, "https://pictured.example/cb").await.unwrap();
        let (_, consent) = pages(&mut visit).await;
        assert!(!consent.html.contains(SHOWN));
        assert_eq!(fetch.requests().len(), 0, "{own}");
    }
}

#[tokio::test]
async fn no_stranger_is_shown_with_a_picture() {
    // CIMD-16, DCR-15, A-CIMDX-18, A-CIMDX-19
    let world = World::new(DocumentPolicy::new()).await;
    let mut documented = world.documented().await;
    let (_, consent) = pages(&mut documented).await;
    assert!(!consent.html.contains("data:image/gif"));

    let newcomer = world.site.client("https://newcomer.example/cb").unwrap();
    let found = newcomer.discover().await.unwrap();
    let request = newcomer.registration().with("logo_uri", json!(LOGO));
    let registration = newcomer.register(&found, &request).await.unwrap();
    let mut visit = world.site.visit_as(registration, "https://newcomer.example/cb").await.unwrap();
    let (_, consent) = pages(&mut visit).await;
    assert!(!consent.html.contains("data:image/gif"));
    assert_eq!(world.fetch.requests().len(), 0);
}

#[tokio::test]
async fn a_document_of_a_host_that_the_operator_lists_is_no_stranger() {
    // CIMD-14, CIMD-16
    let id = KnownClient::Document.registration().client_id;
    let host = id.split('/').nth(2).unwrap();
    let world = World::new(DocumentPolicy::new().allow(host).unwrap()).await;
    let mut documented = world.documented().await;
    let (_, consent) = pages(&mut documented).await;
    assert!(consent.html.contains(SHOWN));
}

#[tokio::test]
async fn what_is_no_picture_is_left_out_and_nobody_is_told() {
    // CIMD-16, AS-78, A-CIMDX-19
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for bad in [
        Ok(picture("image/svg+xml", svg)),
        Ok(picture("image/gif", svg)),
        Ok(picture("image/gif", &[GIF, &vec![0; 100 * 1024]].concat())),
        Ok(picture("image/gif", b"")),
        Ok(Fetched::new(StatusCode::NOT_FOUND, GIF)),
        Ok(Fetched::new(StatusCode::FOUND, GIF)),
        Err(FetchError::unreachable("pictures.example", "reset")),
        Err(FetchError::TimedOut { after: Duration::from_secs(5) }),
    ] {
        let world = World::new(DocumentPolicy::new()).await;
        match bad {
            Ok(answer) => world.fetch.set(LOGO, answer),
            Err(error) => world.fetch.set_error(LOGO, error),
        }
        let mut visit = world.pictured().await;
        for _ in 0..2 {
            let (_, consent) = pages(&mut visit).await;
            assert!(!consent.html.contains("data:image/gif"));
        }
        assert_eq!(world.fetch.requests().len(), 1, "a host that has no picture is not asked at each page");
        // But again after a while.
        world.site.clock().advance(Duration::from_secs(600));
        world.fetch.set(LOGO, picture("text/plain", GIF));
        let (_, consent) = pages(&mut visit).await;
        assert!(consent.html.contains(SHOWN), "what it holds counts, not what it is called");
    }
}
