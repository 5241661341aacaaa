//! The site under attack, with more people and clients than it has by itself, and the requests that attacks begin with.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderName, Request, Response, StatusCode};
use oauth_core::fetch::Fetched;
use oauth_core::{
    CodeVerifier, FieldKind, Identity, IdentityProvider, MemoryStore, ProviderId, SignInFault, SignInField,
    SignInForm, SignInReply, SignInStart, SignInStep, SignedIn, async_trait,
};
use oauth_server::{Builder, PeerAddress};
use oauth_testing::{
    Answer, AuthorizeRequest, Browser, Callback, Client, InProcess, Landed, Page, Site, TokenRequest, Tokens,
    Wire as _,
};
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = Site::ORIGIN;
/// Where `app` is answered.
pub(crate) const CALLBACK: &str = "https://app.example/cb";
pub(crate) const VERIFIER: &str = "verifier-of-43-characters-for-these-attacks";
/// The address that a request comes from, in place of a socket's.
pub(crate) const PEER: HeaderName = HeaderName::from_static("test-peer");

/// Beside those that the site knows.
const CLIENTS: &str = r#"[
    {"client_id":"app","client_name":"App","redirect_uris":["https://app.example/cb","https://app.example/other"]},
    {"client_id":"one","client_name":"One","redirect_uris":["https://one.example/cb"]},
    {"client_id":"cli","client_name":"Command line","redirect_uris":["http://127.0.0.1/callback"]},
    {"client_id":"reader","client_name":"Reader","redirect_uris":["https://reader.example/cb"],"scope":"notes:read"}
]"#;

/// A site with attackers at its doors.
pub(crate) struct Host {
    site: Site,
    wire: InProcess<Router>,
}

