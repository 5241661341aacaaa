//! Where a third party's endpoints are: configured, or found in its metadata (RFC 8414).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchRequest, SingleFlight};
use oauth_core::{ConnectionFault, Issuer, Timestamp, is_loopback, json_members};
use serde::Deserialize;
use url::Url;

/// For how long metadata counts as new.
const FRESH: Duration = Duration::from_secs(3600);
/// For how long it is not asked for again where that failed.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_DOCUMENT: usize = 64 * 1024;

pub(super) enum Endpoints {
    /// What names the server, and where it is.
    Configured(String, Arc<Found>),
    Discovered(Box<Discovered>),
}

pub(super) struct Discovered {
    issuer: Issuer,
    last: Mutex<Last>,
    flights: SingleFlight<(), Result<Arc<Found>, ConnectionFault>>,
}

#[derive(Clone, Default)]
struct Last {
    found: Option<(Timestamp, Arc<Found>)>,
    failed: Option<(Timestamp, ConnectionFault)>,
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
    pub(super) fn configured(issuer: Option<&str>, authorization: String, token: String) -> Self {
        let name = issuer.unwrap_or(&authorization).to_owned();
        let issuer = issuer.map(str::to_owned);
        Self::Configured(name, Arc::new(Found { authorization, token, issuer, sends_iss: false }))
    }

    pub(super) fn discovered(issuer: Issuer) -> Self {
        Self::Discovered(Box::new(Discovered {
            issuer,
            last: Mutex::default(),
            flights: SingleFlight::new(1),
        }))
    }

    pub(super) fn issuer(&self) -> &str {
        match self {
            Self::Configured(name, _) => name,
            Self::Discovered(server) => server.issuer.as_str(),
        }
    }

    pub(super) async fn find(
        &self,
        fetch: &Arc<dyn Fetch>,
        now: Timestamp,
    ) -> Result<Arc<Found>, ConnectionFault> {
        match self {
            Self::Configured(_, found) => Ok(found.clone()),
            Self::Discovered(server) => server.find(&**fetch, now).await,
        }
    }
}

impl Discovered {
    /// The endpoints; while the metadata cannot be fetched anew, what it said before. It is asked for by one request at a time, and not at once
    /// again where it failed.
    async fn find(&self, fetch: &dyn Fetch, now: Timestamp) -> Result<Arc<Found>, ConnectionFault> {
        let fresh = |last: &Last| match last {
            Last { found: Some((at, found)), .. } if now.is_within(*at, FRESH) => Some(Ok(found.clone())),
            Last { found, failed: Some((at, fault)) } if now.is_within(*at, PAUSE) => {
                Some(found.as_ref().map(|(_, found)| found.clone()).ok_or_else(|| fault.clone()))
            }
            _ => None,
        };
        let known = fresh(&self.last());
        if let Some(known) = known {
            return known;
        }
        let flight = async {
            // Somebody may have landed just now.
            let known = fresh(&self.last());
            if let Some(known) = known {
                return known;
            }
            let discovered = discover(&self.issuer, fetch).await;
            let mut last = self.last();
            match discovered {
                Ok(found) => {
                    let found = Arc::new(found);
                    *last = Last { found: Some((now, found.clone())), failed: None };
                    Ok(found)
                }
                Err(fault) => {
                    last.failed = Some((now, fault.clone()));
                    last.found.as_ref().map(|(_, found)| found.clone()).ok_or(fault)
                }
            }
        };
        self.flights.run((), flight).await.unwrap_or_else(|busy| Err(ConnectionFault::unavailable(busy)))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first of the metadata documents that is there. Metadata that calls itself otherwise ends the search: it is somebody else's.
async fn discover(issuer: &Issuer, fetch: &dyn Fetch) -> Result<Found, ConnectionFault> {
    for url in issuer.metadata_urls() {
        let request = FetchRequest::get(&url).with_body_limit(MAX_DOCUMENT);
        let fetched = fetch.fetch(request).await.map_err(ConnectionFault::unavailable)?;
        let document = (fetched.status == StatusCode::OK)
            .then(|| json_members::<Metadata>(&fetched.body).ok())
            .flatten();
        let Some(metadata) = document else { continue };
        if metadata.issuer != issuer.as_str() {
            return Err(ConnectionFault::unavailable("the metadata is of another issuer"));
        }
        let urls = [&metadata.authorization_endpoint, &metadata.token_endpoint];
        if !urls.into_iter().all(|url| may_name(Some(issuer), url)) {
            return Err(ConnectionFault::unavailable("the metadata names an endpoint that it may not"));
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

/// https, without user and fragment; a query there may be (RFC 6749 §3.1). On this machine, by http too, only for an issuer that is itself
/// there, or for an operator who names no issuer.
pub(super) fn may_name(issuer: Option<&Issuer>, text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    // Read as it is written: no white space that is left out, no backslash that is a slash.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let has_host = ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let has_host = has_host.is_some_and(|rest| !rest.starts_with(['/', '?']));
    let has_user = !url.username().is_empty() || url.password().is_some();
    let may_be_here =
        issuer.is_none_or(|issuer| Url::parse(issuer.as_str()).is_ok_and(|url| is_loopback(&url)));
    let is_allowed = if is_loopback(&url) { may_be_here } else { url.scheme() == "https" };
    is_plain && has_host && !has_user && is_allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    // A-UPS-9
    #[test]
    fn an_endpoint_is_https_and_on_this_machine_only_for_who_is_there() {
        let (there, here): (Issuer, Issuer) =
            ("https://third.example".parse().unwrap(), "http://127.0.0.1:1".parse().unwrap());
        for (url, from_there, from_here) in [
            ("https://third.example/token?tenant=1", true, true),
            ("https://third.example", true, true),
            ("http://third.example/token", false, false),
            ("http://127.0.0.1:2/token", false, true),
            ("http://[::1]/token", false, true),
            ("http://localhost/token", false, true),
            ("https://localhost/token", false, true),
            ("https://third.example/token#x", false, false),
            ("https://third.example/token?x#y", false, false),
            ("https://u@third.example/token", false, false),
            ("https:third.example", false, false),
            ("https:///third.example", false, false),
            ("https://third.example/a?b c", false, false),
            ("https://third.example\\@evil.example", false, false),
            ("https://third.example/a?b\r\nc", false, false),
            ("javascript:alert(1)", false, false),
            ("", false, false),
        ] {
            assert_eq!(may_name(Some(&there), url), from_there, "{url}");
            assert_eq!(may_name(Some(&here), url), from_here, "{url}");
            assert_eq!(may_name(None, url), from_here, "{url}");
        }
    }
}
