//! What issuers publish and issue, served where they publish it: a file of JSON for each.
//!
//! 1. `documents`: their metadata, each at its literal address, with the members and values that the service publishes. Every other address
//!    answers 404, as theirs do.
//! 2. `keys`: the members that their keys have beside those of the key itself, which are those of a key of ours; a second one's are another's.
//!    The set is where the document says.
//! 3. `tokens`: header and claims, of the shape that the service issues. Names of tenants, clients and people are made up; what is in a
//!    token's header of the key is the key's that signs.
//!
//! What they follow:
//!
//! | file | documents | tokens |
//! |---|---|---|
//! | `auth0` | those of tenants | tokens of machines, and [both profiles](https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles) |
//! | `auth0_custom_domain` | `auth0`, at another domain | a user's token of a tenant with such a domain; [the audience that stays](https://github.com/auth0/omniauth-auth0/pull/72) |
//! | `okta` | that of an organisation's server `default` | [a user's token](https://github.com/jhipster/generator-jhipster/issues/19309), the [reference](https://developer.okta.com/docs/reference/api/oidc/) |
//! | `entra` | | tokens of users, guests and applications, of both versions |
//! | `keycloak` | those of realms, since 26 | tokens of users and services; for `jti` Keycloak's `DefaultTokenContextEncoderProvider` |
//! | `cognito` | | [its guide](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html) |
//! | `workos` | | [of Connect](https://workos.com/docs/authkit/connect/token-claims), the [older form](https://workos.com/docs/reference/workos-connect/token) (`unbound`), [sessions](https://workos.com/docs/reference/authkit/session-tokens) |
//! | `stytch` | | [its reference](https://stytch.com/docs/b2b/api/connected-app-access-token) |
//! | `supabase` | the address: [its guide](https://supabase.com/docs/guides/auth/oauth-server/getting-started) | [its claims](https://supabase.com/docs/guides/auth/oauth-server/token-security) |
//! | `clerk` | those of instances | what `@clerk/backend` is tested on; [when there is an audience](https://github.com/clerk/javascript/pull/9585) (`bound`) |
//! | `github_actions` | | [a workflow's token](https://geeksrepos.com/rgl/github-actions-validate-jwt); [subjects with numbers](https://github.com/github/docs/pull/45221) (`immutable`) |

pub(crate) mod issuers;

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::jose::SigningKey;
use oauth_core::{Claims, Timestamp, TokenVerifier as _, VerifyFault, async_trait};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use serde_json::{Map, Value, json};

use crate::fixture::{KEY, RESOURCE, RSA};

/// Signs nothing, unless a test says so.
pub(crate) static SECOND: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_rs256);

/// 404 for what is not there.
struct Published(Arc<StaticFetch>);

#[async_trait]
impl Fetch for Published {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        match self.0.fetch(request).await {
            Err(FetchError::Unreachable { .. }) => Ok(Fetched::new(StatusCode::NOT_FOUND, "not found")),
            answer => answer,
        }
    }
}

/// An issuer, and how it is trusted.
#[derive(Clone)]
pub(crate) struct Recorded {
    file: Value,
    pub(crate) trusted: TrustedIssuer,
}

impl Recorded {
    pub(crate) fn of(file: &str, trusted: TrustedIssuer) -> Self {
        Self { file: serde_json::from_str(file).unwrap(), trusted }
    }

    /// The same issuer by other rules.
    pub(crate) fn trusting(&self, trusted: TrustedIssuer) -> Self {
        Self { trusted, ..self.clone() }
    }

    pub(crate) fn documents(&self) -> &Map<String, Value> {
        self.file["documents"].as_object().unwrap()
    }

    /// Where its documents say that its keys are.
    pub(crate) fn jwks_uri(&self) -> &str {
        let mut named = self.documents().values().map(|document| document["jwks_uri"].as_str().unwrap());
        let first = named.next().unwrap();
        assert!(named.all(|other| other == first), "one key set");
        first
    }

    /// What stands at its addresses.
    pub(crate) fn served(&self) -> Arc<StaticFetch> {
        let fetch = StaticFetch::new();
        for (url, document) in self.documents() {
            fetch.set(url, Fetched::json(document.to_string()));
        }
        fetch.set(self.jwks_uri(), Fetched::json(json!({ "keys": self.keys() }).to_string()));
        Arc::new(fetch)
    }

    fn keys(&self) -> Vec<Value> {
        let mut rsa = [&*RSA, &*SECOND].into_iter();
        let filled = |template: &Value| {
            let key = if template["kty"] == "RSA" { rsa.next().unwrap() } else { &*KEY };
            let mut members = template.as_object().unwrap().clone();
            for (name, value) in key.public_jwk().to_json() {
                // Some have no `alg`, others another: theirs counts.
                if ["kty", "kid", "n", "e", "crv", "x", "y"].contains(&name.as_str()) {
                    members.insert(name, value);
                }
            }
            Value::Object(members)
        };
        self.file["keys"].as_array().unwrap().iter().map(filled).collect()
    }

    pub(crate) fn verifier(&self, fetch: &Arc<StaticFetch>) -> JwtVerifier {
        let builder = JwtVerifier::builder(RESOURCE).issuer(self.trusted.clone());
        builder.fetch(Arc::new(Published(fetch.clone()))).build().unwrap()
    }

    pub(crate) fn claims(&self, token: &str) -> &Value {
        &self.file["tokens"][token]["claims"]
    }

    /// One of its tokens, but for these claims. What is null is left out.
    pub(crate) fn token(&self, token: &str, change: &[(&str, Value)]) -> String {
        let header = &self.file["tokens"][token]["header"];
        let key = if header["alg"] == "ES256" { &*KEY } else { &*RSA };
        self.signed_by(key, token, change)
    }

    pub(crate) fn signed_by(&self, key: &SigningKey, token: &str, change: &[(&str, Value)]) -> String {
        let mut header = self.file["tokens"][token]["header"].clone();
        header["kid"] = key.kid().into();
        let mut claims = self.claims(token).clone();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key.sign_under(&header, &claims).unwrap()
    }

    /// A little after it was issued.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.claims("access")["iat"].as_u64().unwrap() + 10)
    }

    pub(crate) async fn ask(&self, token: &str, change: &[(&str, Value)]) -> Result<Claims, VerifyFault> {
        self.verifier(&self.served()).verify(&self.token(token, change), self.now()).await
    }

    pub(crate) async fn accepts(&self, token: &str, change: &[(&str, Value)]) -> Claims {
        self.ask(token, change).await.unwrap_or_else(|fault| panic!("{token} {change:?}: {fault}"))
    }

    /// The token is refused: for good, not for want of keys.
    pub(crate) async fn refuses(&self, token: &str, change: &[(&str, Value)]) {
        let answer = self.ask(token, change).await;
        assert!(
            crate::fixture::refused(&answer),
            "{token} {change:?} of {}: {answer:?}",
            self.trusted.issuer()
        );
    }

    /// An access token is refused once one claim is something else.
    pub(crate) async fn holds_to(&self, name: &str, value: Value) {
        self.refuses("access", &[(name, value)]).await;
    }
}
