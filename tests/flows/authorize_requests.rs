//! What a request to `/authorize` may say, and what comes of it: resource, scope, prompt, age, method.

use std::time::Duration;

use http::Request;
use oauth_testing::{AuthorizeRequest, Callback, KnownClient, Page, Person, Site, Tokens, Visit, Wire as _};

use crate::expect;

async fn site_and_visit(client: KnownClient) -> (Site, Visit) {
    let site = Site::builder()
        .server(|server| server.resource("https://bare.example").resource("https://other.example/mcp"))
        .build()
        .await
        .unwrap();
    let visit = site.visit(client).await.unwrap();
    (site, visit)
}

async fn get(visit: &mut Visit, request: &AuthorizeRequest) -> Page {
    visit.browser.get(request.url().as_str()).await.unwrap()
}

/// The tokens of a request, however the user gets there, and what they are for.
async fn tokens(visit: &mut Visit, bend: impl Fn(AuthorizeRequest) -> AuthorizeRequest) -> Tokens {
    let (request, pkce) = visit.request().unwrap();
    let request = bend(request);
    let callback = visit.answer(&request).await.unwrap();
    let redeem = visit.redeem(&callback, &pkce).unwrap().remove("resource");
    visit.send(&redeem).await.unwrap().tokens().unwrap()
}

async fn audience(site: &Site, tokens: &Tokens) -> Vec<String> {
    let key = oauth_core::CredentialKey::of(&tokens.access_token).unwrap();
    let found = site.stores().grants.find(&key).await.unwrap().unwrap();
    found.credential.resources.as_slice().iter().map(|resource| resource.as_str().to_owned()).collect()
}

