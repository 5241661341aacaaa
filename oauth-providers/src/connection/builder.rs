//! How a third party is set up, and all that is wrong with it at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::Fetch;
use oauth_core::{Entropy, Issuer, OsEntropy, ProviderId, ScopeSet, Secret};

use super::endpoints::{Endpoints, may_name};
use super::oauth::OAuthConnection;
use super::tokens::{Auth, Client};

/// How near to its end a token is renewed, at least.
const NEAR: Duration = Duration::from_secs(60);
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
    issuer: Option<String>,
    endpoints: Option<(String, String)>,
    client: Option<Client>,
    scopes: String,
    parameters: Vec<(String, String)>,
    fetch: Option<Arc<dyn Fetch>>,
    entropy: Arc<dyn Entropy>,
    checks_scopes: bool,
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
            issuer: None,
            endpoints: None,
            client: None,
            scopes: String::new(),
            parameters: Vec::new(),
            fetch: None,
            entropy: Arc::new(OsEntropy),
            checks_scopes: true,
        }
    }

    /// Its issuer identifier. The endpoints are found in its metadata, unless they are configured; `iss` in an answer is compared with it.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// Its endpoints, where it has no metadata. Its issuer too, if it has one: without, `iss` in an answer is compared with nothing.
    pub fn endpoints(mut self, authorization: &str, token: &str) -> Self {
        self.endpoints = Some((authorization.to_owned(), token.to_owned()));
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

    /// Where what is granted is called otherwise than what is asked for (Google's `email`, GitHub's `user` for `user read:user`): nothing
    /// tells then whether the user left something out.
    pub fn scopes_have_other_names(mut self) -> Self {
        self.checks_scopes = false;
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
        let issuer =
            self.issuer.map(|issuer| issuer.parse::<Issuer>().map_err(|error| format!("issuer: {error}")));
        let endpoints = match (issuer.transpose(), self.endpoints) {
            (Err(fault), _) => Err(fault),
            (Ok(None), None) => Err("issuer: it or the endpoints must be there".to_owned()),
            (Ok(Some(issuer)), None) => Ok(Endpoints::discovered(issuer)),
            (Ok(issuer), Some((authorization, token))) => {
                let insecure =
                    [&authorization, &token].into_iter().find(|url| !may_name(issuer.as_ref(), url));
                match insecure {
                    Some(url) => Err(format!("endpoints: {url:?} must be https, without user and fragment")),
                    None => {
                        Ok(Endpoints::configured(issuer.as_ref().map(Issuer::as_str), authorization, token))
                    }
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
        let mut chance = [0];
        self.entropy.fill(&mut chance);
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
                    near: NEAR + Duration::from_secs(u64::from(chance[0] % 31)),
                    entropy: self.entropy,
                    checks_scopes: self.checks_scopes,
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
