//! Browsers: who is signed in, in which tab, on which page, and for how long.

use std::time::Duration;

use oauth_testing::{AuthorizeRequest, Browser, Cookie, KnownClient, Page, Person, SameSite, Site, Visit};

use crate::expect;

const SESSION: &str = "__Host-oauth-session";
const BROWSER: &str = "__Host-oauth-browser";

async fn sign_in_page(visit: &mut Visit) -> (AuthorizeRequest, Page) {
    let (request, _) = visit.request().unwrap();
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    (request, page)
}

async fn consent_page(visit: &mut Visit) -> (AuthorizeRequest, Page) {
    let (request, page) = sign_in_page(visit).await;
    let page = match page.form_with_field("passphrase") {
        Ok(_) => visit.person.sign_in(&mut visit.browser, &page).await.unwrap(),
        Err(_) => return (request, page),
    };
    (request, visit.browser.follow(&page).await.unwrap())
}

fn cookie<'b>(browser: &'b Browser, name: &str) -> Option<&'b Cookie> {
    browser.cookies().iter().find(|cookie| cookie.name == name)
}

#[tokio::test]
async fn cookies_are_the_strictest_that_work_and_nobody_is_stored_before_they_sign_in() {
    // AS-75, LIM-2
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    site.faults().reset();
    let (_, page) = sign_in_page(&mut visit).await;
    assert!(site.faults().calls().is_empty(), "{:?}", site.faults().calls());
    visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    for step in visit.browser.history() {
        for (text, taken) in &step.cookies {
            assert!(taken, "{text}");
            for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                assert!(text.contains(attribute), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
    }
    for name in [SESSION, BROWSER] {
        let cookie = cookie(&visit.browser, name).unwrap();
        assert!(cookie.value.len() >= 43, "256 bits: {name}");
        assert_eq!(cookie.same_site, SameSite::Lax);
    }
}

#[tokio::test]
async fn a_sign_in_makes_a_new_session_and_ends_the_one_before() {
    // AS-76
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    // Somebody fixed a session before the user came.
    let fixed = format!("{SESSION}=fixed-by-somebody; Secure; Path=/; HttpOnly");
    assert!(visit.browser.set_cookie(Site::ORIGIN, &fixed).unwrap());
    let (_, page) = sign_in_page(&mut visit).await;
    visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    let first = cookie(&visit.browser, SESSION).unwrap().value.clone();
    assert_ne!(first, "fixed-by-somebody");

    let (request, _) = visit.request().unwrap();
    let page = visit.browser.get(request.set("prompt", "login").url().as_str()).await.unwrap();
    visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    assert_ne!(cookie(&visit.browser, SESSION).unwrap().value, first);
    // The one before opens nothing.
    let mut thief = site.browser();
    assert!(thief.set_cookie(Site::ORIGIN, &format!("{SESSION}={first}; Secure; Path=/; HttpOnly")).unwrap());
    let (request, _) = visit.request().unwrap();
    let page = thief.get(request.url().as_str()).await.unwrap();
    assert!(page.form_with_field("passphrase").is_ok());
}

#[tokio::test]
async fn a_session_ends_by_the_clock() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    let session = cookie(&visit.browser, SESSION).unwrap().value.clone();
    site.clock().advance(Duration::from_secs(12 * 3600));
    // Even for a browser that keeps its cookies for ever.
    visit.browser.clear_cookies();
    assert!(visit.browser.set_cookie(Site::ORIGIN, &format!("{SESSION}={session}; Secure; Path=/")).unwrap());
    let (_, page) = sign_in_page(&mut visit).await;
    assert!(page.form_with_field("passphrase").is_ok());
}

#[tokio::test]
async fn two_tabs_end_in_reverse_order_each_at_its_own_client() {
    // AS-77
    let site = Site::new().await.unwrap();
    let mut one = site.visit(KnownClient::WebApp).await.unwrap();
    let other = site.visit(KnownClient::Gateway).await.unwrap();
    let ((first, first_pkce), (second, second_pkce)) = (one.request().unwrap(), other.request().unwrap());
    let browser = &mut one.browser;
    let owner = site.owner();
    let first_tab = browser.get(first.url().as_str()).await.unwrap();
    let second_tab = browser.get(second.url().as_str()).await.unwrap();
    let second_tab = owner.sign_in(browser, &second_tab).await.unwrap();
    let second_tab = browser.follow(&second_tab).await.unwrap();
    // The first tab still shows the sign-in form, and works.
    let first_tab = owner.sign_in(browser, &first_tab).await.unwrap();
    let first_tab = browser.follow(&first_tab).await.unwrap();
    assert!(first_tab.text().contains("Web App") && second_tab.text().contains("Gateway"));
    // Signing in again made a new session, of the same person: both pages go on. In reverse order.
    let second_answer = owner.decide(browser, &second_tab).await.unwrap();
    let first_answer = owner.decide(browser, &first_tab).await.unwrap();
    let to_second = expect::told(&second_answer, &second);
    let to_first = expect::told(&first_answer, &first);
    for (visit, callback, pkce) in [(&one, to_first, first_pkce), (&other, to_second, second_pkce)] {
        let tokens = visit.send(&visit.redeem(&callback, &pkce).unwrap()).await.unwrap().tokens().unwrap();
        visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
        assert_eq!(site.calls().pop().unwrap().client_id.as_deref(), Some(&*visit.registration.client_id));
    }
}

#[tokio::test]
async fn a_page_outlives_a_sign_in_elsewhere_and_not_a_sign_out() {
    // AS-64, AS-77
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (_, page) = consent_page(&mut visit).await;
    // Signed out, and in again, in another tab: what was open before is over.
    let (_, other) = consent_page(&mut visit).await;
    let button = "Use another account";
    let away =
        visit.browser.submit(other.form_with_button(button).unwrap(), &[], Some(button)).await.unwrap();
    let again = visit.browser.follow(&away).await.unwrap();
    let signed_in = visit.person.sign_in(&mut visit.browser, &again).await.unwrap();
    let fresh = visit.browser.follow(&signed_in).await.unwrap();
    for stale in [&page, &other] {
        expect::shown(&visit.person.decide(&mut visit.browser, stale).await.unwrap(), 403);
    }
    let answer = visit.person.decide(&mut visit.browser, &fresh).await.unwrap();
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn pages_that_were_left_open_expire() {
    // AS-83
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let (_, page) = sign_in_page(&mut visit).await;
    site.clock().advance(Duration::from_secs(600));
    let late = visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    expect::shown(&late, 403);
    assert!(late.text().contains("expired"), "{}", late.text());
    assert!(cookie(&visit.browser, SESSION).is_none());

    let (_, page) = consent_page(&mut visit).await;
    site.clock().advance(Duration::from_secs(600));
    expect::shown(&visit.person.decide(&mut visit.browser, &page).await.unwrap(), 403);
}

#[tokio::test]
async fn a_page_is_answered_once() {
    // AS-64, AS-83
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, page) = consent_page(&mut visit).await;
    let answer = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&answer, &request).code().is_ok());
    // Back, and the button again: no second code.
    let again = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    expect::shown(&again, 403);
    assert_eq!(site.stores().grants.count(oauth_core::GrantFilter::All).await.unwrap(), 1);
}

