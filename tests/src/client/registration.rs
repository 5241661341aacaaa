//! Dynamic registration, [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591).

use serde_json::{Value, json};

use super::{Client, ClientError, Discovery};

/// What a client says of itself: a JSON object that a test can bend.
///
/// ```
/// use oauth_testing::RegistrationRequest;
/// use serde_json::json;
///
/// let request = RegistrationRequest::new(&["http://localhost:1/callback"]).with("client_name", json!("Notebook"));
/// assert_eq!(request.json["token_endpoint_auth_method"], "none");
/// assert_eq!(request.json["client_name"], "Notebook");
/// ```
#[derive(Clone, Debug)]
pub struct RegistrationRequest {
    /// The object.
    pub json: Value,
}

/// Who a client is to one server. From a registration, or from its configuration.
///
/// ```
/// use oauth_testing::Registration;
/// assert_eq!(Registration::public("https://app.example/client.json").client_secret, None);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Registration {
    /// Its identifier.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<String>,
    /// How it presents the secret: `none`, `client_secret_basic`, `client_secret_post`.
    pub auth_method: String,
    /// The whole answer; `Null` for a configured client.
    pub json: Value,
}

impl RegistrationRequest {
    /// A public client for the code grant and refresh.
    #[must_use]
    pub fn new(redirect_uris: &[&str]) -> Self {
        Self {
            json: json!({
                "redirect_uris": redirect_uris,
                "client_name": "Headless client",
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            }),
        }
    }

    /// Sets a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.json[name] = value;
        self
    }

    /// Takes a member out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Some(members) = self.json.as_object_mut() {
            members.remove(name);
        }
        self
    }
}

impl Registration {
    /// A client without a secret.
    #[must_use]
    pub fn public(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: None,
            auth_method: "none".to_owned(),
            json: Value::Null,
        }
    }

    /// A client with a secret, presented by `auth_method`.
    ///
    /// ```
    /// use oauth_testing::Registration;
    /// let client = Registration::confidential("gateway", "s3cret", "client_secret_basic");
    /// assert!(!format!("{client:?}").contains("s3cret"));
    /// ```
    #[must_use]
    pub fn confidential(client_id: &str, client_secret: &str, auth_method: &str) -> Self {
        Self {
            client_secret: Some(client_secret.to_owned()),
            auth_method: auth_method.to_owned(),
            ..Self::public(client_id)
        }
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client_id, auth_method, .. } = self;
        f.debug_struct("Registration")
            .field("client_id", client_id)
            .field("auth_method", auth_method)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// What it registers as, unless a test says otherwise.
    #[must_use]
    pub fn registration(&self) -> RegistrationRequest {
        RegistrationRequest::new(&[self.redirect_uri()])
    }

    /// Registers. For the answer itself use [`post_json`](Self::post_json).
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::Missing`].
    pub async fn register(
        &self,
        found: &Discovery,
        request: &RegistrationRequest,
    ) -> Result<Registration, ClientError> {
        let answer = self.post_json(&found.endpoint("registration_endpoint")?, None, &request.json).await?;
        let json = answer.document()?.clone();
        let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let client_secret = text("client_secret");
        let auth_method = text("token_endpoint_auth_method").unwrap_or_else(|| {
            if client_secret.is_some() { "client_secret_basic" } else { "none" }.to_owned()
        });
        Ok(Registration {
            client_id: text("client_id").ok_or(ClientError::Missing("client_id"))?,
            client_secret,
            auth_method,
            json,
        })
    }
}
