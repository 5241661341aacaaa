//! Who calls: one credential, by the method that was registered (RFC 6749 §2.3).
//!
//! 1. At most one method is used: `Authorization: Basic`, or `client_secret` in the form (CAUTH-1).
//! 2. The names that are given agree (CAUTH-6).
//! 3. The client is known, and the method is the registered one (CAUTH-2).
//! 4. Wrong secrets are not tried without end ([`guesses`](super::guesses)).
//! 5. Its secret is one of the live ones, compared in constant time (CAUTH-18).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use oauth_core::{AuthMethod, Client, ClientId, ErrorCode, Form, OAuthError, Secret, Timestamp, TokenHash};

use super::ClientFault;
use super::guesses::{Guesses, client_and_source};
use crate::server::Context;
use crate::wire::{Request, source_of};

/// A client that proved who it is, as far as it was registered to. Made here alone.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient {
    pub(crate) client: Arc<Client>,
}

const FAILED: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "the client is unknown or did not authenticate as registered");

/// Whether the caller used the `Authorization` header: a 401 then names its scheme.
pub(crate) fn presented_header(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// The client that sends `form`.
pub(crate) async fn authenticate(
    context: &Context,
    request: &Request,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let presented = Presented::read(&request.head.headers, form)?;
    let source = source_of(&request.head, &context.trusted_proxies);
    presented.judge(context, source, now).await
}

/// What a caller presented: a name, and perhaps a secret in one of two places.
pub(crate) struct Presented {
    /// The names that are tried: of HTTP Basic the form-decoded one, then the raw one (CAUTH-4).
    ids: Vec<ClientId>,
    method: AuthMethod,
    secrets: Vec<Secret>,
}

impl Presented {
    pub(crate) fn read(headers: &HeaderMap, form: &Form<'_>) -> Result<Self, OAuthError> {
        let invalid = |line| OAuthError::new(ErrorCode::InvalidRequest, line);
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Err(OAuthError::new(ErrorCode::InvalidClient, "client assertions are not supported"));
        }
        let named = form.get("client_id");
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(header) = values.next() else {
            let id = named.ok_or(invalid("client_id is missing"))?.parse().map_err(|_| FAILED)?;
            let secret = form.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
            let method = if secret.is_some() { AuthMethod::ClientSecretPost } else { AuthMethod::None };
            return Ok(Self { ids: vec![id], method, secrets: secret.into_iter().collect() });
        };
        if values.next().is_some() {
            return Err(invalid("the authorization header stands twice"));
        }
        if form.get("client_secret").is_some() {
            return Err(invalid("use one way to authenticate"));
        }
        let (id, secret) = basic(header.as_bytes()).ok_or(FAILED)?;
        let decoded = (form_decoded(&id), form_decoded(secret.expose()));
        let mut ids: Vec<ClientId> = Vec::new();
        let mut secrets = Vec::new();
        if let (Some(id), Some(secret)) = decoded {
            ids.extend(id.parse().ok());
            secrets.push(Secret::new(secret));
        }
        ids.extend(id.parse().ok().filter(|id| !ids.contains(id)));
        secrets.push(secret);
        if let Some(named) = named {
            if !ids.iter().any(|id| id.as_str() == named) {
                return Err(invalid("client_id and the authorization header name different clients"));
            }
            ids.retain(|id| id.as_str() == named);
        }
        if ids.is_empty() {
            return Err(FAILED);
        }
        // A name without a secret is a public client that some libraries put into the header.
        let method = if secrets.iter().all(|secret| secret.expose().is_empty()) {
            AuthMethod::None
        } else {
            AuthMethod::ClientSecretBasic
        };
        Ok(Self { ids, method, secrets })
    }

    pub(crate) async fn judge(
        self,
        context: &Context,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, OAuthError> {
        let mut found = None;
        for id in &self.ids {
            match context.clients.resolve(context, id, source, now).await {
                Ok(client) => {
                    found = Some(client);
                    break;
                }
                Err(ClientFault::Unknown | ClientFault::Document { passes: false, .. }) => {}
                // What cannot be looked up is not unknown: clients throw their registration away on `invalid_client` (TOK-8).
                Err(ClientFault::Document { .. } | ClientFault::Busy | ClientFault::Store(_)) => {
                    return Err(OAuthError::unavailable());
                }
            }
        }
        let Some(client) = found else {
            // The same work as for a wrong secret (CAUTH-18, A-LOGX-3).
            let _ = self.proves(&[TokenHash::of("")]);
            return Err(FAILED);
        };
        // A client is known to everybody: who floods under its name must not lock it out for others.
        let whose = client_and_source(&client, source);
        context.count("token-client", &whose, context.limits.token_client, now).await?;
        if client.auth.method() != self.method {
            return Err(FAILED);
        }
        if self.method == AuthMethod::None {
            return Ok(AuthenticatedClient { client });
        }
        let guesses = Guesses::new(context, &client, source);
        let _look = guesses.admit(now).await?;
        let live =
            client.auth.secrets().iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end));
        let hashes: Vec<TokenHash> = live.map(|secret| secret.hash).collect();
        if self.proves(&hashes) {
            guesses.right(now).await?;
            return Ok(AuthenticatedClient { client });
        }
        guesses.wrong(now).await?;
        Err(FAILED)
    }

    /// Whether one of the secrets is one of these; all are compared.
    fn proves(&self, hashes: &[TokenHash]) -> bool {
        let mut proven = false;
        for secret in &self.secrets {
            for hash in hashes {
                proven |= hash.matches(secret.expose());
            }
        }
        proven
    }
}