#[tokio::test]
async fn a_sign_in_page_signs_in_once() {
    // AS-64
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, page) = sign_in_page(&mut visit).await;
    let wrong = page.form_with_field("passphrase").unwrap().clone();
    let wrong = visit.browser.submit(&wrong, &[("passphrase", "not it")], None).await.unwrap();
    expect::shown(&wrong, 403);
    let first = visit.person.sign_in(&mut visit.browser, &wrong).await.unwrap();
    let session = cookie(&visit.browser, SESSION).unwrap().value.clone();
    // Back, or a second click: nobody is signed in anew, and the request goes on.
    for page in [&page, &wrong] {
        let second = visit.person.sign_in(&mut visit.browser, page).await.unwrap();
        assert_eq!(second.status, 303);
        assert_eq!(cookie(&visit.browser, SESSION).unwrap().value, session);
        let consent = visit.browser.follow(&second).await.unwrap();
        consent.form_with_button("allow").unwrap();
    }
    let consent = visit.browser.follow(&first).await.unwrap();
    let answer = visit.person.decide(&mut visit.browser, &consent).await.unwrap();
    assert!(expect::told(&answer, &request).code().is_ok());
    // Somebody who gets hold of what was sent, after its user has left, gets no session by it.
    let (_, page) = consent_page(&mut visit).await;
    let button = "Use another account";
    visit.browser.submit(page.form_with_button(button).unwrap(), &[], Some(button)).await.unwrap();
    let stale = visit.person.sign_in(&mut visit.browser, &wrong).await.unwrap();
    expect::shown(&stale, 403);
    assert!(cookie(&visit.browser, SESSION).is_none());
}

