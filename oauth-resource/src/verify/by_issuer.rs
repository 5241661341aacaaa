//! Several verifiers, each for the tokens of one issuer.

use std::fmt;
use std::sync::Arc;

use oauth_core::{
    Claims, Issuer, Revocations, SourceNetwork, Timestamp, TokenVerifier, VerifyFault, async_trait,
};

use crate::verify::jwt::{parse, refuse};

/// Asks the one verifier whose issuer a JWT names: for issuers that must be verified in different ways. For JWTs that are all verified with
/// public keys, one [`JwtVerifier`](crate::JwtVerifier) does it.
///
/// What the token names is not believed: the verifier that it chooses must find the same issuer in it, or it is refused (RS-46).
///
/// ```
/// use oauth_core::{Secret, Timestamp, TokenVerifier, VerifyFault};
/// use oauth_resource::{ByIssuer, HmacVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let secret = Secret::new("a secret of thirty-two bytes, at least".to_owned());
/// let old = HmacVerifier::new("https://mcp.example/mcp", TrustedIssuer::new("https://old.example"), &secret)?;
/// let verifier = ByIssuer::new().with(&"https://old.example".parse()?, old);
/// assert!(matches!(verifier.verify("opaque", Timestamp::from_secs(1)).await, Err(VerifyFault::Unrecognized)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct ByIssuer(Vec<(Issuer, Arc<dyn TokenVerifier>)>);

impl ByIssuer {
    /// No issuer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tokens that name `issuer` are for `verifier`. The last one counts if there are two.
    #[must_use]
    pub fn with(mut self, issuer: &Issuer, verifier: impl TokenVerifier) -> Self {
        self.0.retain(|(own, _)| own != issuer);
        self.0.push((issuer.clone(), Arc::new(verifier)));
        self
    }

    /// Whose tokens those like this one are, by what it says itself.
    fn of(&self, token: &str) -> Result<&(Issuer, Arc<dyn TokenVerifier>), VerifyFault> {
        let jws = parse(token)?;
        let said = jws.claims().map_err(|fault| refuse(&fault))?;
        let named = said.issuer.as_deref();
        self.0.iter().find(|(issuer, _)| named == Some(issuer.as_str())).ok_or(VerifyFault::Invalid)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TokenVerifier for ByIssuer {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.verify_from(token, now, None).await
    }

    async fn verify_from(
        &self,
        token: &str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        let (issuer, verifier) = self.of(token)?;
        let claims = verifier.verify_from(token, now, source).await?;
        if *claims.issuer != *issuer.as_str() {
            tracing::debug!(reason = "issuer", "token refused");
            return Err(VerifyFault::Invalid);
        }
        Ok(claims)
    }

    /// Those of the first that has some: in one process there is one ledger. What is revoked in another counts once it is asked again.
    fn revocations(&self) -> Option<&Revocations> {
        self.0.iter().find_map(|(_, verifier)| verifier.revocations())
    }
}

impl fmt::Debug for ByIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(issuer, _)| issuer)).finish()
    }
}
