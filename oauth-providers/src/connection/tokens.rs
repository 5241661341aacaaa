//! The token endpoint of a third party, and what is kept of its answers.

use std::time::Duration;

use oauth_core::fetch::{Fetch, FetchRequest};
use oauth_core::{ConnectionFault, ScopeSet, Secret, Timestamp, json_members};
use serde::{Deserialize, Serialize};

const MAX_ANSWER: usize = 64 * 1024;

/// Who this server is there.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) auth: Auth,
}

/// How it says so (RFC 6749 §2.3).
pub(super) enum Auth {
    Public,
    SecretBasic(Secret),
    SecretPost(Secret),
}

/// What is redeemed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Code,
    RefreshToken,
}

/// Tokens of one user, as they are kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// Who issued them, and to whom. A refresh token goes to nobody else.
    issuer: String,
    client_id: String,
    /// What was granted: what was asked for, unless it was said (RFC 6749 §5.1).
    scopes: Option<String>,
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// RFC 6749 §5.1 and §5.2 at once: some answer errors with 200.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    scope: Option<String>,
    error: Option<String>,
}

impl Kept {
    pub(super) fn read(kept: &Secret) -> Option<Self> {
        json_members(kept.expose().as_bytes()).ok()
    }

    pub(super) fn to_secret(&self) -> Secret {
        Secret::new(serde_json::to_string(self).expect("texts and a number have a json form"))
    }

    pub(super) fn into_token(self) -> Secret {
        Secret::new(self.access_token)
    }

    pub(super) fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref()
    }

    /// A renewal that says nothing of it leaves the refresh token before in use (RFC 6749 §6), and the scopes as they were.
    pub(super) fn or_of(mut self, before: Self) -> Self {
        self.refresh_token = self.refresh_token.or(before.refresh_token);
        self.scopes = self.scopes.or(before.scopes);
        self
    }

    pub(super) fn or_scopes(mut self, asked: &ScopeSet) -> Self {
        self.scopes = self.scopes.or_else(|| Some(asked.as_str().to_owned()));
        self
    }

    pub(super) fn is_of(&self, issuer: &str, client_id: &str) -> bool {
        self.issuer == issuer && self.client_id == client_id
    }

    /// Some write commas between them (GitHub).
    pub(super) fn covers(&self, asked: &ScopeSet) -> bool {
        let granted = self.scopes.as_deref().unwrap_or_default();
        asked.iter().all(|scope| granted.split([' ', ',']).any(|granted| granted == scope))
    }

    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }
}

impl Client {
    /// Asks the token endpoint of `server`, which is an issuer and the endpoint's URL.
    pub(super) async fn ask(
        &self,
        fetch: &dyn Fetch,
        server: (&str, &str),
        grant: Grant,
        form: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Kept, ConnectionFault> {
        let (issuer, url) = server;
        let own = match &self.auth {
            Auth::Public => vec![("client_id", &*self.id)],
            Auth::SecretBasic(_) => Vec::new(),
            Auth::SecretPost(secret) => vec![("client_id", &*self.id), ("client_secret", secret.expose())],
        };
        let pairs = form.iter().copied().chain(own);
        let mut request = FetchRequest::post_form(url, pairs).with_body_limit(MAX_ANSWER);
        if let Auth::SecretBasic(secret) = &self.auth {
            request = request.with_client_secret_basic(&self.id, secret);
        }
        let fetched = fetch.fetch(request).await.map_err(ConnectionFault::unavailable)?;
        let status = fetched.status;
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(ConnectionFault::unavailable(format!("the token endpoint answered {status}")));
        }
        let answer: Answer = json_members(&fetched.body)
            .map_err(|_| ConnectionFault::unavailable("the token endpoint's answer cannot be read"))?;
        match answer.error.as_deref() {
            None => {}
            // Ours to mend: the user would be asked in vain.
            Some("invalid_client" | "unauthorized_client" | "incorrect_client_credentials") => {
                return Err(ConnectionFault::unavailable("the token endpoint does not take this client"));
            }
            Some("server_error" | "temporarily_unavailable" | "slow_down") => {
                return Err(ConnectionFault::unavailable("the token endpoint says so"));
            }
            // What costs a connection is said in these words alone; `bad_refresh_token` are GitHub's.
            Some("invalid_grant" | "bad_refresh_token") => {
                return Err(ConnectionFault::Refused("token_refused"));
            }
            Some(_) if grant == Grant::RefreshToken => {
                return Err(ConnectionFault::unavailable("the token endpoint does not renew now"));
            }
            Some(_) => return Err(ConnectionFault::Refused("token_refused")),
        }
        let is_bearer = answer.token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        let Some(access_token) = answer.access_token.filter(|token| !token.is_empty() && is_bearer) else {
            return Err(ConnectionFault::unavailable("the token endpoint's answer has no bearer token"));
        };
        let seconds = answer.expires_in.and_then(|value| match value {
            serde_json::Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        });
        // What never ends is not told from what ends in a hundred years.
        let expires_at = seconds.map(|seconds: u64| now + Duration::from_secs(seconds.min(100 * 31_536_000)));
        Ok(Kept {
            issuer: issuer.to_owned(),
            client_id: self.id.clone(),
            scopes: answer.scope.filter(|scope| !scope.is_empty()),
            access_token,
            refresh_token: answer.refresh_token.filter(|token| !token.is_empty()),
            expires_at,
        })
    }
}
