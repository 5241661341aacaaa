//! Somebody at a browser: signs in, reads what a client wants, and answers.

use url::Url;

use crate::browser::{Browser, BrowserError, Landed, Page};
use crate::client::{Callback, Client};

/// Somebody who knows the passphrase, and has made up their mind.
///
/// ```
/// # use axum::{Router, response::{Html, Redirect}, routing::get};
/// use oauth_testing::{Browser, Client, InProcess, Person};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let consent = "<form method=post><button name=decision value=deny>Deny</button><button name=decision value=allow>Allow</button></form>";
/// # let server = Router::new().route("/authorize", get(move || async move { Html(consent) })
/// #     .post(|body: String| async move { Redirect::to(&format!("http://127.0.0.1:33418/oauth/callback?{body}&code=x")) }));
/// let wire = InProcess::new(server);
/// let client = Client::new(wire.clone(), "https://mcp.example/mcp")?;
/// let mut browser = Browser::new(wire);
///
/// let owner = Person::new("correct horse battery staple");
/// let url = "https://mcp.example/authorize".parse()?;
/// let callback = owner.answer(&mut browser, &client, &url).await?;
/// assert_eq!((callback.code()?, callback.pairs.get("decision")), ("x", Some("allow")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Person {
    passphrase: String,
    decision: &'static str,
    unticked: Vec<String>,
}

impl Person {
    /// Somebody who agrees to everything.
    #[must_use]
    pub fn new(passphrase: &str) -> Self {
        Self { passphrase: passphrase.to_owned(), decision: "allow", unticked: Vec::new() }
    }

    /// Who says no.
    #[must_use]
    pub fn denying(mut self) -> Self {
        self.decision = "deny";
        self
    }

    /// Who takes the tick off this scope.
    #[must_use]
    pub fn without_scope(mut self, scope: &str) -> Self {
        self.unticked.push(scope.to_owned());
        self
    }

    /// Goes where a client sends the browser, and through whatever pages come up, until one sends it back to the client.
    ///
    /// # Errors
    /// [`BrowserError::Shown`] with the text of a page that asks for nothing, or that asks for the passphrase again.
    pub async fn answer(
        &self,
        browser: &mut Browser,
        client: &Client,
        url: &Url,
    ) -> Result<Callback, BrowserError> {
        let mut page = browser.get(url.as_str()).await?;
        let mut signed_in = false;
        loop {
            page = match browser.follow_until(page, |url| client.is_callback(url)).await? {
                Landed::Stopped(url) => return Ok(Callback::read(&url)),
                Landed::Page(page) => *page,
            };
            page = if page.form_with_field("passphrase").is_ok() && !signed_in {
                signed_in = true;
                self.sign_in(browser, &page).await?
            } else if page.form_with_button(self.decision).is_ok() {
                self.decide(browser, &page).await?
            } else {
                return Err(BrowserError::Shown { status: page.status, text: page.text().to_owned() });
            };
        }
    }

    /// Types the passphrase into a page that asks for it.
    ///
    /// # Errors
    /// [`BrowserError::NoForm`] if it does not.
    pub async fn sign_in(&self, browser: &mut Browser, page: &Page) -> Result<Page, BrowserError> {
        let form = page.form_with_field("passphrase")?;
        browser.submit(form, &[("passphrase", &self.passphrase)], None).await
    }

    /// Presses a button of a page that asks for consent.
    ///
    /// # Errors
    /// [`BrowserError::NoForm`] if it does not, [`BrowserError::NoControl`] if a scope cannot be unticked.
    pub async fn decide(&self, browser: &mut Browser, page: &Page) -> Result<Page, BrowserError> {
        let mut form = page.form_with_button(self.decision)?.clone();
        for scope in &self.unticked {
            form = form.untick("scope", scope)?;
        }
        browser.submit(&form, &[], Some(self.decision)).await
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("decision", &self.decision).finish_non_exhaustive()
    }
}
