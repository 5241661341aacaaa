//! Where a third party's endpoints are: configured, or found in its metadata (RFC 8414).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchRequest};
use oauth_core::{ConnectionFault, Issuer, Timestamp, json_members};
use serde::Deserialize;

/// For how long metadata counts as new.
const FRESH: Duration = Duration::from_secs(3600);
const MAX_DOCUMENT: usize = 64 * 1024;

pub(super) enum Endpoints {
    Configured(Arc<Found>),
    Discovered { issuer: Issuer, last: Mutex<Option<(Timestamp, Arc<Found>)>> },
}

pub(super) struct Found {
    pub(super) authorization: String,
    pub(super) token: String,
    /// Whose `iss` answers carry, where it is known.
    pub(super) issuer: Option<String>,
    /// Whether all of them do.
    pub(super) sends_iss: bool,
}

/// The members that matter here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Endpoints {
    pub(super) fn issuer(&self) -> &str {
        match self {
            Self::Configured(found) => &found.authorization,
            Self::Discovered { issuer, .. } => issuer.as_str(),
        }
    }

    /// The endpoints; while the metadata cannot be fetched anew, what it said before.
    pub(super) async fn find(
        &self,
        fetch: &dyn Fetch,
        now: Timestamp,
    ) -> Result<Arc<Found>, ConnectionFault> {
        let (issuer, last) = match self {
            Self::Configured(found) => return Ok(found.clone()),
            Self::Discovered { issuer, last } => (issuer, last),
        };
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match before {
            Some((at, found)) if now.since(at) < FRESH => return Ok(found),
            _ => {}
        }
        match discover(issuer, fetch).await {
            Ok(found) => {
                let found = Arc::new(found);
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, found.clone()));
                Ok(found)
            }
            Err(fault) => before.map(|(_, found)| found).ok_or(fault),
        }
    }
}

/// RFC 8414 §3.1, then OpenID Connect Discovery §4. Metadata that calls itself otherwise ends the search: it is somebody else's.
async fn discover(issuer: &Issuer, fetch: &dyn Fetch) -> Result<Found, ConnectionFault> {
    let (origin, path) = (issuer.origin(), issuer.path());
    for url in [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ] {
        let request = FetchRequest::get(&url).with_body_limit(MAX_DOCUMENT);
        let fetched = fetch.fetch(request).await.map_err(ConnectionFault::unavailable)?;
        let document = (fetched.status == StatusCode::OK)
            .then(|| json_members::<Metadata>(&fetched.body).ok())
            .flatten();
        let Some(metadata) = document else { continue };
        if metadata.issuer != issuer.as_str() {
            return Err(ConnectionFault::unavailable("the metadata is of another issuer"));
        }
        if !is_secure(&metadata.authorization_endpoint) || !is_secure(&metadata.token_endpoint) {
            return Err(ConnectionFault::unavailable("the metadata names an endpoint without https"));
        }
        return Ok(Found {
            authorization: metadata.authorization_endpoint,
            token: metadata.token_endpoint,
            issuer: Some(metadata.issuer),
            sends_iss: metadata.authorization_response_iss_parameter_supported,
        });
    }
    Err(ConnectionFault::unavailable("the issuer has no metadata"))
}

/// https, or http to this machine: what an issuer must be. An endpoint may have a query (RFC 6749 §3.1).
pub(super) fn is_secure(url: &str) -> bool {
    url.split('?').next().is_some_and(|url| url.parse::<Issuer>().is_ok())
}
