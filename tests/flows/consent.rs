//! The consent page: what it says, what may be answered, what is remembered and for how long.

use std::time::Duration;

use oauth_core::fetch::Fetched;
use oauth_testing::{AuthorizeRequest, KnownClient, Page, Site, Visit};

use crate::expect;

/// The page that `/authorize` comes to for somebody who is signed in, or signs in now.
async fn asked(
    visit: &mut Visit,
    bend: impl Fn(AuthorizeRequest) -> AuthorizeRequest,
) -> (AuthorizeRequest, Page) {
    let (request, _) = visit.request().unwrap();
    let request = bend(request);
    let mut page = visit.browser.get(request.url().as_str()).await.unwrap();
    if page.form_with_field("passphrase").is_ok() {
        page = visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
        page = visit.browser.follow(&page).await.unwrap();
    }
    (request, page)
}

fn is_consent(page: &Page) -> bool {
    page.status == 200 && page.form_with_button("allow").is_ok()
}

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_it_leads() {
    // AS-65 to AS-67, AS-79, CIMD-16
    let site = Site::new().await.unwrap();
    for (client, says) in [
        (
            KnownClient::WebApp,
            vec!["Web App", "app.example", "Notes", Site::MCP, "Read your notes", "Add notes", "Owner"],
        ),
        (KnownClient::Desktop, vec!["Desktop", "127.0.0.1", "this computer", Site::MCP]),
        (KnownClient::Document, vec!["Tool", "tool.example"]),
    ] {
        let mut visit = site.visit(client).await.unwrap();
        let (_, page) = asked(&mut visit, |request| request).await;
        expect::shown(&page, 200);
        for text in says {
            assert!(page.text().contains(text), "{client:?}: no {text:?} in {}", page.text());
        }
        assert!(page.form_with_button("deny").is_ok() && page.form_with_button("allow").is_ok());
        // Enter in a box sends nothing.
        assert!(page.form_with_button("allow").unwrap().pairs(None).is_ok());
        assert!(visit.browser.submit(page.form_with_button("allow").unwrap(), &[], None).await.is_err());
    }
    let mut visit = site.visit_of_newcomer().await.unwrap();
    let (_, page) = asked(&mut visit, |request| request).await;
    assert!(page.text().to_lowercase().contains("verified"), "{}", page.text());
}

#[tokio::test]
async fn a_denial_is_told_and_grants_nothing() {
    // AS-79, AS-47
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let (request, page) = asked(&mut visit, |request| request).await;
    let answer = visit.person.clone().denying().decide(&mut visit.browser, &page).await.unwrap();
    assert_eq!(expect::told(&answer, &request).error(), Some("access_denied"));
    let all =
        site.stores().grants.list(oauth_core::GrantFilter::All, oauth_core::PageRequest::first(9)).await;
    assert!(
        all.unwrap().items.iter().all(|grant| grant.revoked_at.is_some()),
        "a no is kept, and nothing lives"
    );
    assert!(site.events().iter().any(|event| event.starts_with("consent_denied")));
    // Nothing is remembered of it: the next time they are asked again.
    assert!(is_consent(&asked(&mut visit, |request| request).await.1));
}

