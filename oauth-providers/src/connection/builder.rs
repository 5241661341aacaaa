//! How a third party is set up, and all that is wrong with it at once.

use std::fmt;
use std::sync::{Arc, Mutex};

use oauth_core::fetch::Fetch;
use oauth_core::{Entropy, Issuer, OsEntropy, ProviderId, ScopeSet, Secret};

use super::endpoints::{Endpoints, Found, is_secure};
use super::oauth::OAuthConnection;
use super::tokens::{Auth, Client};

/// What the request says by itself.
const OWN: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// Builds an [`OAuthConnection`].
///
/// ```
/// use oauth_providers::OAuthConnection;
/// let error = OAuthConnection::builder("git hub", "GitHub").issuer("http://github.example").build().unwrap_err();
/// // The id, the issuer, the client and the fetcher that are missing.
/// assert_eq!(error.faults().len(), 4);
/// ```
#[must_use]
pub struct OAuthConnectionBuilder {
    id: String,
    label: String,
    server: Option<Server>,
    client: Option<Client>,
    scopes: String,
    parameters: Vec<(String, String)>,
    fetch: Option<Arc<dyn Fetch>>,
    entropy: Arc<dyn Entropy>,
}

enum Server {
    Issuer(String),
    Endpoints(String, String),
}

/// All that is wrong, a line each.
///
/// ```
/// use oauth_providers::OAuthConnection;
/// let error = OAuthConnection::builder("github", "GitHub").build().unwrap_err();
/// assert!(error.to_string().contains("issuer"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the connection is set up wrong:{}", .0.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
pub struct OAuthConnectionError(Vec<String>);

impl OAuthConnectionError {
    /// The lines.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl OAuthConnectionBuilder {
    pub(super) fn new(id: &str, label: &str) -> Self {
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
            server: None,
            client: None,
            scopes: String::new(),
            parameters: Vec::new(),
            fetch: None,
            entropy: Arc::new(OsEntropy),
        }
    }

    /// Its issuer identifier: the endpoints are found in its metadata.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.server = Some(Server::Issuer(issuer.to_owned()));
        self
    }

    /// Its endpoints, where it has no metadata.
    pub fn endpoints(mut self, authorization: &str, token: &str) -> Self {
        self.server = Some(Server::Endpoints(authorization.to_owned(), token.to_owned()));
        self
    }

    /// Who this server is there, with a secret that goes into the header (`client_secret_basic`).
    pub fn client(mut self, id: &str, secret: Secret) -> Self {
        self.client = Some(Client { id: id.to_owned(), auth: Auth::SecretBasic(secret) });
        self
    }

    /// The secret goes into the form (`client_secret_post`).
    pub fn client_secret_post(mut self) -> Self {
        self.client = self.client.map(|client| match client.auth {
            Auth::SecretBasic(secret) => Client { auth: Auth::SecretPost(secret), ..client },
            auth => Client { auth, ..client },
        });
        self
    }

    /// Who this server is there, without a secret.
    pub fn public_client(mut self, id: &str) -> Self {
        self.client = Some(Client { id: id.to_owned(), auth: Auth::Public });
        self
    }

    /// What is asked for there, separated by spaces.
    pub fn scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.scopes);
        self
    }

    /// A further parameter of the authorization request: `access_type=offline`, without which Google gives no refresh token.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What reaches its metadata and its token endpoint.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// With other chance.
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// The connection.
    ///
    /// # Errors
    /// [`OAuthConnectionError`], with all that is wrong.
    pub fn build(self) -> Result<OAuthConnection, OAuthConnectionError> {
        let mut faults = Vec::new();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let id = self.id.parse::<ProviderId>().ok().filter(|id| id.as_str().bytes().all(is_plain));
        if id.is_none() {
            faults.push(format!("id: {:?} must be lower-case letters, digits and '-'", self.id));
        }
        let scopes = if self.scopes.is_empty() { Ok(ScopeSet::empty()) } else { self.scopes.parse() };
        if let Err(error) = &scopes {
            faults.push(format!("scopes: {error}"));
        }
        for (name, _) in self.parameters.iter().filter(|(name, _)| OWN.contains(&name.as_str())) {
            faults.push(format!("parameter: {name:?} is the request's own"));
        }
        let endpoints = match self.server {
            None => Err("issuer: it or the endpoints must be there".to_owned()),
            Some(Server::Issuer(issuer)) => match issuer.parse::<Issuer>() {
                Ok(issuer) => Ok(Endpoints::Discovered { issuer, last: Mutex::default() }),
                Err(error) => Err(format!("issuer: {error}")),
            },
            Some(Server::Endpoints(authorization, token)) => {
                let insecure = [&authorization, &token].into_iter().find(|url| !is_secure(url)).cloned();
                let found = Found { authorization, token, issuer: None, sends_iss: false };
                match insecure {
                    Some(url) => Err(format!("endpoints: {url:?} must be https")),
                    None => Ok(Endpoints::Configured(Arc::new(found))),
                }
            }
        };
        let endpoints = endpoints.map_err(|fault| faults.push(fault)).ok();
        let client = self.client.filter(|client| !client.id.is_empty());
        if client.is_none() {
            faults.push("client: it must have an id".to_owned());
        }
        if self.fetch.is_none() {
            faults.push("fetch: there must be a fetcher".to_owned());
        }
        match (id, scopes, endpoints, client, self.fetch) {
            (Some(id), Ok(scopes), Some(endpoints), Some(client), Some(fetch)) if faults.is_empty() => {
                Ok(OAuthConnection {
                    id,
                    label: self.label,
                    scopes,
                    parameters: self.parameters,
                    endpoints,
                    client,
                    fetch,
                    entropy: self.entropy,
                })
            }
            _ => Err(OAuthConnectionError(faults)),
        }
    }
}

impl fmt::Debug for OAuthConnectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthConnectionBuilder").field("id", &self.id).finish_non_exhaustive()
    }
}
