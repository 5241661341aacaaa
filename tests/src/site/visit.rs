//! A client and its user on the way from an authorization request to tool calls, step by step or in one go.

use oauth_core::OsEntropy;
use serde_json::json;

use super::SiteError;
use crate::browser::Browser;
use crate::client::{
    Answer, AuthorizeRequest, Callback, Client, ClientError, Discovery, McpAnswer, Pkce, Registration,
    TokenRequest, Tokens,
};
use crate::person::Person;

/// A client that has found the server, and the browser of its user. Each part can be replaced.
///
/// ```
/// use oauth_testing::Site;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let site = Site::new().await?;
/// let mut visit = site.visit_of_newcomer().await?;
///
/// let (request, pkce) = visit.request()?;
/// let callback = visit.answer(&request).await?;
/// let tokens = visit.send(&visit.redeem(&callback, &pkce)?).await?.tokens()?;
/// let refreshed = visit.send(&visit.refresh(&tokens)?).await?.tokens()?;
/// assert_ne!(refreshed.access_token, tokens.access_token);
/// # Ok::<(), oauth_testing::SiteError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Visit {
    /// The client.
    pub client: Client,
    /// What it found out.
    pub found: Discovery,
    /// Who it is to the server.
    pub registration: Registration,
    /// The user's browser.
    pub browser: Browser,
    /// The user.
    pub person: Person,
}

impl Visit {
    /// A client that nobody knows comes to a server: it finds out what there is, and registers.
    ///
    /// # Errors
    /// See [`Client::discover`] and [`Client::register`].
    pub async fn arrive(client: Client, browser: Browser, person: Person) -> Result<Self, ClientError> {
        let found = client.discover().await?;
        let registration = client.register(&found, &client.registration()).await?;
        Ok(Self { client, found, registration, browser, person })
    }

    /// A new authorization request, and its PKCE pair.
    ///
    /// # Errors
    /// See [`Client::authorize`].
    pub fn request(&self) -> Result<(AuthorizeRequest, Pkce), ClientError> {
        let pkce = Pkce::generate(&OsEntropy);
        Ok((self.client.authorize(&self.found, &self.registration, &pkce)?, pkce))
    }

    /// The user answers a request, signing in if need be.
    ///
    /// # Errors
    /// See [`Person::answer`].
    pub async fn answer(&mut self, request: &AuthorizeRequest) -> Result<Callback, SiteError> {
        Ok(self.person.answer(&mut self.browser, &self.client, &request.url()).await?)
    }

    /// The form that redeems the code of `callback`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if there is none in it.
    pub fn redeem(&self, callback: &Callback, pkce: &Pkce) -> Result<TokenRequest, ClientError> {
        self.client.redeem(&self.found, &self.registration, callback.code()?, pkce.verifier())
    }

    /// The form that refreshes.
    ///
    /// # Errors
    /// [`ClientError::Missing`] if there is no refresh token.
    pub fn refresh(&self, tokens: &Tokens) -> Result<TokenRequest, ClientError> {
        let token = tokens.refresh_token.as_deref().ok_or(ClientError::Missing("refresh_token"))?;
        self.client.refresh(&self.found, &self.registration, token)
    }

    /// The form that revokes.
    ///
    /// # Errors
    /// See [`Client::revoke`].
    pub fn revoke(&self, token: &str) -> Result<TokenRequest, ClientError> {
        self.client.revoke(&self.found, &self.registration, token)
    }

    /// Sends a form.
    ///
    /// # Errors
    /// See [`Client::send`].
    pub async fn send(&self, request: &TokenRequest) -> Result<Answer, ClientError> {
        self.client.send(request).await
    }

    /// From the authorization request to tokens, with all checks of a careful client.
    ///
    /// # Errors
    /// Whatever went wrong first.
    pub async fn connect(&mut self) -> Result<Tokens, SiteError> {
        let (request, pkce) = self.request()?;
        self.connect_by(&request, &pkce).await
    }

    /// The same, by a request that was bent.
    ///
    /// # Errors
    /// Whatever went wrong first.
    pub async fn connect_by(&mut self, request: &AuthorizeRequest, pkce: &Pkce) -> Result<Tokens, SiteError> {
        let callback = self.answer(request).await?;
        callback.check(request, &self.found)?;
        Ok(self.send(&self.redeem(&callback, pkce)?).await?.tokens()?)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// [`ClientError::Wire`]. A refusal is an answer.
    pub async fn call_tool(&self, tokens: &Tokens, name: &str) -> Result<McpAnswer, ClientError> {
        self.client.mcp().call_tool(Some(&tokens.access_token), name, json!({})).await
    }
}
