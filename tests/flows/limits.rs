//! Floods: 429 with `Retry-After` for who floods, and for nobody else.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use oauth_core::{Quota, Timestamp};
use oauth_server::Limits;
use oauth_testing::{Browser, Client, KnownClient, Person, Site, Visit, Wire as _};

use crate::expect;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

async fn site(limit: impl Fn(&mut Limits) + Send + Sync + 'static) -> Site {
    let bend = move |server: oauth_server::Builder| {
        let mut limits = Limits::default();
        limit(&mut limits);
        server.limits(limits)
    };
    Site::builder().server(bend).build().await.unwrap()
}

fn other_address() -> IpAddr {
    "198.51.100.7".parse().unwrap()
}

fn retry_after(headers: &http::HeaderMap) -> u64 {
    headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn token_requests_of_a_client_are_limited_and_other_clients_go_on() {
    // LIM-1, INTR-6
    let site = site(|limits| limits.token_client = Quota::new(5, MINUTE)).await;
    let mut one = site.visit(KnownClient::Desktop).await.unwrap();
    let mut other = site.visit(KnownClient::WebApp).await.unwrap();
    let (tokens, others) = (one.connect().await.unwrap(), other.connect().await.unwrap());
    let form = one.refresh(&tokens).unwrap();
    for _ in 0..4 {
        assert_eq!(one.send(&form).await.unwrap().status, 200);
    }
    for form in [form.clone(), one.revoke(&tokens.access_token).unwrap()] {
        let limited = one.send(&form).await.unwrap();
        assert_eq!((limited.status.as_u16(), limited.error()), (429, Some("too_many_requests")));
        assert_eq!(limited.headers["content-type"], "application/json");
        let seconds = retry_after(&limited.headers);
        assert!((1..=60).contains(&seconds), "{seconds}");
        // TOK-8: nothing was lost by it.
        assert_eq!(one.call_tool(&tokens, "list_notes").await.unwrap().http.status, 200);
    }
    other.send(&other.refresh(&others).unwrap()).await.unwrap().tokens().unwrap();
    site.clock().advance(Duration::from_secs(12));
    assert_eq!(one.send(&form).await.unwrap().status, 200);
    assert!(site.events().iter().any(|event| event.starts_with("limited")));
}

#[tokio::test]
async fn authorization_requests_of_an_address_are_limited_and_other_addresses_go_on() {
    // LIM-1
    let site = site(|limits| limits.authorize_source = Quota::new(3, MINUTE)).await;
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, _) = visit.request().unwrap();
    for _ in 0..3 {
        assert_eq!(visit.browser.get(request.url().as_str()).await.unwrap().status, 200);
    }
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    expect::shown(&page, 429);
    assert!(retry_after(&page.headers) >= 1);
    assert!(page.text().contains("Try again in about a minute."), "{}", page.text());
    let mut elsewhere = Browser::new(site.wire_from(other_address()));
    assert_eq!(elsewhere.get(request.url().as_str()).await.unwrap().status, 200);
    site.clock().advance(Duration::from_secs(20));
    assert_eq!(visit.browser.get(request.url().as_str()).await.unwrap().status, 200);
}

#[tokio::test]
async fn all_together_are_limited_too() {
    // LIM-1
    let site = site(|limits| {
        limits.token_total = Quota::new(3, MINUTE);
        limits.register_total = Quota::new(2, MINUTE);
        limits.authorize_total = Quota::new(1, MINUTE);
    })
    .await;
    let post = |path: &str, address: u8| {
        let request = Request::post(format!("{}{path}", Site::ORIGIN)).body(Bytes::new()).unwrap();
        let wire = site.wire_from(IpAddr::from([192, 0, 2, address]));
        async move { wire.send(request).await.unwrap() }
    };
    let limited =
        |response: &Response<Bytes>| response.status() == 429 && retry_after(response.headers()) >= 1;
    let mut seen = Vec::new();
    for (path, address) in [
        ("/token", 1),
        ("/revoke", 2),
        ("/introspect", 3),
        ("/token", 4),
        ("/register", 1),
        ("/register", 2),
        ("/register", 3),
        ("/sign-in/passphrase", 1),
        ("/authorize/consent", 2),
    ] {
        seen.push(limited(&post(path, address).await));
    }
    assert_eq!(seen, [false, false, false, true, false, false, true, false, true]);
    // What clients find their way by is never limited.
    let client = Client::new(site.wire(), Site::MCP).unwrap();
    for _ in 0..10 {
        client.discover().await.unwrap();
    }
}

