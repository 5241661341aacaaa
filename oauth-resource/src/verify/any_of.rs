//! Several verifiers, asked one after the other.

use std::fmt;
use std::sync::Arc;

use oauth_core::{Claims, Revocations, SourceNetwork, Timestamp, TokenVerifier, VerifyFault, async_trait};

/// Asks verifiers in their order until one accepts.
///
/// 1. The first that accepts decides.
/// 2. One that says [`Expired`](VerifyFault::Expired) or [`Revoked`](VerifyFault::Revoked) has recognised its own token: nobody else is
///    asked.
/// 3. If none accepts and one of them could not be asked, the answer is [`Unavailable`](VerifyFault::Unavailable): it might have accepted, and
///    no refusal elsewhere hides its outage. While it lasts, rubbish is answered so too.
/// 4. Else the token is [`Invalid`](VerifyFault::Invalid), whoever refused it and why.
///
/// An outage of one never refuses what another accepts.
///
/// A verifier that asks elsewhere shows the token there: put it last. [`IntrospectionVerifier`](crate::IntrospectionVerifier) leaves tokens and
/// keys of this project's form alone unless it is told otherwise.
///
/// ```
/// use oauth_core::{Stores, Timestamp, TokenVerifier, VerifyFault};
/// use oauth_resource::{AnyOf, ApiKeys, StoreVerifier};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let issuer = "https://mcp.example".parse()?;
/// let verifier = AnyOf::new()
///     .or(StoreVerifier::new(Stores::memory().grants.into(), &issuer))
///     .or(ApiKeys::new(&issuer, &"https://mcp.example/mcp".parse()?));
/// let refused = verifier.verify("something", Timestamp::from_secs(1)).await;
/// assert!(matches!(refused, Err(VerifyFault::Invalid)));
/// # Ok::<(), oauth_core::UrlError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct AnyOf(Vec<Arc<dyn TokenVerifier>>);

impl AnyOf {
    /// Nobody, who accepts nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then asks this one.
    #[must_use]
    pub fn or(mut self, verifier: impl TokenVerifier) -> Self {
        self.0.push(Arc::new(verifier));
        self
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TokenVerifier for AnyOf {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.verify_from(token, now, None).await
    }

    async fn verify_from(
        &self,
        token: &str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        let mut outage = None;
        for verifier in &self.0 {
            match verifier.verify_from(token, now, source).await {
                Ok(claims) => return Ok(claims),
                Err(own @ (VerifyFault::Expired | VerifyFault::Revoked)) => return Err(own),
                Err(fault @ VerifyFault::Unavailable { .. }) => {
                    outage.get_or_insert(fault);
                }
                Err(_) => {}
            }
        }
        Err(outage.unwrap_or(VerifyFault::Invalid))
    }

    /// Those of the first that has some: in one process there is one ledger. What is revoked in another counts once it is asked again.
    fn revocations(&self) -> Option<&Revocations> {
        self.0.iter().find_map(|verifier| verifier.revocations())
    }
}

impl fmt::Debug for AnyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyOf({} verifiers)", self.0.len())
    }
}
