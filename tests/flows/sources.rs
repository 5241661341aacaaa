//! Who counts as one sender, and whom a flood does not harm.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use oauth_core::Quota;
use oauth_server::Limits;
use oauth_testing::{KnownClient, Site, Wire as _};

const MINUTE: Duration = Duration::from_secs(60);

async fn site(limit: impl Fn(&mut Limits) + Send + Sync + 'static) -> Site {
    let bend = move |server: oauth_server::Builder| {
        let mut limits = Limits::default();
        limit(&mut limits);
        server.limits(limits)
    };
    Site::builder().server(bend).build().await.unwrap()
}

fn registration(site: &Site, name: &str) -> Request<Bytes> {
    let body = format!(r#"{{"redirect_uris":["https://{name}.example/cb"],"client_name":"{name}"}}"#);
    let request = Request::post(site.url("/register").as_str()).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_household_of_ipv6_addresses_is_one_sender() {
    // LIM-1, DCR-10
    let site = site(|limits| limits.register_source = Quota::new(3, MINUTE)).await;
    let mut statuses = Vec::new();
    for host in 1..=5 {
        let wire = site.wire_from(format!("2001:db8:1:2::{host}").parse().unwrap());
        let answer = wire.send(registration(&site, &format!("app{host}"))).await.unwrap();
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
    let neighbour = site.wire_from("2001:db8:1:3::1".parse().unwrap());
    assert_eq!(neighbour.send(registration(&site, "neighbour")).await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_flood_under_a_clients_name_does_not_lock_it_out_elsewhere() {
    // LIM-1, CAUTH-18: a client_id is known to everybody.
    let site = site(|limits| {
        limits.token_client = Quota::new(5, MINUTE);
        limits.wrong_secret = Quota::new(3, MINUTE);
    })
    .await;
    let mut visit = site.visit(KnownClient::Legacy).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let flood = site.wire_from("198.51.100.7".parse().unwrap());
    let mut last = 0;
    for _ in 0..10 {
        let body =
            "grant_type=refresh_token&refresh_token=x&client_id=legacy&client_secret=wrong-wrong-wrong";
        let request = Request::post(site.url("/token").as_str());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        last = flood.send(request.body(body.into()).unwrap()).await.unwrap().status().as_u16();
    }
    assert_eq!(last, 429);
    let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap();
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

#[tokio::test]
async fn a_flood_of_registrations_leaves_room_for_others() {
    // DCR-10, A-DCRX-1
    let site = site(|limits| {
        *limits = Limits::insecure_unlimited();
        limits.unused_clients = 40;
    })
    .await;
    let wire = site.wire();
    for client in 0..60 {
        wire.send(registration(&site, &format!("app{client}"))).await.unwrap();
    }
    assert_eq!(wire.send(registration(&site, "late")).await.unwrap().status(), 429);
    // The second half waits for ten minutes, not for a day.
    site.clock().advance(Duration::from_secs(601));
    assert_eq!(wire.send(registration(&site, "late")).await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_redirect_uri_that_a_port_makes_too_long_is_refused_and_nothing_breaks() {
    // AS-30, LIM-8, A-FAULT-10
    let site = Site::new().await.unwrap();
    let prefix = "http://127.0.0.1/";
    let long = format!("{prefix}{}", "a".repeat(2048 - prefix.len()));
    let client = site.client(&long).unwrap();
    let found = client.discover().await.unwrap();
    let registration = client.register(&found, &client.registration()).await.unwrap();
    let mut visit = site.visit_as(registration, &long).await.unwrap();
    let (request, _) = visit.request().unwrap();
    let with_port = long.replacen("127.0.0.1/", "127.0.0.1:65535/", 1);
    let request = request.set("redirect_uri", &with_port).set("prompt", "none");
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    crate::expect::shown(&page, 400);
}
