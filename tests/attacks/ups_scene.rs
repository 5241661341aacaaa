//! A host whose tools need an account elsewhere, and who goes to connect one.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use oauth_core::{Claims, Clock as _, ConnectedAccounts, Stores, Timestamp};
use oauth_resource::Authorized;
use oauth_server::{AuthorizationServer, Elicitation};
use oauth_testing::{Browser, FixedClock, Page, Tokens};
use serde_json::{Value, json};
use url::Url;

use crate::host::{CALLBACK, Host, ORIGIN, agree, ask, assert_closed, redeem};
use crate::third_party::ThirdParty;

/// A host whose tools need an account at the tracker, and the accounts of everybody there.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) tracker: ThirdParty,
    pub(crate) accounts: ConnectedAccounts,
    pub(crate) stores: Stores,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let (tracker, stores) = (ThirdParty::start().await, Stores::memory());
        let accounts = tracker.accounts("tracker", &stores);
        let other = tracker.accounts("other", &stores);
        let connected = accounts.clone();
        let host = Host::with(move |server| server.connect(connected.clone()).connect(other.clone())).await;
        Self { host, tracker, accounts, stores }
    }

    /// The browser in which `who` has let `app` in, and the tokens that it got.
    pub(crate) async fn user(&self, who: &str) -> (Browser, Tokens, Claims) {
        let mut browser = self.host.browser();
        let callback = agree(&mut browser, &ask("app", CALLBACK), who).await;
        let tokens = redeem("app", callback.code().unwrap());
        let tokens = self.host.client().send(&tokens).await.unwrap().tokens().unwrap();
        assert!(self.host.lets_in(&tokens.access_token).await);
        let subject = self.host.calls().last().unwrap().subject.clone().unwrap();
        let claims = Claims::new(ORIGIN, subject.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX);
        (browser, tokens, claims)
    }

    pub(crate) fn link(&self, connection: &str, caller: &Claims) -> String {
        self.host.server().elicitation(connection, caller).unwrap().url
    }

    /// Opens the link and agrees. Where the browser is sent.
    pub(crate) async fn depart(&self, browser: &mut Browser, link: &str) -> Url {
        let page = browser.get(link).await.unwrap();
        press(browser, &page, "Connect").await.location().unwrap()
    }

    pub(crate) async fn token_of(&self, caller: &Claims) -> Option<String> {
        let found = self.accounts.token_for(caller, self.host.clock().now()).await.unwrap();
        found.map(|token| token.expose().to_owned())
    }

    /// Nobody has an account there.
    pub(crate) async fn assert_untouched(&self, callers: &[&Claims]) {
        for caller in callers {
            assert_eq!(self.token_of(caller).await, None);
        }
    }
}

pub(crate) async fn press(browser: &mut Browser, page: &Page, button: &str) -> Page {
    let form = page.form_with_button(button).unwrap_or_else(|_| panic!("{} {}", page.status, page.text()));
    browser.submit(form, &[], Some(button)).await.unwrap()
}

pub(crate) fn assert_refused(page: &Page, words: &str) {
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(page.text().contains(words) && page.location().is_none(), "{}", page.text());
    assert_closed(page);
}

pub(crate) const EXPIRED: &str = "This page has expired";

/// A tool of an MCP server: says who the caller is at the tracker, or asks for their account there.
pub(crate) async fn tool(
    State((server, accounts, tracker, clock)): State<(
        AuthorizationServer,
        ConnectedAccounts,
        ThirdParty,
        FixedClock,
    )>,
    Extension(caller): Extension<Authorized>,
    Json(call): Json<Value>,
) -> Response {
    let answer = match accounts.token_for(caller.claims(), clock.now()).await.unwrap() {
        Some(token) => json!({ "result": tracker.knows(token.expose()).await }),
        None => {
            let asked = server.elicitation("tracker", caller.claims()).unwrap();
            let data = json!({ "elicitations": [&asked] });
            json!({ "error": { "code": Elicitation::REQUIRED, "message": asked.message, "data": data } })
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": call["id"], "result": answer["result"], "error": answer["error"] }))
        .into_response()
}
