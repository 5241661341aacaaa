//! What is asked of a proof, and the check of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::dpop::TYPE;
use crate::dpop::fault::ProofFault;
use crate::dpop::nonce::Nonces;
use crate::dpop::tally::Tally;
use crate::dpop::target::Target;
use crate::entropy::Entropy;
use crate::grant::Thumbprint;
use crate::jose::{Algorithm, ClaimSet, Jws};
use crate::secret::TokenHash;
use crate::store::ReplayGuard;
use crate::time::Timestamp;

/// How many characters a proof may have.
pub const MAX_PROOF: usize = 8 * 1024;

/// How many characters its `jti` may have (DPOP-6, A-DPOPX-17).
pub const MAX_JTI: usize = 256;

/// How many proofs of one key are remembered in a window, where proofs are remembered: a hundred in three seconds, for five minutes.
pub const MAX_PROOFS: u32 = 10_000;

/// By how much a proof may be old, or ahead, unless it is said otherwise: what MCP asks of resources (DPOP-4).
pub const WINDOW: Duration = Duration::from_secs(300);

/// The request that a proof must be for.
///
/// ```
/// use oauth_core::dpop::{Asked, Target};
/// let target: Target = "https://as.example/token".parse()?;
/// let _at_the_token_endpoint = Asked::new("POST", &target);
/// let _at_a_resource = Asked::new("POST", &target).with_token("the access token");
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    method: &'a str,
    target: &'a Target,
    token: Option<&'a str>,
    key: Option<Thumbprint>,
    content: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// A request with this method to this URL: as clients write it, by configuration, not as a proxy passed it on (A-DPOPX-16).
    #[must_use]
    pub const fn new(method: &'a str, target: &'a Target) -> Self {
        Self { method, target, token: None, key: None, content: None }
    }

    /// With this access token: the proof must name its hash.
    #[must_use]
    pub const fn with_token(mut self, token: &'a str) -> Self {
        self.token = Some(token);
        self
    }

    /// By this key.
    #[must_use]
    pub const fn with_key(mut self, key: Thumbprint) -> Self {
        self.key = Some(key);
        self
    }

    /// With this body: a `content_digest` in the proof must be its SHA-256. A proof without one is good (DPOP-20).
    #[must_use]
    pub const fn with_content(mut self, content: &'a [u8]) -> Self {
        self.content = Some(content);
        self
    }
}

/// Shows no token.
impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("method", &self.method)
            .field("target", self.target)
            .finish_non_exhaustive()
    }
}

/// Whoever sent the request has the key with this thumbprint. [`ProofChecker::check`] alone makes one.
///
/// ```
/// use oauth_core::Binding;
/// use oauth_core::dpop::Proven;
/// fn binding(proven: &Proven) -> Binding { Binding::Dpop(proven.thumbprint()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a proof that nobody compares with a binding binds nothing"]
pub struct Proven {
    thumbprint: Thumbprint,
    content: Content,
}

/// What a proof says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    Digest([u8; 32]),
    /// Something that is no SHA-256.
    Unreadable,
}

impl Proven {
    /// The key.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whether the proof is for a request with this body: a `content_digest` in it must be its SHA-256, one without is for any body (DPOP-20).
    /// For whoever reads the body after the proof; [`Asked::with_content`] asks at once.
    ///
    /// ```
    /// use oauth_core::dpop::Proven;
    /// fn may_go_on(proven: &Proven, body: &[u8]) -> bool { proven.is_of(body) }
    /// ```
    #[must_use]
    pub fn is_of(&self, content: &[u8]) -> bool {
        self.content.is_of(content)
    }

    /// Whether the proof says which body it is for: whoever never sees the body cannot tell whether it is.
    ///
    /// ```
    /// use oauth_core::dpop::Proven;
    /// fn is_for_any_body(proven: &Proven) -> bool { !proven.names_content() }
    /// ```
    #[must_use]
    pub fn names_content(&self) -> bool {
        self.content != Content::Nothing
    }
}

impl Content {
    /// As RFC 9530 writes it: `sha-256=:…:`.
    fn said(claims: &ClaimSet<'_>) -> Self {
        let digest = match claims.text("content_digest") {
            None => return Self::Nothing,
            Some(said) => said.ok().and_then(|text| {
                let digest = text.strip_prefix("sha-256=:")?.strip_suffix(':')?;
                STANDARD.decode(digest).ok()?.try_into().ok()
            }),
        };
        digest.map_or(Self::Unreadable, Self::Digest)
    }

    fn is_of(self, content: &[u8]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Digest(digest) => digest == *Sha256::digest(content),
            Self::Unreadable => false,
        }
    }
}

