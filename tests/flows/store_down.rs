//! A store that fails: at every call of every step, before and after it did what it was asked.
//!
//! Each step of the way runs once to count its store calls, and then once for each of them, on a fresh site, with that call failing.

use http::{HeaderMap, StatusCode};
use oauth_core::{GrantFilter, MemoryStore};
use oauth_stores::SqliteStore;
use oauth_testing::{
    AuthorizeRequest, Browser, KnownClient, Page, Pkce, Site, SiteBuilder, TokenRequest, Tokens, Visit,
};

use crate::expect;

/// A step of the whole path: one request, and everything that must be there before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Register,
    /// `/authorize` of somebody who is not signed in.
    Authorize,
    SignIn,
    /// `/authorize/continue`, which shows the consent page.
    Continue,
    Consent,
    Deny,
    /// `/authorize` of somebody who agreed before.
    Remembered,
    /// A faulty request of a client that nobody vouches for.
    Told,
    SignOut,
    Redeem,
    Refresh,
    Revoke,
    Introspect,
    ToolCall,
}

const STEPS: [Step; 14] = [
    Step::Register,
    Step::Authorize,
    Step::SignIn,
    Step::Continue,
    Step::Consent,
    Step::Deny,
    Step::Remembered,
    Step::Told,
    Step::SignOut,
    Step::Redeem,
    Step::Refresh,
    Step::Revoke,
    Step::Introspect,
    Step::ToolCall,
];

/// Whose step it is: a client with a registration to be looked up, or one with a secret to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientKind {
    Newcomer,
    Gateway,
}

/// Every step, by both.
fn walks() -> impl Iterator<Item = (Step, ClientKind)> {
    STEPS.into_iter().flat_map(|step| [(step, ClientKind::Newcomer), (step, ClientKind::Gateway)])
}

/// What is done after the answer is certain: it may fail without harm.
const BEST_EFFORT: [&str; 2] = ["clients.renew", "consents.remember"];

/// A step that is ready to be done.
struct Ready {
    visit: Visit,
    step: Step,
    request: AuthorizeRequest,
    pkce: Pkce,
    page: Option<Page>,
    form: Option<TokenRequest>,
    tokens: Option<Tokens>,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    page: Option<Page>,
}

impl Step {
    /// Everything before the step.
    async fn ready(self, site: &Site, client: ClientKind) -> Ready {
        let visit = match (self, client) {
            (Self::Remembered, _) => site.visit(KnownClient::WebApp).await,
            // Without a secret nobody introspects, and whom somebody vouches for is told at once.
            (Self::Told, _) | (_, ClientKind::Newcomer) if self != Self::Introspect => {
                site.visit_of_newcomer().await
            }
            _ => site.visit(KnownClient::Gateway).await,
        };
        let visit = visit.unwrap();
        let (request, pkce) = visit.request().unwrap();
        let mut ready = Ready { visit, step: self, request, pkce, page: None, form: None, tokens: None };
        let visit = &mut ready.visit;
        let browser = &mut visit.browser;
        match self {
            Self::Register | Self::Authorize => {}
            Self::SignIn => ready.page = Some(browser.get(ready.request.url().as_str()).await.unwrap()),
            Self::Continue => ready.page = Some(signed_in(site, browser, &ready.request).await),
            Self::Consent | Self::Deny | Self::SignOut => {
                let page = signed_in(site, browser, &ready.request).await;
                ready.page = Some(browser.follow(&page).await.unwrap());
            }
            Self::Remembered | Self::Revoke | Self::Introspect | Self::ToolCall | Self::Refresh => {
                let tokens = visit.connect().await.unwrap();
                ready.form = match self {
                    Self::Refresh => Some(visit.refresh(&tokens).unwrap()),
                    Self::Revoke => Some(visit.revoke(&tokens.access_token).unwrap()),
                    Self::Introspect => {
                        let caller = &visit.registration;
                        Some(visit.client.introspect(&visit.found, caller, &tokens.access_token).unwrap())
                    }
                    _ => None,
                };
                ready.tokens = Some(tokens);
            }
            Self::Told => {
                visit.connect().await.unwrap();
                ready.request = ready.request.clone().set("response_type", "token");
            }
            Self::Redeem => {
                let callback = visit.answer(&ready.request).await.unwrap();
                ready.form = Some(visit.redeem(&callback, &ready.pkce).unwrap());
            }
        }
        ready
    }
}

async fn signed_in(site: &Site, browser: &mut Browser, request: &AuthorizeRequest) -> Page {
    let page = browser.get(request.url().as_str()).await.unwrap();
    site.owner().sign_in(browser, &page).await.unwrap()
}

