//! What can be wrong with a token request: exactly, for logs and tests; and in the RFC's words, for the wire.

use std::time::Duration;

use oauth_core::{ErrorCode, EventKind, OAuthError, StoreError};

/// Why no token is issued. Every fault of a grant is `invalid_grant` on the wire and nothing more.
///
/// ```
/// use oauth_core::{ErrorCode, OAuthError};
/// use oauth_server::TokenFault;
///
/// assert_eq!(TokenFault::VerifierMismatch.reason(), "verifier_mismatch");
/// assert_eq!(OAuthError::from(TokenFault::VerifierMismatch), OAuthError::from(TokenFault::Expired));
/// assert_eq!(OAuthError::from(TokenFault::ScopeNotGranted).code, ErrorCode::InvalidScope);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// A parameter is missing or malformed; the line says which.
    #[error("{0}")]
    Malformed(&'static str),
    /// This server does not offer the grant type.
    #[error("the grant type is not offered")]
    UnsupportedGrantType,
    /// The client may not use the grant type.
    #[error("the client may not use this grant type")]
    UnauthorizedClient,
    /// Nobody issued such a code or token, or it is of another kind.
    #[error("the code or token is unknown")]
    Unknown,
    /// Its time, or its grant's, is over.
    #[error("the code or token has expired")]
    Expired,
    /// It was issued to another client.
    #[error("the code or token is another client's")]
    OtherClient,
    /// The code was sent to another redirect URI.
    #[error("the redirect uri differs")]
    RedirectMismatch,
    /// The verifier does not meet the challenge.
    #[error("the verifier does not meet the challenge")]
    VerifierMismatch,
    /// The grant was revoked.
    #[error("the grant was revoked")]
    Revoked,
    /// A code that was redeemed before; its grant is now revoked.
    #[error("the code was redeemed before")]
    CodeReplayed,
    /// A refresh token that was used before; its grant is now revoked.
    #[error("the refresh token was used before")]
    RefreshReplayed,
    /// The user may do nothing any more.
    #[error("the user is disabled")]
    SubjectDisabled,
    /// An assertion or another grant is not accepted; a stable reason.
    #[error("the grant is not accepted: {0}")]
    NotAccepted(&'static str),
    /// Text that is no scope.
    #[error("the scope is malformed")]
    ScopeMalformed,
    /// More than was granted.
    #[error("the scope was not granted")]
    ScopeNotGranted,
    /// A resource that is unknown, or was not granted.
    #[error("the resource was not granted")]
    TargetNotGranted,
    /// Too often.
    #[error("too many requests")]
    Limited(Duration),
    /// The store failed: 503, and nothing is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenFault {
    /// A stable name for the audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::OtherClient => "other_client",
            Self::RedirectMismatch => "redirect_mismatch",
            Self::VerifierMismatch => "verifier_mismatch",
            Self::Revoked => "revoked",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReplayed => "refresh_replayed",
            Self::SubjectDisabled => "subject_disabled",
            Self::NotAccepted(reason) => reason,
            Self::ScopeMalformed => "scope_malformed",
            Self::ScopeNotGranted => "scope_not_granted",
            Self::TargetNotGranted => "target_not_granted",
            Self::Limited(_) => "limited",
            Self::Store(_) => "store",
        }
    }

    pub(crate) const fn event(&self) -> EventKind {
        match self {
            Self::CodeReplayed => EventKind::CodeReplayed,
            Self::RefreshReplayed => EventKind::RefreshReplayed,
            Self::Limited(_) => EventKind::Limited,
            Self::Store(_) => EventKind::Unavailable,
            _ => EventKind::TokenRefused,
        }
    }
}

/// The one place where faults become the RFC's words.
impl From<TokenFault> for OAuthError {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Malformed(line) => Self::new(ErrorCode::InvalidRequest, line),
            TokenFault::UnsupportedGrantType => {
                Self::new(ErrorCode::UnsupportedGrantType, "this server does not offer the grant type")
            }
            TokenFault::UnauthorizedClient => {
                Self::new(ErrorCode::UnauthorizedClient, "the client is not registered for this grant type")
            }
            TokenFault::ScopeMalformed => Self::new(ErrorCode::InvalidScope, "the scope is not well-formed"),
            TokenFault::ScopeNotGranted => {
                Self::new(ErrorCode::InvalidScope, "the scope exceeds what was granted")
            }
            TokenFault::TargetNotGranted => {
                Self::new(ErrorCode::InvalidTarget, "the resource is unknown or was not granted")
            }
            TokenFault::Limited(retry_after) => Self::limited(retry_after),
            TokenFault::Store(_) => Self::unavailable(),
            TokenFault::Unknown
            | TokenFault::Expired
            | TokenFault::OtherClient
            | TokenFault::RedirectMismatch
            | TokenFault::VerifierMismatch
            | TokenFault::Revoked
            | TokenFault::CodeReplayed
            | TokenFault::RefreshReplayed
            | TokenFault::SubjectDisabled
            | TokenFault::NotAccepted(_) => Self::new(
                ErrorCode::InvalidGrant,
                "the grant is invalid, expired, revoked or was used before",
            ),
        }
    }
}