#[tokio::test]
async fn neither_button_is_no_answer() {
    // AS-79
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let (_, page) = asked(&mut visit, |request| request).await;
    let form = page.form_with_button("allow").unwrap();
    for decision in [None, Some("maybe"), Some("")] {
        let mut forged = form.clone().strip("decision");
        if let Some(decision) = decision {
            forged = forged.forge("decision", decision);
        }
        // The hidden button closes a dialog that is not there; a script could still send the form.
        forged.controls.retain(|control| control.kind != oauth_testing::ControlKind::Submit);
        let again = visit.browser.submit(&forged, &[], None).await.unwrap();
        assert!(is_consent(&again), "{decision:?}: {}", again.text());
        assert!(again.text().contains("Nothing was decided."), "{}", again.text());
    }
    assert_eq!(site.stores().grants.count(oauth_core::GrantFilter::All).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_unticked_is_not_granted_and_what_is_required_cannot_be() {
    // AS-79
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    visit.person = site.owner().without_scope("notes:write");
    let tokens = visit.connect().await.unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
    assert_eq!(visit.call_tool(&tokens, "add_note").await.unwrap().http.status, 403);
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();

    visit.person = site.owner().without_scope("notes:read");
    assert!(visit.connect().await.is_err(), "there is no such box to change");
    // All boxes off where none is required: permission for nothing is a refusal.
    visit.person = site.owner().without_scope("notes:write");
    let (request, page) = asked(&mut visit, |request| request.set("scope", "notes:write")).await;
    let answer = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert_eq!(expect::told(&answer, &request).error(), Some("access_denied"));
}

#[tokio::test]
async fn a_consent_is_remembered_for_a_client_on_the_web_and_asked_for_again_on_loopback() {
    // AS-56
    let site = Site::new().await.unwrap();
    for (client, remembered) in [
        (KnownClient::WebApp, true),
        (KnownClient::Gateway, true),
        (KnownClient::Document, true),
        (KnownClient::Desktop, false),
    ] {
        let mut visit = site.visit(client).await.unwrap();
        visit.connect().await.unwrap();
        let (request, page) = asked(&mut visit, |request| request).await;
        assert_eq!(!is_consent(&page), remembered, "{client:?}");
        if remembered {
            assert!(expect::told(&page, &request).code().is_ok());
        } else {
            // Nothing is kept of it, not even to show what was allowed before.
            assert!(!page.text().contains("Allowed before"), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn consent_is_for_what_was_shown_and_ends() {
    // AS-68
    let site =
        Site::builder().server(|server| server.resource("https://other.example/mcp")).build().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.person = site.owner().without_scope("notes:write");
    visit.connect().await.unwrap();
    let all = |request: AuthorizeRequest| request;
    assert!(is_consent(&asked(&mut visit, all).await.1), "what was unticked is asked for again");
    let less = |request: AuthorizeRequest| request.set("scope", "notes:read");
    assert!(!is_consent(&asked(&mut visit, less).await.1));
    let more = |request: AuthorizeRequest| request.set("scope", "notes:read notes:delete");
    assert!(is_consent(&asked(&mut visit, more).await.1));
    let elsewhere = |request: AuthorizeRequest| {
        request.set("scope", "notes:read").set("resource", "https://other.example/mcp")
    };
    assert!(is_consent(&asked(&mut visit, elsewhere).await.1));
    let consent = |request: AuthorizeRequest| request.set("scope", "notes:read").set("prompt", "consent");
    assert!(is_consent(&asked(&mut visit, consent).await.1));
    site.clock().advance(Duration::from_secs(180 * 86_400));
    assert!(is_consent(&asked(&mut visit, less).await.1), "after half a year");
}

#[tokio::test]
async fn a_client_that_has_changed_is_asked_about_again() {
    // AS-68, CIMD-12
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    visit.connect().await.unwrap();
    assert!(!is_consent(&asked(&mut visit, |request| request).await.1));
    let id = KnownClient::Document.registration().client_id;
    for (from, to) in
        [("\"Tool\"", "\"Another tool\""), ("http://127.0.0.1/callback", "https://elsewhere.example/cb")]
    {
        let document = KnownClient::DOCUMENT.replace(from, to);
        site.documents().set(id.as_str(), Fetched::json(document));
        site.clock().advance(Duration::from_secs(3600));
        let (_, page) = asked(&mut visit, |request| request).await;
        assert!(is_consent(&page), "{to}");
        let page = visit.person.decide(&mut visit.browser, &page).await.unwrap();
        assert_eq!(page.status, 303);
        assert!(!is_consent(&asked(&mut visit, |request| request).await.1), "{to}: agreed to as it is now");
        site.documents().set(id.as_str(), Fetched::json(KnownClient::DOCUMENT));
        site.clock().advance(Duration::from_secs(3600));
        let (_, page) = asked(&mut visit, |request| request).await;
        visit.person.decide(&mut visit.browser, &page).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_changes_while_its_page_is_open_is_shown_as_it_is() {
    // CIMD-12, A-CONS-10
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    let id = KnownClient::Document.registration().client_id;
    let brief = |document: String| {
        Fetched::json(document)
            .with_header(http::header::CACHE_CONTROL, http::HeaderValue::from_static("max-age=60"))
    };
    site.documents().set(id.as_str(), brief(KnownClient::DOCUMENT.to_owned()));
    let (request, page) = asked(&mut visit, |request| request).await;
    assert!(page.text().contains("Tool"));
    site.documents().set(id.as_str(), brief(KnownClient::DOCUMENT.replace("\"Tool\"", "\"Another tool\"")));
    site.clock().advance(Duration::from_secs(61));
    // A no is a no to whatever the client is now; a yes is not.
    let mut elsewhere = site.visit(KnownClient::Document).await.unwrap();
    let (denied, old) = asked(&mut elsewhere, |request| request).await;
    site.documents().set(id.as_str(), brief(KnownClient::DOCUMENT.replace("\"Tool\"", "\"Third tool\"")));
    site.clock().advance(Duration::from_secs(61));
    let answer = elsewhere.person.clone().denying().decide(&mut elsewhere.browser, &old).await.unwrap();
    assert_eq!(expect::told(&answer, &denied).error(), Some("access_denied"));
    let page = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(is_consent(&page) && page.text().contains("Third tool"), "{}", page.text());
    let live =
        site.stores().grants.list(oauth_core::GrantFilter::All, oauth_core::PageRequest::first(9)).await;
    assert!(live.unwrap().items.iter().all(|grant| grant.revoked_at.is_some()), "the no alone");
    let page = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&page, &request).code().is_ok());
}

/// Another server over the store has seen this document already; here the one before is still fresh.
async fn seen_elsewhere(site: &Site, name: &str) {
    let id = KnownClient::Document.registration().client_id;
    let known = site.stores().clients.find(&id.parse().unwrap()).await.unwrap().unwrap();
    let mut client = known.client;
    client.name = Some(name.into());
    site.stores().clients.update(&client, known.version).await.unwrap();
    let document = KnownClient::DOCUMENT.replace("\"Tool\"", &format!("\"{name}\""));
    site.documents().set(id.as_str(), Fetched::json(document));
}

fn again(request: AuthorizeRequest) -> AuthorizeRequest {
    request.set("prompt", "consent")
}

#[tokio::test]
async fn who_agrees_to_what_another_server_knows_better_is_shown_the_client_anew_and_told_why() {
    // CIMD-12, A-CONS-10
    for agrees in [true, false] {
        let site = Site::new().await.unwrap();
        let mut visit = site.visit(KnownClient::Document).await.unwrap();
        visit.connect().await.unwrap();
        let (request, old) = asked(&mut visit, again).await;
        assert!(is_consent(&old) && old.text().contains("Tool wants to use"));
        assert!(!old.html.contains("role=\"alert\""), "{}", old.text());
        seen_elsewhere(&site, "Another tool").await;

        let page = visit.person.decide(&mut visit.browser, &old).await.unwrap();
        assert!(is_consent(&page), "{} {}", page.status, page.text());
        assert!(page.text().contains("Another tool wants to use"), "{}", page.text());
        assert!(page.html.contains("role=\"alert\">The app has changed what it says of itself"));
        let live = site.stores().grants.list(oauth_core::GrantFilter::All, oauth_core::PageRequest::first(9));
        let live = live.await.unwrap().items.iter().filter(|grant| grant.revoked_at.is_none()).count();
        assert_eq!(live, 1, "the one from before; what was opened for the old page is taken back");
        // The old page is answered.
        let stale = visit.person.decide(&mut visit.browser, &old).await.unwrap();
        assert!(!stale.location().is_some_and(|to| to.query().unwrap_or_default().contains("code=")));

        let person = if agrees { visit.person.clone() } else { visit.person.clone().denying() };
        let answer = person.decide(&mut visit.browser, &page).await.unwrap();
        let callback = expect::told(&answer, &request);
        if agrees {
            assert!(callback.code().is_ok());
            let silently = asked(&mut visit, |request| request).await.1;
            assert!(!is_consent(&silently), "agreed to as it is now");
        } else {
            assert_eq!(callback.error(), Some("access_denied"));
        }
    }
}

#[tokio::test]
async fn a_remembered_consent_is_not_for_what_another_server_knows_better() {
    // CIMD-12, AS-68
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    visit.connect().await.unwrap();
    assert!(!is_consent(&asked(&mut visit, |request| request).await.1));
    seen_elsewhere(&site, "Another tool").await;
    let silent = |request: AuthorizeRequest| request.set("prompt", "none");
    let (request, answer) = asked(&mut visit, silent).await;
    assert_eq!(expect::told(&answer, &request).error(), Some("consent_required"));
    let (request, page) = asked(&mut visit, |request| request).await;
    assert!(is_consent(&page) && page.text().contains("Another tool"), "{}", page.text());
    let answer = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&answer, &request).code().is_ok());
}

#[tokio::test]
async fn a_document_that_cannot_be_fetched_logs_nobody_out() {
    // CIMD-17
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Document).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    site.documents()
        .set_error(KnownClient::Document.registration().client_id, oauth_core::fetch::FetchError::Busy);
    site.clock().advance(Duration::from_secs(2 * 86_400));
    let tokens = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
}
