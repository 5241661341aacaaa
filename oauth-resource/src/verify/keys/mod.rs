//! The keys of issuers: where they come from, how fresh they are.

mod discovery;
mod health;
mod remote;

use std::fmt;
use std::sync::Arc;

use oauth_core::fetch::Fetch;
use oauth_core::jose::{JwkSet, Jws, SignatureFault};
use oauth_core::{Issuer, Timestamp};

use crate::verify::trusted::TrustedIssuer;

pub(super) use discovery::is_secure;
use health::warn_of_skipped;
pub use health::{KeySetHealth, KeyTiming};
pub(super) use remote::Remote;

/// Where an issuer's keys come from.
#[derive(Clone)]
pub(super) enum KeySource {
    /// A document that is configured.
    Fixed(String),
    /// An address that is configured.
    Url(String),
    /// The address in the issuer's metadata.
    Discovery,
}

/// The keys of one issuer. Each has its own: a name of a key means nothing at another issuer (A-JWT-23).
pub(super) enum Keys {
    Fixed(Box<JwkSet>),
    Remote(Arc<Remote>),
}

impl Keys {
    pub(super) fn of(
        trusted: &TrustedIssuer,
        issuer: &Issuer,
        fetch: Option<&Arc<dyn Fetch>>,
        timing: KeyTiming,
    ) -> Result<Self, &'static str> {
        let url = match &trusted.keys {
            KeySource::Fixed(json) => {
                let set = JwkSet::parse(json.as_bytes(), &trusted.algorithms)
                    .map_err(|_| "not a json web key set")?;
                if set.is_empty() {
                    return Err("no key in the set can be used");
                }
                warn_of_skipped(issuer, &set);
                return Ok(Self::Fixed(Box::new(set)));
            }
            KeySource::Url(url) if !discovery::is_secure(url) => return Err("must be fetched over https"),
            KeySource::Url(url) => Some(url.clone()),
            KeySource::Discovery => None,
        };
        let fetch = fetch.ok_or("must be fetched: say through what, by fetch()")?;
        Ok(Self::Remote(Remote::new(issuer.clone(), url, fetch.clone(), trusted.algorithms.clone(), timing)))
    }

    /// Whether one of the keys signed something of this type. What cannot be known now is not known to be so.
    pub(super) async fn vouch_for(
        &self,
        jws: &Jws<'_>,
        is_type: impl Fn(Option<&str>) -> bool + Send + Sync,
        now: Timestamp,
    ) -> bool {
        match self {
            Self::Fixed(set) => set.verify(jws, &is_type).is_ok(),
            Self::Remote(remote) => {
                match remote.current(now).map(|set| set.verify(jws, &is_type).map(drop)) {
                    Some(Ok(())) => return true,
                    Some(Err(fault)) if fault != SignatureFault::UnknownKey => return false,
                    _ => {}
                }
                remote.renewed(now).await;
                remote.current(now).is_some_and(|set| set.verify(jws, &is_type).is_ok())
            }
        }
    }

    pub(super) fn health(&self, issuer: &str, now: Timestamp) -> KeySetHealth {
        match self {
            Self::Fixed(set) => KeySetHealth {
                issuer: issuer.to_owned(),
                ready: true,
                keys: set.len(),
                skipped: set.skipped().len(),
                age: None,
                failure: None,
            },
            Self::Remote(remote) => remote.health(now),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Url(_) => "Url",
            Self::Discovery => "Discovery",
        })
    }
}
