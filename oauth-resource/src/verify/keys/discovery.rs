//! Finding and reading an issuer's key set.

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest};
use oauth_core::jose::{Algorithm, JwkSet, JwkSetFault};
use oauth_core::{Issuer, json_members};
use serde::Deserialize;
use url::Url;

/// How many bytes a metadata document or a key set may have (RS-61), if the fetcher's policy lets through as many.
const MAX_DOCUMENT: usize = 512 * 1024;

/// Why keys are not there. The texts are for health checks and logs; a URL is not in them.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetFault {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the issuer answered {0}")]
    Status(u16),
    #[error("the issuer's metadata cannot be read")]
    Metadata,
    #[error("the metadata is of another issuer")]
    OtherIssuer,
    #[error("the metadata names no key set")]
    NoKeySet,
    #[error("the key set must be fetched over https")]
    Insecure,
    #[error(transparent)]
    KeySet(#[from] JwkSetFault),
    #[error("no key of the issuer's set can be used, {0} were skipped")]
    NoUsableKey(usize),
    #[error("the fetch was broken off")]
    BrokenOff,
}

impl KeySetFault {
    /// Whether the set is there, and it is its keys that cannot be used.
    pub(super) const fn is_of_keys(&self) -> bool {
        matches!(self, Self::NoUsableKey(skipped) if *skipped > 0)
    }
}

/// The members that matter here. Ill-formed others are none of our business.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
}

/// Fetches the keys, from `url` or from wherever the issuer's metadata says.
pub(super) async fn load(
    issuer: &Issuer,
    url: Option<&str>,
    fetch: &dyn Fetch,
    algorithms: &[Algorithm],
) -> Result<JwkSet, KeySetFault> {
    let url = match url {
        Some(url) => url.to_owned(),
        None => discover(issuer, fetch).await?,
    };
    if !is_secure(&url) {
        return Err(KeySetFault::Insecure);
    }
    let document = get(fetch, &url).await?;
    Ok(JwkSet::parse(&document, algorithms)?)
}

/// Reads the first of the metadata documents that is there. One that calls itself otherwise ends the search: whoever serves it is not
/// the issuer, or the configuration is wrong, and neither is mended by looking elsewhere (RS-60).
async fn discover(issuer: &Issuer, fetch: &dyn Fetch) -> Result<String, KeySetFault> {
    let mut fault = KeySetFault::NoKeySet;
    for url in issuer.metadata_urls() {
        let document = match get(fetch, &url).await {
            Ok(document) => document,
            // Not there: an older form may be. But an outage is one, wherever one asks.
            Err(KeySetFault::Status(status)) if (300..500).contains(&status) => {
                fault = KeySetFault::Status(status);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        // A page for people, say, which is what some servers answer everywhere.
        let Ok(metadata) = json_members::<Metadata>(&document) else {
            fault = KeySetFault::Metadata;
            continue;
        };
        if metadata.issuer != issuer.as_str() {
            return Err(KeySetFault::OtherIssuer);
        }
        match metadata.jwks_uri {
            Some(url) => return Ok(url),
            None => fault = KeySetFault::NoKeySet,
        }
    }
    Err(fault)
}

async fn get(fetch: &dyn Fetch, url: &str) -> Result<bytes::Bytes, KeySetFault> {
    let fetched = fetch.fetch(FetchRequest::get(url).with_body_limit(MAX_DOCUMENT)).await?;
    // A redirect is not followed: the address of keys is what is trusted (RS-61).
    if fetched.status != StatusCode::OK {
        return Err(KeySetFault::Status(fetched.status.as_u16()));
    }
    Ok(fetched.body)
}

/// https, or http to this machine. What addresses may be reached besides is the fetcher's policy.
pub(in crate::verify) fn is_secure(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| oauth_core::is_secure(&url))
}
