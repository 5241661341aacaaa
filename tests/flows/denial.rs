//! A no is final: for the page that was answered, and for what was agreed to before.

use oauth_testing::{AuthorizeRequest, KnownClient, Page, Site, Visit};

use crate::expect;

/// The consent page, asked for by `prompt=consent`.
async fn asked_again(visit: &mut Visit) -> (AuthorizeRequest, Page) {
    let (request, _) = visit.request().unwrap();
    let request = request.set("prompt", "consent");
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    assert!(page.form_with_button("allow").is_ok(), "{}", page.text());
    (request, page)
}

/// What `prompt=none` answers for these scopes.
async fn silently(visit: &mut Visit, scope: &str) -> Result<String, String> {
    let (request, _) = visit.request().unwrap();
    let request = request.set("prompt", "none").set("scope", scope);
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    let callback = expect::told(&page, &request);
    match callback.error() {
        Some(error) => Err(error.to_owned()),
        None => Ok(callback.code().unwrap().to_owned()),
    }
}

#[tokio::test]
async fn a_page_that_was_denied_cannot_be_allowed_afterwards() {
    // AS-64, AS-83, A-MIX-7
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    let (request, page) = asked_again(&mut visit).await;
    let denied = visit.person.clone().denying().decide(&mut visit.browser, &page).await.unwrap();
    assert_eq!(expect::told(&denied, &request).error(), Some("access_denied"));
    for person in [visit.person.clone(), visit.person.clone().denying()] {
        let again = person.decide(&mut visit.browser, &page).await.unwrap();
        expect::shown(&again, 403);
    }
}

#[tokio::test]
async fn a_no_takes_back_what_was_agreed_to_before() {
    // AS-68, AS-79
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    assert!(silently(&mut visit, "notes:read").await.is_ok());
    let (_, page) = asked_again(&mut visit).await;
    visit.person.clone().denying().decide(&mut visit.browser, &page).await.unwrap();
    assert_eq!(silently(&mut visit, "notes:read").await, Err("consent_required".to_owned()));
}

#[tokio::test]
async fn what_is_unticked_now_was_not_agreed_to_before() {
    // AS-68, AS-79
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    assert!(silently(&mut visit, "notes:read notes:write").await.is_ok());
    let (_, page) = asked_again(&mut visit).await;
    let person = site.owner().without_scope("notes:write");
    person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(silently(&mut visit, "notes:read").await.is_ok());
    assert_eq!(silently(&mut visit, "notes:read notes:write").await, Err("consent_required".to_owned()));
}
