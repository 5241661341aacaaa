//! What is granted is what was shown, whichever server is answered.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use http::{Method, StatusCode};
use oauth_core::testing::FixedClock;
use oauth_core::{
    FieldKind, GrantFilter, Identity, IdentityProvider, PageRequest, ProviderId, SignInFault, SignInField,
    SignInForm, SignInReply, SignInStart, SignInStep, SignedIn, Stores, async_trait,
};
use oauth_server::{AuthorizationServer, OfferedScope};
use support::browser::{Browser, ticket};
use support::{Answer, CLIENTS, ISSUER, OTHER_RESOURCE, REDIRECT, RESOURCE, authorize_query};

/// Lets everybody in.
struct Door(ProviderId);

#[async_trait]
impl IdentityProvider for Door {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    fn label(&self) -> &str {
        "Door"
    }

    async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        Ok(SignInStep::Form(SignInForm::new([SignInField::new("name", "Name", FieldKind::Text)])))
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        let identity = Identity { provider: self.0.clone(), id: "alice".to_owned() };
        Ok(SignInStep::Done(SignedIn::new(identity, reply.now)))
    }
}

/// A server whose default resource is the first of these.
async fn server(stores: &Stores, resources: [&str; 2]) -> AuthorizationServer {
    server_with(stores, resources, &["notes:read".to_owned()]).await
}

async fn server_with(stores: &Stores, resources: [&str; 2], scopes: &[String]) -> AuthorizationServer {
    let builder = AuthorizationServer::builder(ISSUER, stores.clone());
    let builder = scopes.iter().fold(builder, |builder, name| builder.scope(OfferedScope::new(name, "")));
    let builder = builder
        .resource(resources[0])
        .resource(resources[1])
        .clients_json(CLIENTS)
        .sign_in_with(Door("door".parse().unwrap()))
        .clock(FixedClock::default());
    builder.build().await.unwrap()
}

/// A page as it reads: without the places at which a line may break.
fn read(page: &Answer) -> String {
    page.text().replace("<wbr>", "")
}

/// The page that alice comes to.
async fn consent_page(browser: &mut Browser, server: &AuthorizationServer) -> Answer {
    let asked = browser.go(server, Method::GET, &authorize_query("public", REDIRECT, &[]), &[]).await;
    let form = [("ticket", ticket(&asked)), ("name", "alice")];
    let signed_in = browser.go(server, Method::POST, "/sign-in/door", &form).await;
    browser.go(server, Method::GET, signed_in.header("location"), &[]).await
}

#[tokio::test]
async fn a_page_that_showed_another_resource_grants_nothing() {
    // AS-65, AS-83
    let stores = Stores::memory();
    let (one, other) = (
        server(&stores, [RESOURCE, OTHER_RESOURCE]).await,
        server(&stores, [OTHER_RESOURCE, RESOURCE]).await,
    );
    let mut browser = Browser::default();
    let shown = consent_page(&mut browser, &one).await;
    let text = read(&shown);
    assert!(text.contains(RESOURCE) && !text.contains(OTHER_RESOURCE), "{text}");

    let form = |page: &Answer| {
        [
            ("ticket", ticket(page).to_owned()),
            ("decision", "allow".to_owned()),
            ("scope", "notes:read".to_owned()),
        ]
    };
    let allow = async |browser: &mut Browser, page: &Answer| {
        let form = form(page);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.go(&other, Method::POST, "/authorize/consent", &form).await
    };
    let again = allow(&mut browser, &shown).await;
    assert_eq!((again.status, again.sent_back("code")), (StatusCode::OK, None));
    let text = read(&again);
    assert!(text.contains(OTHER_RESOURCE) && !text.contains(RESOURCE), "{text}");
    assert!(again.text().contains("role=\"alert\">The app would use another server now"));
    assert_eq!(stores.grants.count(GrantFilter::All).await.unwrap(), 0);

    assert!(allow(&mut browser, &again).await.sent_back("code").is_some());
    let grants = stores.grants.list(GrantFilter::All, PageRequest::first(2)).await.unwrap().items;
    let resources: Vec<&str> = grants[0].resources.as_slice().iter().map(|own| own.as_str()).collect();
    assert_eq!(resources, [OTHER_RESOURCE]);
}

#[tokio::test]
async fn a_second_answer_is_told_from_one_that_came_too_late() {
    // AS-64, AS-83
    let stores = Stores::memory();
    let server = server(&stores, [RESOURCE, OTHER_RESOURCE]).await;
    let mut browser = Browser::default();
    let page = consent_page(&mut browser, &server).await;
    let allow = [("ticket", ticket(&page)), ("decision", "allow"), ("scope", "notes:read")];
    let first = browser.go(&server, Method::POST, "/authorize/consent", &allow).await;
    assert!(first.sent_back("code").is_some(), "{first:?}");

    // A grant was opened: nobody is told that nothing was permitted.
    let second = browser.go(&server, Method::POST, "/authorize/consent", &allow).await;
    assert_eq!((second.status, second.sent_back("code")), (StatusCode::FORBIDDEN, None));
    for said in ["This page was answered already", "go back to it and connect again", "<code>answered</code>"]
    {
        assert!(second.text().contains(said), "{said}: {}", second.text());
    }
    assert!(!second.text().contains("Nothing was permitted"), "{}", second.text());
    assert_eq!(stores.grants.count(GrantFilter::All).await.unwrap(), 1);

    let stranger = Browser::default().go(&server, Method::POST, "/authorize/consent", &allow).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    for said in ["This page has expired", "Cookies of this site are blocked.", "<code>expired</code>"] {
        assert!(stranger.text().contains(said), "{said}: {}", stranger.text());
    }
}

#[tokio::test]
async fn there_may_be_as_many_scopes_as_a_server_has_tools() {
    // AS-65, AS-79
    let stores = Stores::memory();
    let scopes: Vec<String> = (0..200).map(|at| format!("tool:{at}")).collect();
    let server = server_with(&stores, [RESOURCE, OTHER_RESOURCE], &scopes).await;
    let mut browser = Browser::default();
    let page = consent_page(&mut browser, &server).await;
    let mut form = vec![("ticket", ticket(&page)), ("decision", "allow")];
    form.extend(scopes.iter().skip(1).map(|scope| ("scope", scope.as_str())));
    let answer = browser.go(&server, Method::POST, "/authorize/consent", &form).await;
    assert!(answer.sent_back("code").is_some(), "{answer:?}");
    let grants = stores.grants.list(GrantFilter::All, PageRequest::first(2)).await.unwrap().items;
    assert_eq!(grants[0].scopes.iter().count(), 199);
}