#[tokio::test]
async fn one_address_does_not_use_up_what_all_may_ask_of_tokens() {
    // LIM-1
    let site = site(|limits| limits.token_total = Quota::new(10, MINUTE)).await;
    let post = |path: &str, address: u8| {
        let request = Request::post(format!("{}{path}", Site::ORIGIN)).body(Bytes::new()).unwrap();
        let wire = site.wire_from(IpAddr::from([192, 0, 2, address]));
        async move { wire.send(request).await.unwrap().status() == 429 }
    };
    let mut limited = 0;
    for at in 0..100 {
        limited += usize::from(post(["/token", "/revoke", "/introspect"][at % 3], 1).await);
    }
    assert_eq!(limited, 95);
    for address in 2..7 {
        assert!(!post("/token", address).await, "{address}");
    }
    assert!(post("/token", 7).await);
}

#[tokio::test]
async fn passphrases_are_tried_five_times_and_the_owner_elsewhere_goes_on() {
    // AS-82, LIM-1
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let mut page = visit.browser.get(request.url().as_str()).await.unwrap();
    let first = page.clone();
    let stranger = Person::new("let me in let me in");
    for _ in 0..5 {
        page = stranger.sign_in(&mut visit.browser, &page).await.unwrap();
        expect::shown(&page, 403);
    }
    let limited = stranger.sign_in(&mut visit.browser, &first).await.unwrap();
    expect::shown(&limited, 429);
    assert!(retry_after(&limited.headers) >= 1);
    // The right one as well: it would tell that it was right.
    expect::shown(&visit.person.sign_in(&mut visit.browser, &first).await.unwrap(), 429);

    let client = Client::new(site.wire_from(other_address()), Site::MCP).unwrap();
    let browser = Browser::new(site.wire_from(other_address()));
    let registration = visit.registration.clone();
    let mut elsewhere =
        Visit { found: visit.found.clone(), registration, client, browser, person: site.owner() };
    elsewhere.connect().await.unwrap();
    site.clock().advance(MINUTE);
    let page = visit.person.sign_in(&mut visit.browser, &first).await.unwrap();
    assert_eq!(page.status, 303);
}

#[tokio::test]
async fn registrations_of_an_address_are_limited() {
    // DCR-10, LIM-1
    let site = site(|limits| limits.register_source = Quota::new(2, MINUTE)).await;
    let client = site.client("https://new.example/cb").unwrap();
    let found = client.discover().await.unwrap();
    let url = found.endpoint("registration_endpoint").unwrap();
    let statuses = async |client: &Client, names: &[&str]| {
        let mut all = Vec::new();
        for name in names {
            let request = client.registration().with("client_name", (*name).into());
            all.push(client.post_json(&url, None, &request.json).await.unwrap().status.as_u16());
        }
        all
    };
    assert_eq!(statuses(&client, &["a", "b", "c"]).await, [201, 201, 429]);
    let elsewhere = Client::new(site.wire_from(other_address()), Site::MCP).unwrap();
    assert_eq!(statuses(&elsewhere, &["d"]).await, [201]);
}

