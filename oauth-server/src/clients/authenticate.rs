//! Who calls: one credential, by the method that was registered (RFC 6749 §2.3).
//!
//! 1. At most one method is used: `Authorization: Basic`, `client_secret` in the form, or an assertion, which is not supported (CAUTH-1).
//! 2. The names that are given agree (CAUTH-6).
//! 3. Secrets are not tried without end ([`guesses`](super::guesses)), whether there is such a client or not.
//! 4. The client is known, and the method is the registered one (CAUTH-2).
//! 5. Its secret is one of the live ones, compared in constant time (CAUTH-18).
//!
//! Whoever does not pass 4 or 5 gets the same answer, in a row of tries too, for the same work in the store as long as there are not too many names (A-LOGX-3).

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

/// A client that proved who it is, as far as it was registered to. Made here alone.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient {
    pub(crate) client: Arc<Client>,
}

const FAILED: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "the client is unknown or did not authenticate as registered");

/// What the secret of no client hashes to: compared where there is none.
const NOBODYS: TokenHash = TokenHash::from_bytes([0; 32]);

/// More than one method in a request.
pub(crate) const TWO_WAYS: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "use one way to authenticate");

/// Whether the caller used the `Authorization` header: a 401 then names its scheme.
pub(crate) fn presented_header(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// Whether the form has a part of an assertion (RFC 7521 §4.2): a way to authenticate by itself.
pub(crate) fn presented_assertion(form: &Form<'_>) -> bool {
    form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some()
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
        let named = form.get("client_id");
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let ways =
            [presented_header(headers), form.get("client_secret").is_some(), presented_assertion(form)];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(TWO_WAYS);
        }
        if presented_assertion(form) {
            return Err(OAuthError::new(ErrorCode::InvalidClient, "client assertions are not supported"));
        }
        let Some(header) = values.next() else {
            let id = named.ok_or(invalid("client_id is missing"))?.parse().map_err(|_| FAILED)?;
            let secret = form.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
            let method = if secret.is_some() { AuthMethod::ClientSecretPost } else { AuthMethod::None };
            return Ok(Self { ids: vec![id], method, secrets: secret.into_iter().collect() });
        };
        if values.next().is_some() {
            return Err(invalid("the authorization header stands twice"));
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

    /// Whether a secret was presented.
    pub(crate) fn has_secret(&self) -> bool {
        self.method != AuthMethod::None
    }

    /// Whether a document may have to be fetched to know the client: only for what could succeed then (CIMD-11).
    pub(crate) fn is_by_document(&self, context: &Context) -> bool {
        !self.has_secret() && self.ids.iter().any(|id| context.clients.is_by_document(id))
    }

    pub(crate) async fn judge(
        self,
        context: &Context,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, OAuthError> {
        let found = self.find(context, source, now).await?;
        // A client is known to everybody: who floods under its name must not lock it out for others.
        let id = found.as_ref().map_or(&self.ids[0], |client| &client.id);
        let whose = client_and_source(id, source);
        context.count("token-client", &whose, context.limits.token_client, now).await?;
        let as_registered = found.as_ref().filter(|client| client.auth.method() == self.method);
        if !self.has_secret() {
            let client = as_registered.ok_or(FAILED)?.clone();
            return Ok(AuthenticatedClient { client });
        }
        // From here on nobody sees whether there is such a client, and by which method.
        let guesses = Guesses::new(context, id, found.is_some(), source);
        let look = guesses.admit(now).await;
        if look.is_err() {
            context.clients.ask_in_vain(id).await;
        }
        let _look = look?;
        let secrets = as_registered.map_or(&[][..], |client| client.auth.secrets());
        let live = secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end));
        let mut hashes: Vec<TokenHash> = live.map(|secret| secret.hash).collect();
        if hashes.is_empty() {
            hashes.push(NOBODYS);
        }
        let proven = self.proves(&hashes);
        match as_registered {
            Some(client) if proven => {
                guesses.right(now).await?;
                Ok(AuthenticatedClient { client: client.clone() })
            }
            _ => {
                context.clients.ask_in_vain(id).await;
                guesses.wrong(now).await?;
                Err(FAILED)
            }
        }
    }

    /// The client of the first name that is one's. Documents have no secrets: none is fetched to try one.
    async fn find(
        &self,
        context: &Context,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<Arc<Client>>, OAuthError> {
        for id in &self.ids {
            if self.has_secret() && context.clients.is_by_document(id) {
                continue;
            }
            match context.clients.resolve(context, id, source, now).await {
                Ok(client) => return Ok(Some(client)),
                Err(ClientFault::Unknown | ClientFault::Document { passes: false, .. }) => {}
                // What cannot be looked up is not unknown: clients throw their registration away on `invalid_client` (TOK-8).
                Err(ClientFault::Document { .. } | ClientFault::Busy | ClientFault::Store(_)) => {
                    return Err(OAuthError::unavailable());
                }
                Err(ClientFault::Limited(retry_after)) => return Err(OAuthError::limited(retry_after)),
            }
        }
        Ok(None)
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
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim_matches([' ', '\t'])).ok()?).ok()?;
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