#[tokio::test]
async fn what_the_browser_alters_has_no_effect() {
    // AS-83: the ticket is sealed; what stands beside it is not believed.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, page) = consent_page(&mut visit).await;
    let form = page.form_with_button("allow").unwrap().clone();
    let ticket = form.value("ticket").unwrap().to_owned();
    let last = if ticket.ends_with('A') { "B" } else { "A" };
    let other_last = format!("{}{last}", &ticket[..ticket.len() - 1]);
    let middle = ticket.len() / 2;
    let changed = format!(
        "{}{}{}",
        &ticket[..middle],
        if &ticket[middle..=middle] == "x" { "y" } else { "x" },
        &ticket[middle + 1..]
    );
    for bad in ["", "x", &changed, &other_last, &ticket[1..], &format!("{ticket}x")] {
        let forged = form.clone().strip("ticket").forge("ticket", bad);
        let answer = visit.browser.submit(&forged, &[], Some("allow")).await.unwrap();
        expect::shown(&answer, 403);
    }
    let answer = visit.browser.submit(&form.clone().strip("ticket"), &[], Some("allow")).await.unwrap();
    expect::shown(&answer, 403);
    // More of everything: the scopes that were shown are the most there can be.
    let forged = form
        .forge("scope", "notes:delete")
        .forge("client_id", "gateway")
        .forge("redirect_uri", "https://evil.example/cb")
        .forge("state", "other")
        .forge("resource", "https://other.example");
    let answer = visit.browser.submit(&forged, &[], Some("allow")).await.unwrap();
    let callback = expect::told(&answer, &request);
    let key = oauth_core::CredentialKey::of(callback.code().unwrap()).unwrap();
    let grant = site.stores().grants.find(&key).await.unwrap().unwrap().grant;
    assert_eq!((grant.client_id.as_str(), grant.scopes.as_str()), ("desktop", "notes:read notes:write"));
}

#[tokio::test]
async fn a_ticket_of_another_browser_or_session_or_page_opens_nothing() {
    // AS-64, AS-69's like for forms
    let site = Site::new().await.unwrap();
    let mut attacker = site.visit(KnownClient::Desktop).await.unwrap();
    let mut victim = site.visit(KnownClient::Desktop).await.unwrap();
    let (_, sign_in) = sign_in_page(&mut attacker).await;
    let (_, consent) = consent_page(&mut attacker).await;
    let (_, own_consent) = consent_page(&mut victim).await;
    // The attacker's pages, sent by the victim's browser.
    let answer = victim.person.sign_in(&mut victim.browser, &sign_in).await.unwrap();
    expect::shown(&answer, 403);
    let answer = victim.person.decide(&mut victim.browser, &consent).await.unwrap();
    expect::shown(&answer, 403);
    // A sign-in's ticket at the consent endpoint, and the other way round.
    let swapped = own_consent.form_with_button("allow").unwrap().clone().strip("ticket");
    let swapped =
        swapped.forge("ticket", sign_in.form_with_field("passphrase").unwrap().value("ticket").unwrap());
    expect::shown(&victim.browser.submit(&swapped, &[], Some("allow")).await.unwrap(), 403);
    // And the victim's own still works.
    let answer = victim.person.decide(&mut victim.browser, &own_consent).await.unwrap();
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn whoever_shares_the_browser_signs_in_for_themselves() {
    // AS-52's neighbour: "use another account" ends the session and keeps the request.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, page) = consent_page(&mut visit).await;
    let before = cookie(&visit.browser, SESSION).unwrap().value.clone();
    let button = "Use another account";
    let form = page.form_with_button(button).unwrap();
    let away = visit.browser.submit(form, &[], Some(button)).await.unwrap();
    assert!(cookie(&visit.browser, SESSION).is_none());
    let again = visit.browser.follow(&away).await.unwrap();
    expect::shown(&again, 200);
    // The page that was left open is nobody's now.
    expect::shown(&visit.person.decide(&mut visit.browser, &page).await.unwrap(), 403);
    let page = visit.person.sign_in(&mut visit.browser, &again).await.unwrap();
    assert_ne!(cookie(&visit.browser, SESSION).unwrap().value, before);
    let page = visit.browser.follow(&page).await.unwrap();
    let answer = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&answer, &request).code().is_ok());
    // A page's ticket signs nobody out twice, and a stranger's page signs out nobody.
    let evil = Page::of_html(
        "https://evil.example/",
        "<form method=post action=https://mcp.example/sign-out><input name=ticket value=x><button>Go</button></form>",
    );
    let refused = visit.browser.submit(evil.form_with_button("Go").unwrap(), &[], Some("Go")).await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(cookie(&visit.browser, SESSION).is_some());
}

#[tokio::test]
async fn a_wrong_passphrase_says_so_and_the_page_goes_on() {
    // AS-82
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let (request, page) = sign_in_page(&mut visit).await;
    let wrong = Person::new("wrong wrong wrong wrong").sign_in(&mut visit.browser, &page).await.unwrap();
    expect::shown(&wrong, 403);
    assert!(wrong.text().contains("not the passphrase"), "{}", wrong.text());
    assert!(cookie(&visit.browser, SESSION).is_none());
    let page = visit.person.sign_in(&mut visit.browser, &wrong).await.unwrap();
    let page = visit.browser.follow(&page).await.unwrap();
    let answer = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&answer, &request).code().is_ok());
    assert!(site.events().iter().any(|event| event.starts_with("sign_in_refused")));
}