/// Checks proofs, as [the module](crate::dpop) says.
///
/// ```
/// use http::HeaderValue;
/// use oauth_core::Timestamp;
/// use oauth_core::dpop::{Asked, ProofChecker, ProofFault};
/// use oauth_core::jose::SigningKey;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (key, now) = (SigningKey::generate_es256(), Timestamp::from_secs(1_700_000_000));
/// let header = serde_json::json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk().to_json()});
/// let claims = serde_json::json!({"jti": "1", "htm": "POST", "htu": "https://as.example/token", "iat": now.as_secs()});
/// let proof = HeaderValue::try_from(key.sign_under(&header, &claims)?)?;
///
/// let checker = ProofChecker::new();
/// let target = "https://as.example/token".parse()?;
/// let proven = checker.check([&proof], Asked::new("POST", &target), now).await?;
/// assert_eq!(proven.thumbprint(), key.public_jwk().thumbprint());
/// let refused = checker.check([&proof], Asked::new("GET", &target), now).await.unwrap_err();
/// assert!(matches!(refused, ProofFault::Method));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ProofChecker {
    algorithms: Arc<[Algorithm]>,
    window: Duration,
    nonces: Option<Arc<Nonces>>,
    needs_nonce: bool,
    replay: Option<Arc<dyn ReplayGuard>>,
    tally: Arc<Tally>,
    max_proofs: u32,
}

/// What every client can make, and keys whose proofs are quick to check.
const DEFAULT_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es384, Algorithm::Ps256, Algorithm::Rs256];

impl Default for ProofChecker {
    fn default() -> Self {
        Self::new()
    }
}

