//! How this resource proves to the authorization server who it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use oauth_core::fetch::FetchRequest;
use oauth_core::jose::SigningKey;
use oauth_core::{OsEntropy, Secret, Timestamp, random};

/// How this resource authenticates at the introspection endpoint (RS-69). `Debug` shows no secret.
///
/// ```
/// use oauth_core::Secret;
/// use oauth_resource::IntrospectionCredentials;
///
/// let secret = || Secret::new("s3cret".to_owned());
/// for credentials in [
///     IntrospectionCredentials::basic("mcp", secret()),
///     IntrospectionCredentials::post("mcp", secret()),
///     IntrospectionCredentials::bearer(secret()),
///     IntrospectionCredentials::resource_secret(secret()),
/// ] {
///     assert!(!format!("{credentials:?}").contains("s3cret"));
/// }
/// ```
pub struct IntrospectionCredentials(Method);

enum Method {
    Basic { client_id: String, secret: Secret },
    Post { client_id: String, secret: Secret },
    Bearer { token: Secret },
    Resource { secret: Secret },
    PrivateKey { client_id: String, key: Box<SigningKey>, audience: Option<String> },
}

const RESOURCE_SECRET: HeaderName = HeaderName::from_static("x-resource-secret");

/// How long an assertion of ours is good.
const ASSERTION_LIFETIME: u64 = 60;

impl IntrospectionCredentials {
    /// `client_secret_basic`, RFC 6749 §2.3.1: name and secret are form-encoded before they are put together.
    #[must_use]
    pub fn basic(client_id: &str, secret: Secret) -> Self {
        Self(Method::Basic { client_id: client_id.to_owned(), secret })
    }

    /// `client_secret_post`, for servers that want no other.
    #[must_use]
    pub fn post(client_id: &str, secret: Secret) -> Self {
        Self(Method::Post { client_id: client_id.to_owned(), secret })
    }

    /// A token of this resource's own (RFC 7662 §2.1).
    #[must_use]
    pub fn bearer(token: Secret) -> Self {
        Self(Method::Bearer { token })
    }

    /// The secret of a resource, in the header `X-Resource-Secret`: what a server of this family takes beside the names of clients.
    #[must_use]
    pub fn resource_secret(secret: Secret) -> Self {
        Self(Method::Resource { secret })
    }

    /// `private_key_jwt`: a new assertion for each request, for the issuer as its audience, good for a minute.
    ///
    /// ```
    /// use oauth_core::jose::SigningKey;
    /// use oauth_resource::IntrospectionCredentials;
    /// let credentials = IntrospectionCredentials::private_key_jwt("mcp", SigningKey::generate_es256());
    /// assert_eq!(format!("{credentials:?}"), "IntrospectionCredentials(private_key_jwt, \"mcp\")");
    /// ```
    #[must_use]
    pub fn private_key_jwt(client_id: &str, key: SigningKey) -> Self {
        Self(Method::PrivateKey { client_id: client_id.to_owned(), key: Box::new(key), audience: None })
    }

    /// Another audience of the assertions: for servers that want the address of the endpoint there. Of use with a private key alone.
    #[must_use]
    pub fn with_assertion_audience(mut self, url: &str) -> Self {
        if let Method::PrivateKey { audience, .. } = &mut self.0 {
            *audience = Some(url.to_owned());
        }
        self
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        match &self.0 {
            Method::Basic { client_id, .. }
            | Method::Post { client_id, .. }
            | Method::PrivateKey { client_id, .. } => Some(client_id),
            Method::Bearer { .. } | Method::Resource { .. } => None,
        }
    }

    /// The request that asks about `token`. `None` if no header can carry the credentials, or the key does not sign.
    pub(super) fn request<'a>(
        &self,
        endpoint: &'a str,
        token: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Option<FetchRequest<'a>> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let ask = |more: &[(&str, &str)]| {
            FetchRequest::post_form(endpoint, form.into_iter().chain(more.iter().copied()))
        };
        let request = match &self.0 {
            Method::Basic { client_id, secret } => ask(&[]).with_client_secret_basic(client_id, secret),
            Method::Bearer { token } => {
                let value = Secret::new(format!("Bearer {}", token.expose()));
                ask(&[]).with_header(AUTHORIZATION, sensitive(&value)?)
            }
            Method::Resource { secret } => ask(&[]).with_header(RESOURCE_SECRET, sensitive(secret)?),
            Method::Post { client_id, secret } => {
                ask(&[("client_id", client_id), ("client_secret", secret.expose())])
            }
            Method::PrivateKey { client_id, key, audience } => {
                let at = now.as_secs();
                let claims = serde_json::json!({
                    "iss": client_id,
                    "sub": client_id,
                    "aud": audience.as_deref().unwrap_or(issuer),
                    "jti": URL_SAFE_NO_PAD.encode(random::<16>(&OsEntropy)),
                    "iat": at,
                    "exp": at + ASSERTION_LIFETIME,
                });
                let assertion = key.sign("client-authentication+jwt", &claims).ok()?;
                ask(&[
                    ("client_id", client_id),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", &assertion),
                ])
            }
        };
        Some(request)
    }
}

fn sensitive(text: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for IntrospectionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.0 {
            Method::Basic { .. } => "basic",
            Method::Post { .. } => "post",
            Method::Bearer { .. } => "bearer",
            Method::Resource { .. } => "resource_secret",
            Method::PrivateKey { .. } => "private_key_jwt",
        };
        write!(f, "IntrospectionCredentials({method}")?;
        if let Some(client_id) = self.client_id() {
            write!(f, ", {client_id:?}")?;
        }
        f.write_str(")")
    }
}
