//! What a token says, and the port that finds it out.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::grant::{Binding, SubjectKind};
use crate::id::{ClientId, GrantId, Subject};
use crate::scope::ScopeSet;
use crate::source::SourceNetwork;
use crate::store::Revocations;
use crate::time::Timestamp;

/// What a presented token says about its bearer. Not yet a permission: audience, expiry, binding and scope are the layer's
/// to check, so that a verifier cannot forget them.
///
/// ```
/// use oauth_core::{Claims, Timestamp};
///
/// let claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::from_secs(1_700_000_600))
///     .with_audience(["https://mcp.example/mcp"])
///     .with_scopes("notes:read".parse()?);
/// assert_eq!(claims.audience.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued it (`iss`).
    pub issuer: Arc<str>,
    /// Who it is about (`sub`).
    pub subject: Subject,
    /// What kind of party that is.
    pub subject_kind: SubjectKind,
    /// The client it was issued to (`client_id`).
    pub client_id: ClientId,
    /// For which resources it is (`aud`).
    pub audience: Vec<Arc<str>>,
    /// For what (`scope`).
    pub scopes: ScopeSet,
    /// When it was issued (`iat`).
    pub issued_at: Option<Timestamp>,
    /// Before when it does not count (`nbf`).
    pub not_before: Option<Timestamp>,
    /// From when it does not count (`exp`).
    pub expires_at: Timestamp,
    /// By how much its issuer's clock may differ; the layer's own leeway counts if it is more.
    pub leeway: Duration,
    /// To what it is bound (`cnf`).
    pub binding: Binding,
    /// When the user proved who they are (`auth_time`).
    pub auth_time: Option<Timestamp>,
    /// The grant it was issued under, where the verifier knows: its revocation reaches caches at once.
    pub grant: Option<GrantId>,
    /// What else the token says.
    pub extra: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
}

impl Claims {
    /// A bearer token's claims, for a user, without audience and scope: good for nothing until they are added.
    #[must_use]
    pub fn new(issuer: &str, subject: Subject, client_id: ClientId, expires_at: Timestamp) -> Self {
        Self::of(issuer.into(), subject, client_id, expires_at)
    }

    /// The same, with an issuer whose text is shared: for verifiers that read many tokens of one.
    #[must_use]
    pub fn of(issuer: Arc<str>, subject: Subject, client_id: ClientId, expires_at: Timestamp) -> Self {
        Self {
            issuer,
            subject,
            subject_kind: SubjectKind::User,
            client_id,
            audience: Vec::new(),
            scopes: ScopeSet::empty(),
            issued_at: None,
            not_before: None,
            expires_at,
            leeway: Duration::ZERO,
            binding: Binding::Bearer,
            auth_time: None,
            grant: None,
            extra: None,
        }
    }

    /// The resources it is for.
    #[must_use]
    pub fn with_audience<'a>(mut self, audience: impl IntoIterator<Item = &'a str>) -> Self {
        self.audience = audience.into_iter().map(Arc::from).collect();
        self
    }

    /// What it is for.
    #[must_use]
    pub fn with_scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = scopes;
        self
    }
}

/// Why a token yields no claims. On the wire all but [`Unavailable`](Self::Unavailable) are `invalid_token` (RS-21).
///
/// ```
/// use oauth_core::VerifyFault;
/// assert_eq!(VerifyFault::Expired.reason(), "expired");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyFault {
    /// Not a token of the kind this verifier knows.
    #[error("the token is not of a known form")]
    Unrecognized,
    /// A token of the right form that nobody issued, or whose signature does not hold.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It, or its grant, was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Whoever could tell cannot be asked now: 503, never 401.
    #[error("the token cannot be verified now")]
    Unavailable {
        /// After how long to ask again.
        retry_after: Duration,
        /// What went wrong, for the log.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl VerifyFault {
    /// A stable name for logs and audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unrecognized => "unrecognized",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Turns a presented token into [`Claims`].
///
/// What is atomic: nothing. Which way to be wrong: refuse; but an authority that cannot be asked is
/// [`VerifyFault::Unavailable`], never a refusal, or clients throw their tokens away.
///
/// ```
/// use oauth_core::{Claims, Timestamp, TokenHash, TokenVerifier, VerifyFault, async_trait};
///
/// /// One static key for one service.
/// struct ApiKey(TokenHash);
///
/// #[async_trait]
/// impl TokenVerifier for ApiKey {
///     async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
///         if !self.0.matches(token) {
///             return Err(VerifyFault::Invalid);
///         }
///         let (subject, client) = ("reports".parse().unwrap(), "reports".parse().unwrap());
///         Ok(Claims::new("https://mcp.example", subject, client, Timestamp::MAX).with_audience(["https://mcp.example/mcp"]))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not verify tokens",
    label = "no verifier of tokens",
    note = "a protected resource is told whose tokens are good before `build()`: by `.stores(&stores)` if the authorization server is in this \
            process, else by `.verifier(..)`"
)]
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// The claims of `token`, which has a bounded length and no white space.
    ///
    /// # Errors
    /// See [`VerifyFault`].
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault>;

    /// The same, of a request that came from `source`, if the host tells. A verifier that asks others for each token it does not know keeps
    /// by it one sender of made-up tokens from using up what all may ask; whether a token is good never depends on it. Without it,
    /// [`verify`](Self::verify) is asked, which must then not ask this. One that asks other verifiers hands `source` on:
    ///
    /// ```
    /// use oauth_core::{Claims, SourceNetwork, Timestamp, TokenVerifier, VerifyFault, async_trait};
    ///
    /// struct Counted<V>(V, std::sync::atomic::AtomicU64);
    ///
    /// #[async_trait]
    /// impl<V: TokenVerifier> TokenVerifier for Counted<V> {
    ///     async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
    ///         self.verify_from(token, now, None).await
    ///     }
    ///
    ///     async fn verify_from(&self, token: &str, now: Timestamp, source: Option<SourceNetwork>) -> Result<Claims, VerifyFault> {
    ///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    ///         self.0.verify_from(token, now, source).await
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`VerifyFault`].
    // As an `async fn` is written by `async_trait`, so that one may stand in its place; by itself it would be a second future around the first.
    fn verify_from<'life0, 'life1, 'async_trait>(
        &'life0 self,
        token: &'life1 str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Pin<Box<dyn Future<Output = Result<Claims, VerifyFault>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        let _ = source;
        self.verify(token, now)
    }

    /// Where revocations of these tokens are announced in this process, if they are: who remembers claims forgets them then. A verifier
    /// that asks others hands on what they say.
    fn revocations(&self) -> Option<&Revocations> {
        None
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<V: TokenVerifier + ?Sized> TokenVerifier for Arc<V> {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        (**self).verify(token, now).await
    }

    async fn verify_from(
        &self,
        token: &str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        (**self).verify_from(token, now, source).await
    }

    fn revocations(&self) -> Option<&Revocations> {
        (**self).revocations()
    }
}
