//! A tool that wants a fresh sign-in, and a client that gets one (RFC 9470).

use std::time::Duration;

use http::StatusCode;
use oauth_resource::Authentication;
use oauth_testing::{KnownClient, McpAnswer, Site};

use crate::expect;

const MINUTE: Duration = Duration::from_secs(60);

async fn site() -> Site {
    let lately = Authentication::within(5 * MINUTE);
    let rules = Site::builder().rules(move |rules| rules.tool_authentication("add_note", lately.clone()));
    rules.build().await.unwrap()
}

fn demand(answer: &McpAnswer) -> (StatusCode, String, String) {
    let challenges = answer.http.challenges().unwrap();
    let param = |name: &str| challenges[0].param(name).unwrap_or_default().to_owned();
    (answer.http.status, param("error"), param("max_age"))
}

#[tokio::test]
async fn a_client_that_is_asked_for_a_fresh_sign_in_gets_through() {
    // RS-30, AS-52
    let site = site().await;
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    assert_eq!(visit.call_tool(&tokens, "add_note").await.unwrap().http.status, StatusCode::OK);

    site.clock().advance(6 * MINUTE);
    let refused = visit.call_tool(&tokens, "add_note").await.unwrap();
    assert_eq!(
        demand(&refused),
        (StatusCode::UNAUTHORIZED, "insufficient_user_authentication".into(), "300".into())
    );
    // What it had and what it needs: to ask for these scopes loses nothing.
    assert_eq!(refused.http.challenges().unwrap()[0].param("scope"), Some("notes:read notes:write"));
    // Other tools go on.
    assert_eq!(visit.call_tool(&tokens, "list_notes").await.unwrap().http.status, StatusCode::OK);

    // Neither a refresh nor the browser's own session is a sign-in.
    let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    assert_eq!(visit.call_tool(&refreshed, "add_note").await.unwrap().http.status, StatusCode::UNAUTHORIZED);
    let again = visit.connect().await.unwrap();
    assert_eq!(visit.call_tool(&again, "add_note").await.unwrap().http.status, StatusCode::UNAUTHORIZED);

    // The request again, with what the challenge says.
    let (request, pkce) = visit.request().unwrap();
    let request = request.set("max_age", "300");
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    assert!(page.text().contains("passphrase") || page.text().contains("Passphrase"), "{}", page.text());
    let fresh = visit.connect_by(&request, &pkce).await.unwrap();
    assert_eq!(visit.call_tool(&fresh, "add_note").await.unwrap().http.status, StatusCode::OK);
    // For as long as the sign-in is fresh.
    site.clock().advance(4 * MINUTE);
    assert_eq!(visit.call_tool(&fresh, "add_note").await.unwrap().http.status, StatusCode::OK);
    site.clock().advance(2 * MINUTE);
    assert_eq!(visit.call_tool(&fresh, "add_note").await.unwrap().http.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_class_of_authentication_that_nobody_can_meet_is_refused_and_not_ignored() {
    // RS-30: RFC 9470 §5. A client that were answered with a code would come back with it for ever.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::WebApp).await.unwrap();
    visit.connect().await.unwrap();
    let (request, _) = visit.request().unwrap();
    let request = request.set("acr_values", "phr");
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    assert_eq!(expect::told(&page, &request).error(), Some("unmet_authentication_requirements"));
}