impl Deref for Host {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

/// Lets everybody in under the name that they type.
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
        let Some(name) = reply.fields.get("name") else { return Err(SignInFault::Refused("nobody")) };
        let identity = Identity { provider: self.0.clone(), id: name.to_owned() };
        Ok(SignInStep::Done(SignedIn::new(identity, reply.now).with_name(name)))
    }
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::with(|server| server).await
    }

    /// A host with another configuration.
    pub(crate) async fn with(change: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Self {
        let bend = move |server: Builder| {
            change(server.clients_json(CLIENTS).sign_in_with(Door("door".parse().unwrap())))
        };
        let site = Site::builder().store(MemoryStore::default()).server(bend).build().await.unwrap();
        let wire = InProcess::new(site.router()).with_prepared(|request| {
            let peer = request.headers_mut().remove(PEER);
            let peer: Option<IpAddr> = peer.map(|peer| peer.to_str().unwrap().parse().unwrap());
            request.extensions_mut().insert(PeerAddress(peer.unwrap_or(Site::ADDRESS)));
        });
        Self { site, wire }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.wire.clone()).with_clock(Arc::new(self.clock().clone()))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.wire.clone(), Site::MCP).unwrap()
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.clock().advance(Duration::from_secs(seconds));
    }

    /// Sends what no kit would send.
    pub(crate) async fn send(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        self.wire.send(request.body(body.into()).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Response<Bytes> {
        self.send(Request::get(url(target)), "").await
    }

    pub(crate) async fn post_form(&self, target: &str, form: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::post(url(target)).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, form).await
    }

    /// A form to the token endpoint.
    pub(crate) async fn token(&self, pairs: &[(&str, &str)]) -> Answer {
        let request = pairs.iter().fold(token_request(), |request, (name, value)| request.add(name, value));
        self.client().send(&request).await.unwrap()
    }

    pub(crate) async fn register(&self, metadata: &Value) -> Answer {
        self.client().post_json(&url("/register").parse().unwrap(), None, metadata).await.unwrap()
    }

    /// Registers a public client, and tells its identifier.
    pub(crate) async fn registered(&self, name: &str, redirect_uri: &str) -> String {
        let metadata = json!({ "client_name": name, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none" });
        let answer = self.register(&metadata).await;
        answer.member("client_id").unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    }

    /// Publishes a metadata document.
    pub(crate) fn publish(&self, document: &Value) {
        let id = document["client_id"].as_str().unwrap();
        self.documents().set(id, Fetched::json(document.to_string()));
    }

    /// `app` gets a code from alice.
    pub(crate) async fn code(&self) -> String {
        let callback = agree(&mut self.browser(), &ask("app", CALLBACK), "alice").await;
        callback.code().unwrap().to_owned()
    }

    /// `app` gets tokens from alice.
    pub(crate) async fn tokens(&self) -> Tokens {
        let code = self.code().await;
        self.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap()
    }

    /// How many audit lines have this text in them.
    pub(crate) fn heard(&self, text: &str) -> usize {
        self.events().iter().filter(|event| event.contains(text)).count()
    }

    /// Whether the MCP server lets a token in.
    pub(crate) async fn lets_in(&self, token: &str) -> bool {
        let answer = self.client().mcp().call_tool(Some(token), "list_notes", json!({})).await.unwrap();
        match answer.http.status {
            StatusCode::OK => true,
            StatusCode::UNAUTHORIZED => false,
            status => panic!("{status}: {}", answer.http.text()),
        }
    }
}

/// The absolute URL of a path, or of what is one already.
pub(crate) fn url(target: &str) -> String {
    if target.starts_with("http") { target.to_owned() } else { format!("{ORIGIN}{target}") }
}

pub(crate) fn challenge() -> String {
    CodeVerifier::parse(VERIFIER).unwrap().challenge().to_string()
}

/// B1: the authorization request in which nothing is wrong.
pub(crate) fn ask(client_id: &str, redirect_uri: &str) -> AuthorizeRequest {
    AuthorizeRequest::new(url("/authorize").parse().unwrap())
        .set("response_type", "code")
        .set("client_id", client_id)
        .set("redirect_uri", redirect_uri)
        .set("state", "S1")
        .set("scope", "notes:read notes:write")
        .set("resource", Site::MCP)
        .set("code_challenge", &challenge())
        .set("code_challenge_method", "S256")
}

pub(crate) fn token_request() -> TokenRequest {
    TokenRequest::new(url("/token").parse().unwrap())
}

/// B2: the code of `app`, redeemed.
pub(crate) fn redeem(client_id: &str, code: &str) -> TokenRequest {
    token_request()
        .set("grant_type", "authorization_code")
        .set("client_id", client_id)
        .set("code", code)
        .set("redirect_uri", CALLBACK)
        .set("code_verifier", VERIFIER)
        .set("resource", Site::MCP)
}

/// B3: a refresh.
pub(crate) fn refresh(client_id: &str, refresh_token: &str) -> TokenRequest {
    token_request()
        .set("grant_type", "refresh_token")
        .set("client_id", client_id)
        .set("refresh_token", refresh_token)
}

/// Follows redirects within the host, and signs in as `who`: until there is a page to decide on, or the way out.
pub(crate) async fn sign_in(browser: &mut Browser, page: Page, who: &str) -> Landed {
    let page = match leave(browser, page).await {
        Landed::Page(page) if page.form_with_field("name").is_ok() => page,
        landed => return landed,
    };
    let form = page.form_with_field("name").unwrap();
    let next = browser.submit(form, &[("name", who)], None).await.unwrap();
    leave(browser, next).await
}

/// Follows redirects until one leads off the host.
pub(crate) async fn leave(browser: &mut Browser, page: Page) -> Landed {
    browser.follow_until(page, |url| url.host_str() != Some("mcp.example")).await.unwrap()
}

/// The page on which `who` is asked for consent.
pub(crate) async fn consent_page(browser: &mut Browser, request: &AuthorizeRequest, who: &str) -> Page {
    let page = browser.get(request.url().as_str()).await.unwrap();
    match sign_in(browser, page, who).await {
        Landed::Page(page) => {
            assert!(
                page.form_with_button("allow").is_ok(),
                "no consent page: {} {}",
                page.status,
                page.text()
            );
            *page
        }
        Landed::Stopped(url) => panic!("nobody was asked: {url}"),
    }
}

/// Presses a button of a consent page.
pub(crate) async fn decide(browser: &mut Browser, page: &Page, button: &str) -> Page {
    browser.submit(page.form_with_button(button).unwrap(), &[], Some(button)).await.unwrap()
}

/// `who` signs in and agrees, if they are asked.
pub(crate) async fn agree(browser: &mut Browser, request: &AuthorizeRequest, who: &str) -> Callback {
    let page = browser.get(request.url().as_str()).await.unwrap();
    match sign_in(browser, page, who).await {
        Landed::Stopped(url) => Callback::read(&url),
        Landed::Page(page) => {
            let next = decide(browser, &page, "allow").await;
            out(browser, next).await
        }
    }
}

/// Where the browser is sent, off the host.
pub(crate) async fn out(browser: &mut Browser, page: Page) -> Callback {
    match leave(browser, page).await {
        Landed::Stopped(url) => Callback::read(&url),
        Landed::Page(page) => panic!("still here: {} {}", page.status, page.text()),
    }
}

/// *400 page*: HTML, no `Location`, not stored, nothing that runs.
pub(crate) fn assert_shown(page: &Page) {
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{} {}", page.url, page.text());
    assert!(page.headers.get(LOCATION).is_none(), "{}", page.url);
    assert_closed(page);
}

/// The headers that keep a page to itself.
pub(crate) fn assert_closed(page: &Page) {
    let header =
        |name: HeaderName| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header(CACHE_CONTROL), "no-store", "{}", page.url);
    assert_eq!(header(http::header::X_FRAME_OPTIONS), "DENY", "{}", page.url);
    assert!(header(CONTENT_TYPE).starts_with("text/html"), "{}", page.url);
    let policy = header(CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script-src"), "{policy}");
    assert!(page.headers.get("access-control-allow-origin").is_none(), "{}", page.url);
}

/// *Redirect error*: 303 to the client, with `error`, `state` and `iss`, and without a code.
pub(crate) fn assert_told(page: &Page, error: &str) {
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    let callback = Callback::read(&page.location().unwrap());
    assert!(callback.url.as_str().starts_with(CALLBACK), "{}", callback.url);
    assert_eq!(
        (callback.error(), callback.state(), callback.iss(), callback.pairs.get("code")),
        (Some(error), Some("S1"), Some(ORIGIN), None),
        "{}",
        callback.url
    );
}

/// Visits an authorization request with a fresh browser.
pub(crate) async fn visit(host: &Host, request: &AuthorizeRequest) -> Page {
    host.browser().get(request.url().as_str()).await.unwrap()
}

/// The error of an answer, and that nothing else is in it.
pub(crate) fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status.as_u16(), answer.error()), (status, Some(error)), "{}", answer.text());
    assert!(answer.member("access_token").is_none());
}
