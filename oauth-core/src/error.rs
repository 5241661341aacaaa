//! The error words of the RFCs, and the answer that carries one.

use std::time::Duration;

use serde_json::{Map, Value};

/// An error code as it stands on the wire.
///
/// ```
/// use oauth_core::ErrorCode;
/// assert_eq!(ErrorCode::InvalidGrant.as_str(), "invalid_grant");
/// assert_eq!(ErrorCode::TemporarilyUnavailable.status(), http::StatusCode::SERVICE_UNAVAILABLE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// RFC 6749 §5.2: the request is malformed.
    InvalidRequest,
    /// RFC 6749 §5.2: the client is unknown or did not prove who it is. Clients throw their registration away on it.
    InvalidClient,
    /// RFC 6749 §5.2: the code or token is dead. Clients throw their tokens away on it.
    InvalidGrant,
    /// RFC 6749 §5.2: the client may not use this grant type.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2: the resource is unknown or was not granted.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1: the user said no.
    AccessDenied,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1.
    ServerError,
    /// RFC 6749 §4.1.2.1: try again.
    TemporarilyUnavailable,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6.
    InteractionRequired,
    /// The user cannot be authenticated as the client asked (RFC 9470 §5).
    UnmetAuthenticationRequirements,
    /// OpenID Connect Core §3.1.2.6: `request` is not understood.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6: `request_uri` is not understood.
    RequestUriNotSupported,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2.
    InvalidSoftwareStatement,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 9449 §5, §7.1: the proof of possession proves nothing.
    InvalidDpopProof,
    /// RFC 9449 §8, §9: the proof needs the nonce that the answer carries.
    UseDpopNonce,
    /// The user signed in too long ago, or by other means than the resource wants (RFC 9470 §3).
    InsufficientUserAuthentication,
    /// Not of an RFC: too many requests (429). SDKs know the word.
    TooManyRequests,
}

impl ErrorCode {
    /// The registered word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::TooManyRequests => "too_many_requests",
        }
    }

    /// The HTTP status of an answer that carries it in its body.
    #[must_use]
    pub const fn status(self) -> http::StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken | Self::InsufficientUserAuthentication => {
                http::StatusCode::UNAUTHORIZED
            }
            Self::InsufficientScope | Self::AccessDenied => http::StatusCode::FORBIDDEN,
            Self::TemporarilyUnavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyRequests => http::StatusCode::TOO_MANY_REQUESTS,
            Self::ServerError => http::StatusCode::INTERNAL_SERVER_ERROR,
            _ => http::StatusCode::BAD_REQUEST,
        }
    }
}

/// What a caller is told: a code and one line that helps. The line is part of the program, so nothing that was sent can come
/// back in it (TOK-7, A-XSS-6).
///
/// ```
/// use oauth_core::{ErrorCode, OAuthError};
///
/// let error = OAuthError::new(ErrorCode::InvalidRequest, "code_verifier is missing");
/// assert_eq!(error.to_json(), r#"{"error":"invalid_request","error_description":"code_verifier is missing"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
#[non_exhaustive]
pub struct OAuthError {
    /// The code.
    pub code: ErrorCode,
    /// The line: of the characters that RFC 6749 §5.2 allows.
    pub description: &'static str,
    /// After how long to try again, for codes that pass.
    pub retry_after: Option<Duration>,
}

impl OAuthError {
    /// An error with a line that helps.
    #[must_use]
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description, retry_after: None }
    }

    /// A fault of ours that passes: 503 and `Retry-After`.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self {
            code: ErrorCode::TemporarilyUnavailable,
            description: "the server cannot answer now, try again soon",
            retry_after: Some(Duration::from_secs(2)),
        }
    }

    /// Too many requests: 429 and `Retry-After`.
    #[must_use]
    pub const fn limited(retry_after: Duration) -> Self {
        Self {
            code: ErrorCode::TooManyRequests,
            description: "too many requests, slow down",
            retry_after: Some(retry_after),
        }
    }

    /// The JSON body of RFC 6749 §5.2.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut body = Map::new();
        body.insert("error".to_owned(), Value::from(self.code.as_str()));
        body.insert("error_description".to_owned(), Value::from(self.description));
        Value::Object(body).to_string()
    }
}
