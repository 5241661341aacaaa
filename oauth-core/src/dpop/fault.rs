//! Why a proof proves nothing, inside and on the wire.

use crate::error::ErrorCode;
use crate::store::StoreError;

/// Why a proof is refused.
///
/// ```
/// use oauth_core::dpop::ProofFault;
/// use oauth_core::ErrorCode;
///
/// assert_eq!(ProofFault::Method.code(), ErrorCode::InvalidDpopProof);
/// // Says what to do next: take the nonce of the answer.
/// assert_eq!(ProofFault::Nonce.code(), ErrorCode::UseDpopNonce);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFault {
    /// None was sent.
    #[error("a proof of possession is needed")]
    Missing,
    /// More than one was sent (DPOP-1).
    #[error("more than one proof was sent")]
    Several,
    /// Not a signed JWT with the claims of a proof.
    #[error("the proof is malformed")]
    Malformed,
    /// A JWT for something else (A-DPOPX-11).
    #[error("the proof is a token of another kind")]
    Type,
    /// Its algorithm is not allowed, or not its key's.
    #[error("the proof's algorithm is not allowed")]
    Algorithm,
    /// Its key is private, shared, weak or none.
    #[error("the proof's key is not a public key that can be used")]
    Key,
    /// The signature is not its key's.
    #[error("the proof's signature does not hold")]
    Signature,
    /// For another method.
    #[error("the proof is for another method")]
    Method,
    /// For another URL.
    #[error("the proof is for another url")]
    Target,
    /// Too old, or of the future.
    #[error("the proof's time is not now")]
    Time,
    /// `ath` is not this token's.
    #[error("the proof is for another token")]
    Token,
    /// By another key than the token is bound to.
    #[error("the token is bound to another key")]
    Binding,
    /// `content_digest` is not the body's.
    #[error("the proof is for another body")]
    Content,
    /// A nonce is needed, or the one that is there is none of ours, or is over.
    #[error("the proof needs a nonce of this server")]
    Nonce,
    /// Used before.
    #[error("the proof was used before")]
    Replayed,
    /// More proofs of one key than are remembered in a window: 429.
    #[error("too many proofs of one key")]
    TooMany,
    /// Whether it was used before cannot be told now: 503.
    #[error("whether the proof was used before cannot be told")]
    Unavailable(#[from] StoreError),
}

impl ProofFault {
    /// The word on the wire, at both servers: in the body of a 400 at the token endpoint (§5, §8), in the challenge of a 401 at a resource
    /// (§7.1, §9). [`Binding`](Self::Binding) is the token's fault, not the proof's.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Nonce => ErrorCode::UseDpopNonce,
            Self::Binding => ErrorCode::InvalidToken,
            Self::TooMany => ErrorCode::TooManyRequests,
            Self::Unavailable(_) => ErrorCode::TemporarilyUnavailable,
            _ => ErrorCode::InvalidDpopProof,
        }
    }

    /// A stable name for logs and audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "proof_missing",
            Self::Several => "proof_several",
            Self::Malformed => "proof_malformed",
            Self::Type => "proof_type",
            Self::Algorithm => "proof_algorithm",
            Self::Key => "proof_key",
            Self::Signature => "proof_signature",
            Self::Method => "proof_method",
            Self::Target => "proof_target",
            Self::Time => "proof_time",
            Self::Token => "proof_token",
            Self::Binding => "proof_binding",
            Self::Content => "proof_content",
            Self::Nonce => "proof_nonce",
            Self::Replayed => "proof_replayed",
            Self::TooMany => "proof_too_many",
            Self::Unavailable(_) => "proof_unavailable",
        }
    }
}
