//! Nonces that no server keeps: a sealed time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::entropy::Entropy;
use crate::issuer::Issuer;
use crate::resource::ResourceUri;
use crate::seal::Sealer;
use crate::time::Timestamp;

/// Makes nonces and knows its own again. A nonce is the number of the period it was made in, sealed: any server with the same key
/// reads it, and nobody else can make one. It is good in its own period and the next, so for one to two times the period.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use oauth_core::dpop::Nonces;
/// use oauth_core::{OsEntropy, Sealer, Timestamp};
///
/// let (sealer, now) = (Arc::new(Sealer::new(&[7; 32])), Timestamp::from_secs(1_700_000_000));
/// let resource = Nonces::of_resource(sealer.clone(), &"https://mcp.example/mcp".parse()?);
/// let nonce = resource.current(now, &OsEntropy);
/// assert!(resource.is_good(&nonce, now + Duration::from_secs(299)));
/// assert!(!resource.is_good(&nonce, now + Duration::from_secs(601)));
/// // One of the authorization server is none here, though both have one key (DPOP-8).
/// assert!(!Nonces::of_server(sealer, &"https://mcp.example".parse()?).is_good(&nonce, now));
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
pub struct Nonces {
    sealer: Arc<Sealer>,
    label: &'static str,
    context: Box<[u8]>,
    period: Duration,
    /// Sealing takes as long as half a signature: once a period will do.
    current: Mutex<Option<(u64, Arc<str>)>>,
}

/// For how long one nonce is handed out.
const PERIOD: Duration = Duration::from_secs(300);

/// Far more than a nonce of ours has.
const MAX_NONCE: usize = 128;

impl Nonces {
    /// The nonces of a resource.
    #[must_use]
    pub fn of_resource(sealer: Arc<Sealer>, resource: &ResourceUri) -> Self {
        Self::new(sealer, "dpop nonce of a resource", resource.as_str())
    }

    /// The nonces of an authorization server.
    #[must_use]
    pub fn of_server(sealer: Arc<Sealer>, issuer: &Issuer) -> Self {
        Self::new(sealer, "dpop nonce of a server", issuer.as_str())
    }

    fn new(sealer: Arc<Sealer>, label: &'static str, context: &str) -> Self {
        let context = context.as_bytes().into();
        Self { sealer, label, context, period: PERIOD, current: Mutex::new(None) }
    }

    /// For how long one nonce is handed out, at least a second. Without it, five minutes.
    #[must_use]
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period.max(Duration::from_secs(1));
        self
    }

    /// The nonce to hand out now: `NQCHAR`s alone (DPOP-9).
    #[must_use]
    pub fn current(&self, now: Timestamp, entropy: &dyn Entropy) -> Arc<str> {
        let period = self.number(now);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((of, nonce)) if *of == period => nonce.clone(),
            _ => {
                let nonce: Arc<str> =
                    self.sealer.seal(self.label, &self.context, &period.to_be_bytes(), entropy).into();
                *current = Some((period, nonce.clone()));
                nonce
            }
        }
    }

    /// Whether `nonce` is of this period or the one before. One of the next is good too: another server's clock may be ahead.
    #[must_use]
    pub fn is_good(&self, nonce: &str, now: Timestamp) -> bool {
        if nonce.len() > MAX_NONCE {
            return false;
        }
        let Some(opened) = self.sealer.open(self.label, &self.context, nonce) else { return false };
        let Ok(of) = opened.try_into().map(u64::from_be_bytes) else { return false };
        self.number(now).abs_diff(of) <= 1
    }

    fn number(&self, now: Timestamp) -> u64 {
        now.as_secs() / self.period.as_secs()
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces")
            .field("label", &self.label)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