impl ProofChecker {
    /// Within [`WINDOW`], with ES256, EdDSA, ES384, PS256 or RS256, without nonces, as often as anybody likes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            algorithms: DEFAULT_ALGORITHMS.into(),
            window: WINDOW,
            nonces: None,
            needs_nonce: false,
            replay: None,
            tally: Arc::default(),
            max_proofs: MAX_PROOFS,
        }
    }

    /// Only these algorithms.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// By how much a proof may be old, or ahead.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        // Clones count together, but not what is counted by other windows.
        self.tally = Arc::default();
        self
    }

    /// Hands out nonces: a proof may do without one, and one that has one must have a good one.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Arc<Nonces>) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// Asks every proof for one of these nonces (DPOP-10).
    #[must_use]
    pub fn with_required_nonces(mut self, nonces: Arc<Nonces>) -> Self {
        self.needs_nonce = true;
        self.with_nonces(nonces)
    }

    /// Takes each proof once (DPOP-6).
    #[must_use]
    pub fn with_replay_guard(mut self, replay: Arc<dyn ReplayGuard>) -> Self {
        self.replay = Some(replay);
        self
    }

    /// How many proofs of one key are remembered in a window. Without it, [`MAX_PROOFS`].
    #[must_use]
    pub fn with_max_proofs(mut self, proofs: u32) -> Self {
        self.max_proofs = proofs;
        self.tally = Arc::default();
        self
    }

    /// The algorithms, for metadata and challenges.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The nonce that an answer should carry, if nonces are used.
    #[must_use]
    pub fn nonce(&self, now: Timestamp, entropy: &dyn Entropy) -> Option<Arc<str>> {
        self.nonces.as_ref().map(|nonces| nonces.current(now, entropy))
    }

    /// After how long a key whose proofs were too many ([`ProofFault::TooMany`]) may send more.
    #[must_use]
    pub const fn retry_after(&self, now: Timestamp) -> Duration {
        let window = self.window.as_secs();
        let window = if window == 0 { 1 } else { window };
        Duration::from_secs(window - now.as_secs() % window)
    }

    /// Checks the proof among a request's `DPoP` headers, of which there must be one.
    ///
    /// # Errors
    /// [`ProofFault`] says which check failed; [`ProofFault::code`] what may be said of it.
    pub async fn check<'h>(
        &self,
        headers: impl IntoIterator<Item = &'h HeaderValue>,
        asked: Asked<'_>,
        now: Timestamp,
    ) -> Result<Proven, ProofFault> {
        let mut headers = headers.into_iter();
        let proof = headers.next().ok_or(ProofFault::Missing)?;
        if headers.next().is_some() {
            return Err(ProofFault::Several);
        }
        // Joined by a comma or not: no character of a JWT is one, so two proofs in one line are no proof.
        let proof = proof.to_str().map_err(|_| ProofFault::Malformed)?;
        let (proven, use_of) = self.judge(proof, asked, now)?;
        if let Some(replay) = &self.replay {
            self.tally.count(proven.thumbprint(), self.max_proofs, self.window, now)?;
            if !replay.first_use(&use_of.key, use_of.until, now).await? {
                return Err(ProofFault::Replayed);
            }
        }
        Ok(proven)
    }

    fn judge(&self, proof: &str, asked: Asked<'_>, now: Timestamp) -> Result<(Proven, Use), ProofFault> {
        if proof.len() > MAX_PROOF {
            return Err(ProofFault::Malformed);
        }
        let jws = Jws::parse(proof).map_err(|_| ProofFault::Malformed)?;
        let header = jws.header().map_err(|_| ProofFault::Malformed)?;
        if !header.is_typ(TYPE) {
            return Err(ProofFault::Type);
        }
        let algorithm = header.alg.parse::<Algorithm>().map_err(|_| ProofFault::Algorithm)?;
        if !self.algorithms.contains(&algorithm) {
            return Err(ProofFault::Algorithm);
        }
        let jwk = header.own_key().map_err(|_| ProofFault::Key)?;
        let key = jwk.verifying_key(&[algorithm]).ok_or(ProofFault::Algorithm)?;
        if !key.verifies(algorithm, &jws) {
            return Err(ProofFault::Signature);
        }
        let thumbprint = jwk.thumbprint();
        let claims = jws.claims().map_err(|_| ProofFault::Malformed)?;
        let jti = claims.id.as_deref().filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI);
        let jti = jti.ok_or(ProofFault::Malformed)?;
        if text(&claims, "htm")? != asked.method {
            return Err(ProofFault::Method);
        }
        if text(&claims, "htu")?.parse::<Target>().ok().as_ref() != Some(asked.target) {
            return Err(ProofFault::Target);
        }
        let issued = claims.issued_at.filter(|date| !date.is_fractional()).ok_or(ProofFault::Malformed)?;
        let issued = issued.timestamp();
        // Whole seconds on both sides, or a proof of the very edge depends on the milliseconds.
        let today = Timestamp::from_secs(now.as_secs());
        if today.since(issued) > self.window || issued.since(today) > self.window {
            return Err(ProofFault::Time);
        }
        if asked.key.is_some_and(|key| key != thumbprint) {
            return Err(ProofFault::Binding);
        }
        if let Some(token) = asked.token
            && text(&claims, "ath").ok() != Some(URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes())))
        {
            return Err(ProofFault::Token);
        }
        let content = Content::said(&claims);
        if asked.content.is_some_and(|body| !content.is_of(body)) {
            return Err(ProofFault::Content);
        }
        self.judge_nonce(&claims, now)?;
        let target = asked.target.as_str();
        // Each part has an end of its own: no two uses are written alike.
        let key = TokenHash::of(&format!("dpop {thumbprint} {} {target} {jti}", target.len()));
        Ok((
            Proven { thumbprint, content },
            Use { key, until: issued + self.window + Duration::from_secs(1) },
        ))
    }

    fn judge_nonce(&self, claims: &ClaimSet<'_>, now: Timestamp) -> Result<(), ProofFault> {
        let Some(nonces) = &self.nonces else { return Ok(()) };
        match claims.text("nonce") {
            None if self.needs_nonce => Err(ProofFault::Nonce),
            None => Ok(()),
            Some(Ok(nonce)) if nonces.is_good(&nonce, now) => Ok(()),
            Some(_) => Err(ProofFault::Nonce),
        }
    }
}

/// What a replay guard remembers of a proof.
struct Use {
    key: TokenHash,
    until: Timestamp,
}

fn text(claims: &ClaimSet<'_>, name: &str) -> Result<String, ProofFault> {
    match claims.text(name) {
        Some(Ok(text)) => Ok(text.into_owned()),
        _ => Err(ProofFault::Malformed),
    }
}

impl fmt::Debug for ProofChecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofChecker")
            .field("algorithms", &self.algorithms)
            .field("window", &self.window)
            .field("nonces", &self.nonces)
            .field("needs_nonce", &self.needs_nonce)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_unless_they_count_otherwise() {
        let checker = ProofChecker::new();
        assert!(Arc::ptr_eq(&checker.tally, &checker.clone().tally));
        // In one tally, each count by the other's window would begin anew.
        assert!(!Arc::ptr_eq(&checker.tally, &checker.clone().with_window(Duration::from_secs(60)).tally));
        assert!(!Arc::ptr_eq(&checker.tally, &checker.clone().with_max_proofs(1).tally));
        assert_eq!(checker.retry_after(Timestamp::from_secs(601)), Duration::from_secs(299));
    }
}
