//! Two processes over one store are one server: whatever one began the other goes on with.

use std::time::Duration;

use oauth_core::KeyPurpose;
use oauth_testing::{Browser, KnownClient, Site, Visit};

use crate::engines::{Pair, on_each_engine};
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

async fn whatever_one_began_the_other_goes_on_with(Pair { a, b, .. }: Pair) {
    turns(&a, &b).await;
    turns(&b, &a).await;
}

async fn a_page_is_answered_once_by_both_together(Pair { a, b, .. }: Pair) {
    // AS-83
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

async fn a_code_is_redeemed_and_a_token_rotated_once_by_both_together(Pair { a, b, .. }: Pair) {
    // AS-59, REF-4
    let mut at_a = a.visit(KnownClient::Desktop).await.unwrap();
    let (request, pkce) = at_a.request().unwrap();
    let callback = at_a.answer(&request).await.unwrap();
    let form = at_a.redeem(&callback, &pkce).unwrap();
    let at_b = at(&at_a, &b);
    let answers = futures::join!(at_a.send(&form), at_b.send(&form));
    let statuses = [answers.0.unwrap().status.as_u16(), answers.1.unwrap().status.as_u16()];
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");

    let mut tokens = at_a.connect().await.unwrap();
    for _ in 0..5 {
        let form = at_a.refresh(&tokens).unwrap();
        let (one, other) = futures::join!(at_a.send(&form), at_b.send(&form));
        tokens = one.unwrap().tokens().unwrap();
        assert_eq!(tokens, other.unwrap().tokens().unwrap());
    }
    // Both were at it, and it is one chain: the last token is good for one more.
    at_b.send(&at_b.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
}

async fn a_replay_at_one_ends_the_grant_at_both(Pair { a, b, .. }: Pair) {
    // REF-4
    let mut at_a = a.visit(KnownClient::Desktop).await.unwrap();
    let first = at_a.connect().await.unwrap();
    let at_b = at(&at_a, &b);
    let second = at_b.send(&at_b.refresh(&first).unwrap()).await.unwrap().tokens().unwrap();
    let third = at_a.send(&at_a.refresh(&second).unwrap()).await.unwrap().tokens().unwrap();
    let replay = at_b.send(&at_b.refresh(&first).unwrap()).await.unwrap();
    assert_eq!(replay.error(), Some("invalid_grant"));
    for visit in [&at_a, &at_b] {
        let refused = visit.send(&visit.refresh(&third).unwrap()).await.unwrap();
        assert_eq!(refused.error(), Some("invalid_grant"));
        assert_eq!(visit.call_tool(&third, "list_notes").await.unwrap().http.status, 401);
    }
}

async fn both_have_one_key(Pair { a, b, .. }: Pair) {
    // KEY-7: made by whichever came first.
    let mut keys = Vec::new();
    for site in [&a, &b] {
        let found = site.stores().keys.keys(KeyPurpose::Seal).await.unwrap();
        assert_eq!(found.len(), 1);
        keys.push(found[0].material.to_vec());
    }
    assert_eq!(keys[0], keys[1]);
}

async fn guesses_are_counted_by_both_together(Pair { a, b, .. }: Pair) {
    // CAUTH-18, AS-61, AS-82: a second server gives nobody more attempts.
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

on_each_engine! {
    whatever_one_began_the_other_goes_on_with,
    a_page_is_answered_once_by_both_together,
    a_code_is_redeemed_and_a_token_rotated_once_by_both_together,
    a_replay_at_one_ends_the_grant_at_both,
    both_have_one_key,
    guesses_are_counted_by_both_together,
}
