//! Two processes over one store are one server: whatever one began the other goes on with.

use std::time::Duration;

use oauth_stores::SqliteStore;
use oauth_testing::{Browser, KnownClient, Site, Visit};

use crate::expect;

/// The same browser, talking to the other process.
fn moved(browser: &Browser, to: &Site) -> Browser {
    let mut other = to.browser();
    for cookie in browser.cookies() {
        let header = format!("{}={}; Secure; Path=/; HttpOnly", cookie.name, cookie.value);
        assert!(other.set_cookie(Site::ORIGIN, &header).unwrap());
    }
    other
}

/// The same visit, talking to the other process.
fn at(visit: &Visit, to: &Site) -> Visit {
    Visit {
        client: to.client(visit.client.redirect_uri()).unwrap(),
        found: visit.found.clone(),
        registration: visit.registration.clone(),
        browser: moved(&visit.browser, to),
        person: visit.person.clone(),
    }
}

async fn turns(a: &Site, b: &Site) {
    // Registered at A, asked at B, signed in at A, agreed at B, redeemed at A, refreshed at B.
    let at_a = a.visit_of_newcomer().await.unwrap();
    let mut at_b = at(&at_a, b);
    let (request, pkce) = at_b.request().unwrap();
    let page = at_b.browser.get(request.url().as_str()).await.unwrap();
    let mut at_a = at(&at_b, a);
    let page = at_a.person.sign_in(&mut at_a.browser, &page).await.unwrap();
    let mut at_b = at(&at_a, b);
    let page = at_b.browser.follow(&page).await.unwrap();
    expect::shown(&page, 200);
    let mut at_a = at(&at_b, a);
    let page = at_a.person.decide(&mut at_a.browser, &page).await.unwrap();
    let callback = expect::told(&page, &request);
    let tokens = at_b.send(&at_b.redeem(&callback, &pkce).unwrap()).await.unwrap().tokens().unwrap();
    at_a.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    // A lost reply is repeated by the other one, letter for letter.
    let form = at_a.refresh(&tokens).unwrap();
    let refreshed = at_a.send(&form).await.unwrap().tokens().unwrap();
    assert_eq!(at_b.send(&form).await.unwrap().tokens().unwrap(), refreshed);
    // Revoked at A: refused at A at once, at B when its memory of it ends.
    for visit in [&at_a, &at_b] {
        visit.call_tool(&refreshed, "list_notes").await.unwrap().result().unwrap();
    }
    let revoked =
        at_a.send(&at_a.revoke(refreshed.refresh_token.as_deref().unwrap()).unwrap()).await.unwrap();
    assert_eq!(revoked.status, 200);
    assert_eq!(at_a.call_tool(&refreshed, "list_notes").await.unwrap().http.status, 401);
    assert_eq!(at_b.send(&at_b.refresh(&refreshed).unwrap()).await.unwrap().error(), Some("invalid_grant"));
    for site in [a, b] {
        site.clock().advance(Duration::from_secs(11));
    }
    assert_eq!(at_b.call_tool(&refreshed, "list_notes").await.unwrap().http.status, 401);
}

#[tokio::test]
async fn whatever_one_began_the_other_goes_on_with() {
    for site in [Site::builder(), Site::builder().store(SqliteStore::in_memory().unwrap())] {
        let a = site.build().await.unwrap();
        let b = a.twin().await.unwrap();
        turns(&a, &b).await;
    }
}

#[tokio::test]
async fn it_is_so_for_two_that_share_nothing_but_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = || SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap();
    let a = Site::builder().store(store()).build().await.unwrap();
    let b = Site::builder().store(store()).build().await.unwrap();
    turns(&a, &b).await;
}

#[tokio::test]
async fn a_page_is_answered_once_by_both_together() {
    // AS-83
    let a = Site::new().await.unwrap();
    let b = a.twin().await.unwrap();
    let mut at_a = a.visit(KnownClient::Desktop).await.unwrap();
    at_a.connect().await.unwrap();
    let (request, _) = at_a.request().unwrap();
    let page = at_a.browser.get(request.url().as_str()).await.unwrap();
    let mut at_b = at(&at_a, &b);
    let (one, other) = futures::join!(
        at_a.person.decide(&mut at_a.browser, &page),
        at_b.person.decide(&mut at_b.browser, &page)
    );
    let mut statuses = [one.unwrap().status.as_u16(), other.unwrap().status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403]);
}

#[tokio::test]
async fn a_code_is_redeemed_and_a_token_rotated_once_by_both_together() {
    // AS-59, REF-4
    let a = Site::new().await.unwrap();
    let b = a.twin().await.unwrap();
    let mut at_a = a.visit(KnownClient::Desktop).await.unwrap();
    let (request, pkce) = at_a.request().unwrap();
    let callback = at_a.answer(&request).await.unwrap();
    let form = at_a.redeem(&callback, &pkce).unwrap();
    let at_b = at(&at_a, &b);
    let answers = futures::join!(at_a.send(&form), at_b.send(&form));
    let statuses = [answers.0.unwrap().status.as_u16(), answers.1.unwrap().status.as_u16()];
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");

    let tokens = at_a.connect().await.unwrap();
    let form = at_a.refresh(&tokens).unwrap();
    let (one, other) = futures::join!(at_a.send(&form), at_b.send(&form));
    assert_eq!(one.unwrap().tokens().unwrap(), other.unwrap().tokens().unwrap());
}

#[tokio::test]
async fn guesses_are_counted_by_both_together() {
    // CAUTH-18, AS-61, AS-82: a second server gives nobody more attempts.
    let a = Site::new().await.unwrap();
    let b = a.twin().await.unwrap();
    let mut at_a = a.visit(KnownClient::Gateway).await.unwrap();
    let (request, pkce) = at_a.request().unwrap();
    let callback = at_a.answer(&request).await.unwrap();
    let form = at_a.redeem(&callback, &pkce).unwrap();
    let at_b = at(&at_a, &b);
    let wrong = at_a.client.redeem(
        &at_a.found,
        &oauth_testing::Registration::confidential("gateway", "wrong", "client_secret_basic"),
        callback.code().unwrap(),
        pkce.verifier(),
    );
    let wrong = wrong.unwrap();
    for _ in 0..10 {
        for visit in [&at_a, &at_b] {
            assert_eq!(visit.send(&wrong).await.unwrap().status, 401);
        }
    }
    // The right one as well, now, at either: who guesses must not learn which it was.
    for visit in [&at_a, &at_b] {
        let limited = visit.send(&form).await.unwrap();
        assert_eq!(limited.status, 429);
        assert!(limited.headers.contains_key("retry-after"));
    }
}
