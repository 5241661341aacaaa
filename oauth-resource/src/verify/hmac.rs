//! Signed tokens, verified with a secret that the issuer shares.

use std::fmt;

use oauth_core::jose::{HmacAlgorithm, HmacKey};
use oauth_core::{Claims, Issuer, ResourceUri, Secret, Timestamp, TokenVerifier, VerifyFault, async_trait};

use crate::config::{ConfigError, ConfigErrors, rule};
use crate::verify::claims::{Defaults, Rules};
use crate::verify::jwt::{parse, refuse};
use crate::verify::trusted::TrustedIssuer;

/// Verifies JWT access tokens that are signed with HS256 and a shared secret: for an issuer and a resource run by the same people. Whoever
/// can verify can also forge; with more than one resource, use [`JwtVerifier`](crate::JwtVerifier).
///
/// ```
/// use oauth_core::jose::{HmacAlgorithm, HmacKey};
/// use oauth_core::{Secret, Timestamp, TokenVerifier};
/// use oauth_resource::{HmacVerifier, TrustedIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let secret = "a secret of thirty-two bytes, at least";
/// let verifier = HmacVerifier::new("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"), &Secret::new(secret.to_owned()))?;
/// let token = HmacKey::new(HmacAlgorithm::Hs256, secret.as_bytes())?.sign("at+jwt", &serde_json::json!({
///     "iss": "https://as.example", "aud": "https://mcp.example/mcp", "sub": "alice", "client_id": "app",
///     "jti": "1", "iat": 1_700_000_000, "exp": 1_700_000_600,
/// }))?;
/// assert_eq!(verifier.verify(&token, Timestamp::from_secs(1_700_000_000)).await?.subject.as_str(), "alice");
///
/// let short = HmacVerifier::new("https://mcp.example/mcp", TrustedIssuer::new("https://as.example"), &Secret::new("secret".to_owned()));
/// assert!(short.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct HmacVerifier {
    rules: Rules,
    // The first signs; earlier ones still verify.
    keys: Vec<HmacKey>,
}

impl HmacVerifier {
    /// A verifier of tokens for this resource. Of `trusted`, the rules count, and keys and algorithms do not.
    ///
    /// # Errors
    /// Everything that is wrong: a secret of fewer than 32 bytes among it.
    pub fn new(resource: &str, trusted: TrustedIssuer, secret: &Secret) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let resource =
            resource.parse::<ResourceUri>().map_err(|error| errors.push(ConfigError::Resource(error)));
        if let Err(error) = trusted.issuer.parse::<Issuer>() {
            errors.push(ConfigError::Issuer(error));
        }
        let defaults = Defaults::of(&trusted).map_err(|wrong| errors.extend(wrong));
        let key = key(secret).map_err(|error| errors.push(error));
        match (resource, defaults, key) {
            (Ok(resource), Ok(defaults), Ok(key)) if errors.is_empty() => {
                Ok(Self { rules: Rules::new(trusted, &resource, defaults), keys: vec![key] })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Also accepts what was signed with an earlier secret, while it is being replaced.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn with_earlier(mut self, secret: &Secret) -> Result<Self, ConfigErrors> {
        self.keys.push(key(secret).map_err(|error| ConfigErrors(vec![error]))?);
        Ok(self)
    }
}

fn key(secret: &Secret) -> Result<HmacKey, ConfigError> {
    let why = "it must have at least 32 bytes, chosen at random";
    HmacKey::new(HmacAlgorithm::Hs256, secret.expose().as_bytes()).map_err(|_| rule("shared secret", why))
}

#[async_trait]
impl TokenVerifier for HmacVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        let jws = parse(token)?;
        let said = jws.claims().map_err(|fault| refuse(&fault))?;
        let mut fault = VerifyFault::Invalid;
        for key in &self.keys {
            match key.verify(&jws, |typ| self.rules.is_type(typ)) {
                Ok(()) => return self.rules.judge(&said, now),
                Err(why) => fault = refuse(&why),
            }
        }
        Err(fault)
    }
}

impl fmt::Debug for HmacVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacVerifier").field("issuer", &self.rules.issuer()).finish_non_exhaustive()
    }
}
