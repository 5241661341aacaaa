//! What an endpoint that speaks JSON answers.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::ClientError;
use crate::challenge::{Challenge, ChallengeError};

/// A response, kept whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Who answered.
    pub url: Url,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
    /// The body as JSON; `Null` if it is none.
    pub json: Value,
}

/// What the token endpoint gave.
///
/// ```
/// use oauth_testing::Tokens;
///
/// let answer = serde_json::json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60, "scope": "x y" });
/// let tokens = Tokens::read(&answer)?;
/// assert_eq!((tokens.expires_in, tokens.scope.as_deref()), (Some(60), Some("x y")));
/// assert_eq!(tokens.refresh_token, None);
/// # Ok::<(), oauth_testing::ClientError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tokens {
    /// To call with.
    pub access_token: String,
    /// To get another with.
    pub refresh_token: Option<String>,
    /// How to present it.
    pub token_type: String,
    /// For how many seconds.
    pub expires_in: Option<u64>,
    /// For what.
    pub scope: Option<String>,
}

impl Answer {
    pub(super) fn new(url: Url, response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { url, status: parts.status, headers: parts.headers, body, json }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error's word: of RFC 6749 §5.2, RFC 7591 §3.2.2.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.json.get("error").and_then(Value::as_str)
    }

    /// A text among the members.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.json.get(name).and_then(Value::as_str)
    }

    /// The challenges.
    ///
    /// # Errors
    /// See [`Challenge::of`].
    pub fn challenges(&self) -> Result<Vec<Challenge>, ChallengeError> {
        Challenge::of(&self.headers)
    }

    /// The document, if it came with a status of success.
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::Status`], [`ClientError::Json`].
    pub fn document(&self) -> Result<&Value, ClientError> {
        if !self.status.is_success() {
            return Err(match self.error() {
                Some(error) => ClientError::Refused {
                    error: error.to_owned(),
                    description: self.member("error_description").unwrap_or_default().to_owned(),
                },
                None => ClientError::Status { url: self.url.clone(), status: self.status, body: self.text() },
            });
        }
        if self.json.is_object() { Ok(&self.json) } else { Err(ClientError::Json(self.url.clone())) }
    }

    /// The tokens in it.
    ///
    /// # Errors
    /// See [`document`](Self::document) and [`Tokens::read`].
    pub fn tokens(&self) -> Result<Tokens, ClientError> {
        Tokens::read(self.document()?)
    }
}

impl Tokens {
    /// Reads a token response as strictly as the strictest client (RFC 6749 §5.1).
    ///
    /// # Errors
    /// [`ClientError::Missing`].
    pub fn read(json: &Value) -> Result<Self, ClientError> {
        let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            access_token: text("access_token").ok_or(ClientError::Missing("access_token"))?,
            refresh_token: text("refresh_token"),
            token_type: text("token_type").ok_or(ClientError::Missing("token_type"))?,
            expires_in: json.get("expires_in").and_then(Value::as_u64),
            scope: text("scope"),
        })
    }

    /// Whether this scope is among them.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.as_deref().unwrap_or_default().split(' ').any(|own| own == scope)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}