#[tokio::test]
async fn tokens_are_for_the_resource_that_was_asked_for() {
    // AS-41 to AS-43, TOK-9, TOK-10
    let (site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    for (asked, got) in [
        (vec![], vec![Site::MCP]),
        (vec![Site::MCP], vec![Site::MCP]),
        (vec!["https://bare.example/"], vec!["https://bare.example"]),
        (vec!["https://bare.example"], vec!["https://bare.example"]),
        (vec!["HTTPS://OTHER.example/mcp"], vec!["https://other.example/mcp"]),
        (vec![Site::MCP, "https://other.example/mcp"], vec![Site::MCP, "https://other.example/mcp"]),
    ] {
        let tokens = tokens(&mut visit, |request| {
            asked
                .iter()
                .fold(request.remove("resource"), |request, resource| request.add("resource", resource))
        })
        .await;
        let mut aud = audience(&site, &tokens).await;
        aud.sort_by_key(|resource| got.iter().position(|other| other == resource));
        assert_eq!(aud, got, "{asked:?}");
        let works = got.contains(&Site::MCP);
        assert_eq!(
            visit.call_tool(&tokens, "list_notes").await.unwrap().http.status == 200,
            works,
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn of_the_scopes_what_is_known_is_granted_and_told() {
    // AS-28, AS-44, AS-45, TOK-5
    let (_site, mut visit) = site_and_visit(KnownClient::Desktop).await;
    for (asked, got) in [
        (None, "notes:read notes:write"),
        (Some(""), "notes:read notes:write"),
        (Some("notes:write"), "notes:write"),
        (Some("notes:read admin openid"), "notes:read"),
        (Some("notes:read notes:delete"), "notes:delete notes:read"),
        (Some("offline_access"), "notes:read notes:write"),
        (Some("notes:read offline_access"), "notes:read"),
    ] {
        let tokens = tokens(&mut visit, |request| match asked {
            Some(scope) => request.set("scope", scope),
            None => request.remove("scope"),
        })
        .await;
        assert_eq!(tokens.scope.as_deref(), Some(got), "{asked:?}");
        assert!(tokens.refresh_token.is_some());
    }
}

#[tokio::test]
async fn what_is_unknown_is_ignored_and_what_is_empty_is_absent() {
    // AS-28, AS-40
    let (_site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    let (request, _) = visit.request().unwrap();
    let request = request
        .set("state", "")
        .set("foo", "1")
        .set("nonce", "")
        .set("request", "")
        .set("response_mode", "query")
        .set("audience", "https://x.example");
    let callback = visit.answer(&request).await.unwrap();
    assert_eq!((callback.code().is_ok(), callback.state()), (true, None));
}

#[tokio::test]
async fn state_comes_back_as_it_went() {
    // AS-55
    let (_site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    visit.connect().await.unwrap();
    for state in
        ["a b+c%20d", "ä𝄞\u{202e}", "<script>alert(1)</script>\"'", "%00", "&code=x#f", &"s".repeat(4096)]
    {
        let (request, _) = visit.request().unwrap();
        let request = request.set("state", state);
        let page = get(&mut visit, &request).await;
        assert!(expect::told(&page, &request).code().is_ok());
    }
}

#[tokio::test]
async fn a_request_may_come_by_post_too() {
    // AS-27: the same table of checks, the same answer.
    let (site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    let (request, _) = visit.request().unwrap();
    let html = format!(
        "<form method=post action={}/authorize>{}<button>Go</button></form>",
        Site::ORIGIN,
        request
            .pairs
            .iter()
            .map(|(name, value)| format!("<input type=hidden name={name} value='{value}'>"))
            .collect::<String>()
    );
    let app = Page::of_html("https://app.example/", &html);
    let page = visit.browser.submit(app.form_with_button("Go").unwrap(), &[], Some("Go")).await.unwrap();
    // By 303 to the same by GET: only then are the browser's cookies there.
    assert_eq!((page.status.as_u16(), page.location().unwrap().path()), (303, "/authorize"));
    let page = visit.browser.follow(&page).await.unwrap();
    expect::shown(&page, 200);
    let page = visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    let page = visit.browser.follow(&page).await.unwrap();
    let page = visit.person.decide(&mut visit.browser, &page).await.unwrap();
    assert!(expect::told(&page, &request).code().is_ok());

    let bad = Request::post(format!("{}/authorize", Site::ORIGIN)).header("content-type", "application/json");
    let answer = site.wire().send(bad.body("{}".into()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("location")), (400, false));
}

#[tokio::test]
async fn silence_is_answered_without_any_page() {
    // AS-51
    let (site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    let silent = |visit: &Visit| visit.request().unwrap().0.set("prompt", "none");
    let request = silent(&visit);
    let page = get(&mut visit, &request).await;
    assert_eq!(expect::told(&page, &request).error(), Some("login_required"));

    // Signed in for another client: nobody agreed to this one yet.
    let mut other = site.visit(KnownClient::Gateway).await.unwrap();
    std::mem::swap(&mut other.browser, &mut visit.browser);
    other.connect().await.unwrap();
    std::mem::swap(&mut other.browser, &mut visit.browser);
    let request = silent(&visit);
    let page = get(&mut visit, &request).await;
    assert_eq!(expect::told(&page, &request).error(), Some("consent_required"));

    visit.connect().await.unwrap();
    let request = silent(&visit);
    let page = get(&mut visit, &request).await;
    assert!(expect::told(&page, &request).code().is_ok());
    // More than they agreed to.
    let request = silent(&visit).set("scope", "notes:read notes:delete");
    let page = get(&mut visit, &request).await;
    assert_eq!(expect::told(&page, &request).error(), Some("consent_required"));
    // A sign-in that is too old.
    site.clock().advance(Duration::from_secs(100));
    let request = silent(&visit).set("max_age", "60");
    let page = get(&mut visit, &request).await;
    assert_eq!(expect::told(&page, &request).error(), Some("login_required"));
}

#[tokio::test]
async fn a_loopback_client_is_never_answered_in_silence() {
    // AS-56, AS-51
    let (_site, mut visit) = site_and_visit(KnownClient::Desktop).await;
    visit.connect().await.unwrap();
    let request = visit.request().unwrap().0.set("prompt", "none");
    let page = get(&mut visit, &request).await;
    assert_eq!(expect::told(&page, &request).error(), Some("consent_required"));
}

/// Which page comes up: `sign in`, `consent`, or none.
fn page_of(page: &Page) -> &'static str {
    if page.form_with_field("passphrase").is_ok() {
        "sign in"
    } else if page.form_with_button("allow").is_ok() {
        "consent"
    } else {
        "none"
    }
}

#[tokio::test]
async fn prompts_and_ages_ask_again_for_what_they_name() {
    // AS-52, AS-53
    let (site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    visit.connect().await.unwrap();
    site.clock().advance(Duration::from_secs(100));
    for (name, value, asks) in [
        ("prompt", "login", "sign in"),
        ("prompt", "select_account", "sign in"),
        ("prompt", "consent", "consent"),
        ("prompt", "login consent", "sign in"),
        ("prompt", "something", "none"),
        ("max_age", "60", "sign in"),
        ("max_age", "0", "sign in"),
        ("max_age", "100", "none"),
        ("max_age", "4294967295", "none"),
    ] {
        let (request, _) = visit.request().unwrap();
        let page = get(&mut visit, &request.set(name, value)).await;
        assert_eq!(page_of(&page), asks, "{name}={value}");
    }
}

#[tokio::test]
async fn signing_in_again_satisfies_who_asked_for_it() {
    // AS-52: once, not in a circle; and the sign-in's time is the new one.
    let (site, mut visit) = site_and_visit(KnownClient::WebApp).await;
    visit.connect().await.unwrap();
    for (name, value) in
        [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0"), ("prompt", "login consent")]
    {
        site.clock().advance(Duration::from_secs(10));
        let (request, _) = visit.request().unwrap();
        let callback: Callback = visit.answer(&request.set(name, value)).await.unwrap();
        let key = oauth_core::CredentialKey::of(callback.code().unwrap()).unwrap();
        let grant = site.stores().grants.find(&key).await.unwrap().unwrap().grant;
        assert_eq!(grant.auth_time, Some(oauth_core::Clock::now(site.clock())), "{name}={value}");
    }
    // A wrong passphrase is no sign-in, though a session is there.
    visit.person = Person::new("wrong wrong wrong wrong");
    let (request, _) = visit.request().unwrap();
    assert!(visit.answer(&request.set("prompt", "login")).await.is_err());
}