impl Ready {
    async fn go(&mut self) -> Outcome {
        let visit = &mut self.visit;
        let browser = &mut visit.browser;
        let page = match self.step {
            Step::Authorize | Step::Remembered | Step::Told => {
                browser.get(self.request.url().as_str()).await.unwrap()
            }
            Step::SignIn => visit.person.sign_in(browser, self.page.as_ref().unwrap()).await.unwrap(),
            Step::Continue => browser.follow(self.page.as_ref().unwrap()).await.unwrap(),
            Step::Consent => visit.person.decide(browser, self.page.as_ref().unwrap()).await.unwrap(),
            Step::Deny => {
                let page = self.page.as_ref().unwrap();
                visit.person.clone().denying().decide(browser, page).await.unwrap()
            }
            Step::SignOut => {
                let button = "Use another account";
                let form = self.page.as_ref().unwrap().form_with_button(button).unwrap();
                browser.submit(form, &[], Some(button)).await.unwrap()
            }
            Step::Register => {
                let url = visit.found.endpoint("registration_endpoint").unwrap();
                let answer =
                    visit.client.post_json(&url, None, &visit.client.registration().json).await.unwrap();
                return Outcome::of(&answer);
            }
            Step::Redeem | Step::Refresh | Step::Revoke | Step::Introspect => {
                return Outcome::of(&visit.send(self.form.as_ref().unwrap()).await.unwrap());
            }
            Step::ToolCall => {
                return Outcome::of(
                    &visit.call_tool(self.tokens.as_ref().unwrap(), "list_notes").await.unwrap().http,
                );
            }
        };
        Outcome {
            status: page.status,
            headers: page.headers.clone(),
            body: page.html.clone(),
            page: Some(page),
        }
    }
}

impl Outcome {
    fn of(answer: &oauth_testing::Answer) -> Self {
        Self { status: answer.status, headers: answer.headers.clone(), body: answer.text(), page: None }
    }

    fn is_success(&self) -> bool {
        self.status.is_success() || self.status.is_redirection()
    }

    /// 503 with `Retry-After`, as a page or as JSON, and nothing that anybody could use.
    #[track_caller]
    fn assert_unavailable(&self, what: &str) {
        assert_eq!(self.status, 503, "{what}: {}", self.body);
        let after = self.headers.get("retry-after").unwrap_or_else(|| panic!("{what}: no retry-after"));
        assert!(after.to_str().unwrap().parse::<u32>().is_ok_and(|seconds| seconds > 0), "{what}");
        assert!(
            !self.headers.contains_key("location") && !self.headers.contains_key("www-authenticate"),
            "{what}"
        );
        match &self.page {
            Some(page) => expect::shown_unavailable(page),
            None => {
                let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
                for member in ["access_token", "refresh_token", "client_id", "active"] {
                    assert!(json.get(member).is_none(), "{what}: {}", self.body);
                }
            }
        }
        // A-LOGX-4: no word of what failed.
        assert!(!self.body.contains("injected"), "{what}: {}", self.body);
    }
}

async fn site(store: impl FnOnce(SiteBuilder) -> SiteBuilder) -> Site {
    store(Site::builder()).build().await.unwrap()
}

/// The calls of a step, counted on a site of its own.
async fn calls_of(
    step: Step,
    client: ClientKind,
    fresh: fn(SiteBuilder) -> SiteBuilder,
) -> Vec<&'static str> {
    let site = site(fresh).await;
    let mut ready = step.ready(&site, client).await;
    site.faults().reset();
    let outcome = ready.go().await;
    assert!(outcome.is_success(), "{step:?}: {outcome:?}");
    site.faults().calls()
}

/// Whether a failure of the n-th call may go unnoticed.
fn is_best_effort(step: Step, calls: &[&str], n: usize) -> bool {
    let remembering = step == Step::Consent && calls[..n].contains(&"grants.open");
    BEST_EFFORT.contains(&calls[n]) || (remembering && calls[n].starts_with("consents."))
}

async fn every_refusal(fresh: fn(SiteBuilder) -> SiteBuilder) {
    for (step, client) in walks() {
        let calls = calls_of(step, client, fresh).await;
        assert!(!calls.is_empty() || step == Step::Authorize, "{step:?} asks nothing of the store");
        for (n, name) in calls.iter().enumerate() {
            let what = format!("{step:?} of {client:?}: {name} ({n} of {calls:?}) fails");
            let site = site(fresh).await;
            let mut ready = step.ready(&site, client).await;
            let grants = site.stores().grants.count(GrantFilter::All).await.unwrap();
            let clients = site.stores().clients.count(oauth_core::ClientFilter::All).await.unwrap();
            site.faults().fail_nth(n);
            let outcome = ready.go().await;
            if is_best_effort(step, &calls, n) {
                assert!(outcome.is_success(), "{what}: {outcome:?}");
                continue;
            }
            outcome.assert_unavailable(&what);
            // No half state.
            assert_eq!(site.stores().grants.count(GrantFilter::All).await.unwrap(), grants, "{what}");
            assert_eq!(
                site.stores().clients.count(oauth_core::ClientFilter::All).await.unwrap(),
                clients,
                "{what}"
            );
            // And it works as if nothing had been.
            let again = ready.go().await;
            assert!(again.is_success(), "{what}: again {again:?}");
        }
    }
}

