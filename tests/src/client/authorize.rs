//! The way through the browser: the URL it is sent to, and the one it comes back with.

use std::fmt;

use oauth_core::{CodeVerifier, Entropy, Secret};
use url::Url;

use super::{Client, ClientError, Discovery, Pairs, Registration};

/// A PKCE pair ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).
///
/// ```
/// use oauth_core::OsEntropy;
/// use oauth_testing::Pkce;
///
/// let pkce = Pkce::generate(&OsEntropy);
/// assert_eq!(pkce.challenge().len(), 43);
/// assert!(!format!("{pkce:?}").contains(pkce.verifier()));
/// ```
pub struct Pkce {
    verifier: Secret,
    challenge: String,
}

impl Pkce {
    /// A new pair.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let verifier = Secret::generate(entropy);
        // 43 characters of the base64url alphabet.
        let challenge =
            CodeVerifier::parse(verifier.expose()).expect("a generated secret is a verifier").challenge();
        Self { challenge: challenge.to_string(), verifier }
    }

    /// What goes to the token endpoint.
    #[must_use]
    pub fn verifier(&self) -> &str {
        self.verifier.expose()
    }

    /// What goes through the browser.
    #[must_use]
    pub fn challenge(&self) -> &str {
        &self.challenge
    }
}

impl fmt::Debug for Pkce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkce").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

/// An authorization request, of which every parameter can be bent.
///
/// ```
/// use oauth_testing::AuthorizeRequest;
///
/// let request = AuthorizeRequest::new("https://as.example/authorize".parse()?)
///     .set("response_type", "code").add("response_type", "token").set("state", "x").remove("state");
/// assert_eq!(request.url().as_str(), "https://as.example/authorize?response_type=code&response_type=token");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// Where it goes.
    pub endpoint: Url,
    /// Its parameters.
    pub pairs: Pairs,
}

impl AuthorizeRequest {
    /// A request without parameters.
    #[must_use]
    pub fn new(endpoint: Url) -> Self {
        Self { endpoint, pairs: Pairs::default() }
    }

    /// Sets a parameter in place of the one that is there.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.pairs.set(name, value);
        self
    }

    /// Adds a parameter beside the one that is there.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.pairs.add(name, value);
        self
    }

    /// Takes a parameter out.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.pairs.remove(name);
        self
    }

    /// The `state` that was sent.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.pairs.get("state")
    }

    /// The URL to send a browser to.
    #[must_use]
    pub fn url(&self) -> Url {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().extend_pairs(self.pairs.iter());
        url
    }
}

/// What the browser came back with.
///
/// ```
/// use oauth_testing::Callback;
///
/// let url = "http://127.0.0.1:1/callback?error=access_denied&state=s&iss=https%3A%2F%2Fas.example".parse()?;
/// let callback = Callback::read(&url);
/// assert_eq!((callback.error(), callback.iss()), (Some("access_denied"), Some("https://as.example")));
/// assert_eq!(callback.code().unwrap_err().to_string(), "access_denied: ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// All parameters of the query.
    pub pairs: Pairs,
    /// The whole URL.
    pub url: Url,
}

impl Callback {
    /// Reads the URL of a redirect.
    #[must_use]
    pub fn read(url: &Url) -> Self {
        Self { pairs: Pairs::of_query(url.query().unwrap_or_default()), url: url.clone() }
    }

    /// The code.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if an error came instead, [`ClientError::Missing`] if nothing did.
    pub fn code(&self) -> Result<&str, ClientError> {
        if let Some(error) = self.error() {
            let description = self.pairs.get("error_description").unwrap_or_default().to_owned();
            return Err(ClientError::Refused { error: error.to_owned(), description });
        }
        self.pairs.get("code").ok_or(ClientError::Missing("code"))
    }

    /// The error's word.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.pairs.get("error")
    }

    /// The client's `state`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.pairs.get("state")
    }

    /// Who answers (RFC 9207).
    #[must_use]
    pub fn iss(&self) -> Option<&str> {
        self.pairs.get("iss")
    }

    /// Checks what a client must before it uses a code: `state`, and `iss` (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`ClientError::Mismatch`].
    pub fn check(&self, request: &AuthorizeRequest, found: &Discovery) -> Result<(), ClientError> {
        let same = |what, found: Option<&str>, expected: Option<&str>| {
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            if found == expected {
                return Ok(());
            }
            Err(ClientError::Mismatch { what, found: text(found), expected: text(expected) })
        };
        same("state", self.state(), request.state())?;
        let promised = found.server.get("authorization_response_iss_parameter_supported");
        if self.iss().is_some() || promised == Some(&serde_json::Value::Bool(true)) {
            same("iss", self.iss(), Some(&found.issuer))?;
        }
        Ok(())
    }
}

impl Client {
    /// The request that an MCP client makes.
    ///
    /// # Errors
    /// [`ClientError::Missing`] if discovery found no endpoint.
    pub fn authorize(
        &self,
        found: &Discovery,
        client: &Registration,
        pkce: &Pkce,
    ) -> Result<AuthorizeRequest, ClientError> {
        let request = AuthorizeRequest::new(found.endpoint("authorization_endpoint")?)
            .set("response_type", "code")
            .set("client_id", &client.client_id)
            .set("redirect_uri", self.redirect_uri())
            .set("code_challenge", pkce.challenge())
            .set("code_challenge_method", "S256")
            .set("state", &self.state())
            .set("resource", found.resource_id()?);
        Ok(match found.scope() {
            Some(scope) => request.set("scope", &scope),
            None => request,
        })
    }
}
