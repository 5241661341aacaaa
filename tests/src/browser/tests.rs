//! The browser against a server that says what it got.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap as Headers;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue};
use oauth_core::testing::FixedClock;
use std::sync::Arc;

use super::*;
use crate::wire::{Hosts, InProcess};

/// Shows the headers that matter, sets cookies, redirects.
fn server() -> Router {
    async fn seen(request: Request) -> String {
        let header =
            |name: &str| request.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let shown = ["cookie", "origin", "sec-fetch-site", "x-forwarded-for"].map(header).join(" | ");
        format!("{} {} {shown}", request.method(), request.headers()["host"].to_str().unwrap())
    }
    async fn sign_in() -> impl IntoResponse {
        let mut headers = Headers::new();
        for cookie in [
            "__Host-s=1; Secure; Path=/; SameSite=Strict",
            "l=2; SameSite=Lax; Max-Age=60",
            "b=3; Domain=other.example",
        ] {
            headers.append("set-cookie", cookie.parse().unwrap());
        }
        (headers, "in")
    }
    let form = |policy: &'static str| {
        let html = Html("<form method=post action=https://as.example/seen><button>Go</button></form>");
        get(move || async move { ([("referrer-policy", policy)], html) })
    };
    Router::new()
        .route("/seen", get(seen).post(seen))
        .route("/sign-in", get(sign_in))
        .route("/form", form("same-origin"))
        .route("/silent", form("no-referrer"))
        .route("/away", get(|| async { Redirect::to("https://evil.example/back") }))
        .route("/back", get(|| async { Redirect::to("https://as.example/seen") }))
        .route("/loop", get(|| async { Redirect::to("/loop") }))
        .route("/again", post(|| async { Redirect::temporary("/seen") }))
}

fn browser() -> Browser {
    let wire = InProcess::new(server());
    let hosts = ["https://as.example", "https://evil.example", "http://127.0.0.1:8000"];
    Browser::new(hosts.iter().fold(Hosts::new(), |all, origin| all.with(origin, wire.clone())))
}

async fn press(browser: &mut Browser, page: &str) -> String {
    let page = browser.get(page).await.unwrap();
    let form = page.form_with_button("Go").unwrap();
    browser.submit(form, &[], Some("Go")).await.unwrap().html
}

#[tokio::test]
async fn cookies_go_back_to_where_they_came_from() {
    let mut browser = browser();
    browser.get("https://as.example/sign-in").await.unwrap();
    let taken: Vec<_> = browser.history()[0].cookies.iter().map(|(_, taken)| *taken).collect();
    assert_eq!(taken, [true, true, false]);
    let seen = browser.get("https://as.example/seen").await.unwrap();
    assert_eq!(seen.html, "GET as.example __Host-s=1; l=2 | - | none | -");
    assert_eq!(
        browser.get("https://evil.example/seen").await.unwrap().html,
        "GET evil.example - | - | none | -"
    );
}

#[tokio::test]
async fn a_form_of_another_site_posts_without_cookies_and_says_whose_it_is() {
    let mut browser = browser();
    browser.get("https://as.example/sign-in").await.unwrap();
    let own = press(&mut browser, "https://as.example/form").await;
    assert_eq!(own, "POST as.example __Host-s=1; l=2 | https://as.example | same-origin | -");
    assert_eq!(
        press(&mut browser, "https://evil.example/form").await,
        "POST as.example - | null | cross-site | -"
    );
    // What a page that sends no referrer does to its own forms.
    let silent = press(&mut browser, "https://as.example/silent").await;
    assert_eq!(silent, "POST as.example __Host-s=1; l=2 | null | same-origin | -");
}

#[tokio::test]
async fn a_link_of_another_site_carries_lax_cookies_alone() {
    let mut browser = browser();
    browser.get("https://as.example/sign-in").await.unwrap();
    let evil = Page::of_html("https://evil.example/", "<a href=https://as.example/seen>Click</a>");
    let seen = browser.click(&evil, &evil.links()[0].0).await.unwrap();
    assert_eq!(seen.html, "GET as.example l=2 | - | cross-site | -");
}

#[tokio::test]
async fn redirects_are_followed_only_when_told() {
    let mut browser = browser();
    let page = browser.get("https://as.example/away").await.unwrap();
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.history().len(), 1);
    let landed = browser.follow_until(page, |_| false).await.unwrap().into_page().unwrap();
    assert_eq!(landed.url.as_str(), "https://as.example/seen");
    assert_eq!(browser.history().len(), 3);
    let page = browser.get("https://as.example/loop").await.unwrap();
    assert!(matches!(browser.follow_until(page, |_| false).await, Err(BrowserError::Endless { .. })));
}

#[tokio::test]
async fn a_redirect_that_would_repeat_a_form_is_refused() {
    // A 307 would send a passphrase on to the client.
    let mut browser = browser();
    let page = Page::of_html(
        "https://as.example/",
        "<form method=post action=/again><input name=p><button>Go</button></form>",
    );
    let page = browser.submit(&page.forms[0], &[("p", "secret")], None).await.unwrap();
    assert!(matches!(browser.follow(&page).await, Err(BrowserError::Shown { .. })));
}

#[tokio::test]
async fn a_strict_browser_keeps_no_secure_cookie_of_loopback() {
    let mut lenient = browser();
    lenient.get("http://127.0.0.1:8000/sign-in").await.unwrap();
    assert_eq!(lenient.cookies().len(), 2);
    let mut strict = browser().with_strict_loopback();
    strict.get("http://127.0.0.1:8000/sign-in").await.unwrap();
    assert_eq!(strict.cookies().len(), 1);
}

#[tokio::test]
async fn cookies_end_by_the_given_clock() {
    let clock = FixedClock::default();
    let mut browser = browser().with_clock(Arc::new(clock.clone()));
    browser.get("https://as.example/sign-in").await.unwrap();
    clock.advance(Duration::from_secs(61));
    let seen = browser.get("https://as.example/seen").await.unwrap();
    assert_eq!(seen.html, "GET as.example __Host-s=1 | - | none | -");
    browser.clear_cookies();
    assert!(browser.set_cookie("https://as.example/", "fixed=1").unwrap());
    assert_eq!(browser.cookies()[0].name, "fixed");
}

#[tokio::test]
async fn a_header_of_ones_own_goes_with_every_request() {
    let address = HeaderValue::from_static("192.0.2.1");
    let mut browser = browser().with_header(HeaderName::from_static("x-forwarded-for"), address);
    assert!(browser.get("https://as.example/seen").await.unwrap().html.ends_with("| 192.0.2.1"));
}