#[tokio::test]
async fn a_store_that_refuses_is_503_at_every_call_of_every_step_and_then_it_works() {
    // A-FAULT-1, LIM-3, TOK-8, REV-5, AS-63
    every_refusal(|site| site.store(MemoryStore::default())).await;
}

#[tokio::test]
async fn it_is_so_over_sqlite_too() {
    every_refusal(|site| site.store(SqliteStore::in_memory().unwrap())).await;
}

#[tokio::test]
async fn a_reply_of_the_store_that_is_lost_is_recovered_or_ends_in_a_fresh_start() {
    // REF-15, AS-63, LIM-3: done, and nobody heard of it.
    for (step, client) in walks() {
        let calls = calls_of(step, client, |site| site).await;
        for (n, name) in calls.iter().enumerate() {
            let what = format!("{step:?} of {client:?}: the reply to {name} ({n} of {calls:?}) is lost");
            let site = Site::new().await.unwrap();
            let mut ready = step.ready(&site, client).await;
            site.faults().lose_nth(n);
            let outcome = ready.go().await;
            if is_best_effort(step, &calls, n) {
                assert!(outcome.is_success(), "{what}: {outcome:?}");
                continue;
            }
            outcome.assert_unavailable(&what);
            let again = ready.go().await;
            match (step, *name) {
                // A code is for once: whoever got its tokens, nobody gets them now.
                (Step::Redeem, "grants.exchange") => {
                    assert_eq!(
                        (again.status.as_u16(), again.body.contains("invalid_grant")),
                        (400, true),
                        "{what}"
                    );
                }
                // The page was answered: what it opened is there, and nobody heard of it.
                (Step::Consent | Step::Deny, "grants.open") => expect::shown(&again.page.unwrap(), 403),
                // Whoever signed out is out; the page is nobody's now.
                (Step::SignOut, "sessions.end") => expect::shown(&again.page.unwrap(), 403),
                _ => assert!(again.is_success(), "{what}: again {again:?}"),
            }
            // In any case a new way in is open.
            let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
            let tokens = visit.connect().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(visit.call_tool(&tokens, "list_notes").await.unwrap().http.status, 200, "{what}");
        }
    }
}

#[tokio::test]
async fn the_tokens_of_a_refresh_whose_reply_was_lost_are_the_ones_that_count() {
    // REF-15: the retry gets what was recorded, and it works at the resource.
    let site = Site::new().await.unwrap();
    let mut ready = Step::Refresh.ready(&site, ClientKind::Newcomer).await;
    site.faults().lose_next("grants.exchange");
    ready.go().await.assert_unavailable("refresh");
    let tokens = ready.visit.send(ready.form.as_ref().unwrap()).await.unwrap().tokens().unwrap();
    ready.visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    ready.visit.send(&ready.visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn while_the_store_is_down_everything_says_so_and_afterwards_everything_works() {
    // TOK-8: nobody loses their tokens or their registration over it.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit_of_newcomer().await.unwrap();
    let tokens = visit.connect().await.unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    let (request, _) = visit.request().unwrap();

    site.faults().fail_all(true);
    // A token seen a moment ago needs no store.
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    site.clock().advance(std::time::Duration::from_secs(11));
    let refused = visit.call_tool(&tokens, "list_notes").await.unwrap().http;
    Outcome::of(&refused).assert_unavailable("tool call");
    for form in [visit.refresh(&tokens).unwrap(), visit.revoke(&tokens.access_token).unwrap()] {
        let answer = visit.send(&form).await.unwrap();
        assert_eq!(answer.error(), Some("temporarily_unavailable"));
        Outcome::of(&answer).assert_unavailable(form.url.as_str());
    }
    expect::shown_unavailable(&visit.browser.get(request.url().as_str()).await.unwrap());
    // What needs no store is there: clients may find their way.
    visit.client.discover().await.unwrap();
    site.faults().fail_all(false);

    let tokens = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    assert!(visit.answer(&request).await.unwrap().code().is_ok());
}