/// Name and secret of HTTP Basic (RFC 7617).
fn basic(header: &[u8]) -> Option<(String, Secret)> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || credentials.len() > MAX_CREDENTIALS {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    if decoded.chars().any(char::is_control) {
        return None;
    }
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), Secret::new(secret.to_owned())))
}

/// How many characters of base64 the header may have.
const MAX_CREDENTIALS: usize = 8192;

/// `application/x-www-form-urlencoded` undone, as RFC 6749 §2.3.1 wants it; `None` if it is not encoded well.
pub(crate) fn form_decoded(text: &str) -> Option<String> {
    // A lone `&` or `=` would end the value; both stand for themselves in raw credentials.
    if text.contains(['&', '=']) {
        return None;
    }
    let pair = format!("v={text}");
    let form = Form::read(pair.as_bytes(), &[], &[]).ok()?;
    Some(form.get("v").unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn basic_is_read_by_the_rfc() {
        // CAUTH-5, A-CAUTHX-13
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer abc",
            &encoded("no-colon"),
            &encoded("nul\0:x"),
            &format!("Basic {}", "A".repeat(1 << 20)),
            "Basic /w==",
        ] {
            assert!(basic(bad.as_bytes()).is_none(), "{bad:.40}");
        }
        let (id, secret) = basic(encoded("a:b:c").as_bytes()).unwrap();
        assert_eq!((id.as_str(), secret.expose()), ("a", "b:c"));
        assert!(basic(encoded("a:b").replace("Basic", "bAsIc").as_bytes()).is_some());
    }

    #[test]
    fn credentials_are_tried_decoded_and_raw() {
        // CAUTH-4
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, encoded("my%20app:p%2Bq+r").parse().unwrap());
        let presented = Presented::read(&headers, &Form::default()).unwrap();
        let secrets: Vec<&str> = presented.secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, ["p+q r", "p%2Bq+r"]);
        assert_eq!(presented.ids.iter().map(ClientId::as_str).collect::<Vec<_>>(), ["my app", "my%20app"]);
    }

    #[test]
    fn one_method_and_one_name() {
        // CAUTH-1, CAUTH-6, A-CAUTHX-1, A-CAUTHX-3
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, encoded("a:b").parse().unwrap());
        for form in ["client_secret=x", "client_id=b"] {
            let form = Form::read(form.as_bytes(), &[], &[]).unwrap();
            let Err(error) = Presented::read(&headers, &form) else { panic!("{form:?}") };
            assert_eq!(error.code, ErrorCode::InvalidRequest);
        }
        headers.append(AUTHORIZATION, encoded("a:b").parse().unwrap());
        let Err(error) = Presented::read(&headers, &Form::default()) else { panic!() };
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }
}
