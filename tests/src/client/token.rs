//! Forms to the token, revocation and introspection endpoints.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::{Client, ClientError, Discovery, Pairs, Registration};

/// A form with headers, of which everything can be bent. `Debug` shows names alone.
///
/// ```
/// use oauth_testing::TokenRequest;
///
/// let request = TokenRequest::new("https://as.example/token".parse()?)
///     .set("grant_type", "refresh_token").add("resource", "https://mcp.example/a").add("resource", "https://mcp.example/b")
///     .basic("app:1", "p w");
/// assert_eq!(request.pairs.get("grant_type"), Some("refresh_token"));
/// // RFC 6749 §2.3.1: both are form-encoded before they are joined.
/// assert_eq!(request.headers["authorization"], "Basic YXBwJTNBMTpwK3c=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenRequest {
    /// Where it goes.
    pub url: Url,
    /// Its fields.
    pub pairs: Pairs,
    /// Its headers, beside `Content-Type` and `Accept`, which they replace.
    pub headers: HeaderMap,
}

impl TokenRequest {
    /// An empty form.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self { url, pairs: Pairs::default(), headers: HeaderMap::new() }
    }

    /// Sets a field in place of the one that is there.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.pairs.set(name, value);
        self
    }

    /// Adds a field beside the one that is there.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.pairs.add(name, value);
        self
    }

    /// Takes a field out.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.pairs.remove(name);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Authenticates by HTTP Basic.
    #[must_use]
    pub fn basic(self, id: &str, secret: &str) -> Self {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
        let value = HeaderValue::from_str(&format!("Basic {pair}"));
        // Base64 is visible ASCII.
        self.header(header::AUTHORIZATION, value.expect("base64 makes a header's value"))
    }

    /// Authenticates as a client registered to.
    #[must_use]
    pub fn of_client(self, client: &Registration) -> Self {
        match (client.auth_method.as_str(), &client.client_secret) {
            ("client_secret_basic", Some(secret)) => self.basic(&client.client_id, secret),
            ("client_secret_post", Some(secret)) => {
                self.set("client_id", &client.client_id).set("client_secret", secret)
            }
            _ => self.set("client_id", &client.client_id),
        }
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.pairs.iter().map(|(name, _)| name).collect();
        f.debug_struct("TokenRequest")
            .field("url", &self.url.as_str())
            .field("fields", &names)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The form that redeems a code.
    ///
    /// # Errors
    /// [`ClientError::Missing`] if discovery found no endpoint.
    pub fn redeem(
        &self,
        found: &Discovery,
        client: &Registration,
        code: &str,
        verifier: &str,
    ) -> Result<TokenRequest, ClientError> {
        Ok(TokenRequest::new(found.endpoint("token_endpoint")?)
            .set("grant_type", "authorization_code")
            .set("code", code)
            .set("redirect_uri", self.redirect_uri())
            .set("code_verifier", verifier)
            .set("resource", found.resource_id()?)
            .of_client(client))
    }

    /// The form that refreshes.
    ///
    /// # Errors
    /// [`ClientError::Missing`] if discovery found no endpoint.
    pub fn refresh(
        &self,
        found: &Discovery,
        client: &Registration,
        refresh_token: &str,
    ) -> Result<TokenRequest, ClientError> {
        Ok(TokenRequest::new(found.endpoint("token_endpoint")?)
            .set("grant_type", "refresh_token")
            .set("refresh_token", refresh_token)
            .set("resource", found.resource_id()?)
            .of_client(client))
    }

    /// The form that revokes (RFC 7009).
    ///
    /// # Errors
    /// [`ClientError::Missing`] if discovery found no endpoint.
    pub fn revoke(
        &self,
        found: &Discovery,
        client: &Registration,
        token: &str,
    ) -> Result<TokenRequest, ClientError> {
        Ok(TokenRequest::new(found.endpoint("revocation_endpoint")?).set("token", token).of_client(client))
    }

    /// The form that introspects (RFC 7662).
    ///
    /// # Errors
    /// [`ClientError::Missing`] if discovery found no endpoint.
    pub fn introspect(
        &self,
        found: &Discovery,
        caller: &Registration,
        token: &str,
    ) -> Result<TokenRequest, ClientError> {
        Ok(TokenRequest::new(found.endpoint("introspection_endpoint")?).set("token", token).of_client(caller))
    }
}