#[tokio::test]
async fn registrations_that_are_not_used_end_and_those_that_are_idle_end_later() {
    // DCR-10, DCR-20, over the whole path: an error page, `invalid_client`, and a new registration that works.
    let site = Site::new().await.unwrap();
    let mut unused = site.visit_of_newcomer().await.unwrap();
    let used = site.client("https://used.example/cb").unwrap();
    let registration = used.register(&unused.found, &used.registration()).await.unwrap();
    let mut used = site.visit_as(registration, "https://used.example/cb").await.unwrap();
    let mut tokens = used.connect().await.unwrap();

    site.clock().advance(DAY);
    let (request, _) = unused.request().unwrap();
    expect::shown(&unused.browser.get(request.url().as_str()).await.unwrap(), 400);
    assert!(unused.connect().await.is_err());
    let mut anew = site.visit_of_newcomer().await.unwrap();
    anew.connect().await.unwrap();

    // Used now and then it lives on, 90 days from each use.
    for _ in 0..6 {
        site.clock().advance(28 * DAY);
        tokens = used.send(&used.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    }
    site.clock().advance(90 * DAY + Duration::from_secs(1));
    let dead = used.send(&used.refresh(&tokens).unwrap()).await.unwrap();
    assert_eq!((dead.status.as_u16(), dead.error()), (401, Some("invalid_client")));
    // What has ended can be swept away.
    let now: Timestamp = oauth_core::Clock::now(site.clock());
    assert!(site.stores().purge(now).await.unwrap() > 0);
    assert_eq!(site.stores().clients.count(oauth_core::ClientFilter::All).await.unwrap(), 0);
}

#[tokio::test]
async fn documents_are_fetched_so_often_for_an_address_and_known_ones_go_on() {
    // LIM-1, CIMD-11
    let site = site(|limits| limits.fetch_source = Quota::new(2, MINUTE)).await;
    let mut known = site.visit(KnownClient::Document).await.unwrap();
    known.connect().await.unwrap();
    let mut stranger = site.visit(KnownClient::Document).await.unwrap();
    let mut last = None;
    for n in 0..4 {
        let (request, _) = stranger.request().unwrap();
        let request = request.set("client_id", &format!("https://app{n}.example/client.json"));
        last = Some(stranger.browser.get(request.url().as_str()).await.unwrap());
    }
    let last = last.unwrap();
    expect::shown(&last, 429);
    assert_eq!(last.headers["retry-after"], "30");
    assert_eq!(site.documents().requests().len(), 2);
    known.connect().await.unwrap();
}

#[tokio::test]
async fn proxies_are_believed_only_where_they_are_trusted() {
    // LIM-9
    let bend = |server: oauth_server::Builder| {
        let mut limits = Limits::default();
        limits.authorize_source = Quota::new(1, MINUTE);
        server.limits(limits).trusted_proxy("192.0.2.0/24")
    };
    let site = Site::builder().server(bend).build().await.unwrap();
    let visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let from = |peer: [u8; 4], forwarded: &'static str| {
        let name = http::HeaderName::from_static("x-forwarded-for");
        let browser = Browser::new(site.wire_from(IpAddr::from(peer)));
        let mut browser = browser.with_header(name, http::HeaderValue::from_static(forwarded));
        let url = request.url();
        async move { browser.get(url.as_str()).await.unwrap().status.as_u16() }
    };
    // Behind the proxy each is counted by itself, whatever they claim to be themselves.
    assert_eq!(from([192, 0, 2, 1], "203.0.113.1").await, 200);
    assert_eq!(from([192, 0, 2, 1], "203.0.113.2").await, 200);
    assert_eq!(from([192, 0, 2, 1], "198.51.100.1, 203.0.113.2").await, 429);
    // From elsewhere the header says nothing.
    assert_eq!(from([198, 51, 100, 9], "203.0.113.3").await, 200);
    assert_eq!(from([198, 51, 100, 9], "203.0.113.4").await, 429);
}

#[tokio::test]
async fn one_wrong_secret_and_a_clock_that_is_set_back_lock_no_client_out_for_a_day() {
    // LIM-4, CAUTH-18
    let bend = |server: oauth_server::Builder| {
        let mut limits = Limits::insecure_unlimited();
        limits.wrong_secret = Quota::new(20, MINUTE);
        server.limits(limits)
    };
    let site = Site::builder().server(bend).build().await.unwrap();
    let mut visit = site.visit(KnownClient::Gateway).await.unwrap();
    let mut tokens = visit.connect().await.unwrap();
    let mut wrong = visit.refresh(&tokens).unwrap();
    wrong.headers.clear();
    assert_eq!(visit.send(&wrong.basic("gateway", "wrong")).await.unwrap().status, 401);
    site.clock().step_back(DAY);
    // On the safe side at first, and for as long as wrong secrets are counted over.
    let _ = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap();
    site.clock().advance(MINUTE);
    tokens = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
}
