//! The logos of clients, fetched when they are shown (CIMD-16, AS-78).
//!
//! 1. Only of clients for which the operator has spoken: configured ones, pinned documents, documents of hosts that the operator has listed. A
//!    stranger's picture beside a name is what a stranger would want.
//! 2. Only for somebody who has signed in, through the guarded fetcher, within the limits on fetches, and within a second: nobody waits for a
//!    picture.
//! 3. What is no picture ([`ClientLogo`]), or does not come, is no logo, and is not asked for again for a while. Nobody is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::ACCEPT;
use oauth_core::fetch::{Fetch, FetchRequest, SingleFlight};
use oauth_core::{Client, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use url::Url;

use super::fetches::within_limits;
use crate::pages::{ClientLogo, HttpsLink, LARGEST_LOGO};
use crate::server::Context;

/// How many bytes of logos are kept.
const ROOM: u64 = 4 * 1024 * 1024;

/// What an entry costs besides its picture.
const OVERHEAD: usize = 256;

/// How many logos are being fetched at once.
const MOST_FLIGHTS: usize = 32;

/// For how long a logo is kept, and for how long that there is none.
const FRESH: Duration = Duration::from_secs(86_400);
const RETRY: Duration = Duration::from_secs(600);

/// For how long a page waits for its picture.
const PATIENCE: Duration = Duration::from_secs(1);

/// The logos by URL.
pub(super) struct Logos {
    fetch: Option<Arc<dyn Fetch>>,
    kept: Cache<Box<str>, Kept, ByBytes>,
    flights: SingleFlight<Box<str>, Option<Arc<ClientLogo>>>,
}

/// A logo or that there is none, and until when that counts.
#[derive(Clone)]
struct Kept {
    logo: Option<Arc<ClientLogo>>,
    until: Timestamp,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Kept> for ByBytes {
    fn weight(&self, url: &Box<str>, kept: &Kept) -> u64 {
        (OVERHEAD + url.len() + kept.logo.as_ref().map_or(0, |logo| logo.as_str().len())) as u64
    }
}

impl Logos {
    pub(super) fn new(fetch: Option<Arc<dyn Fetch>>) -> Self {
        Self {
            fetch,
            kept: Cache::with_weighter(64, ROOM, ByBytes),
            flights: SingleFlight::new(MOST_FLIGHTS),
        }
    }

    /// The logo of a client for which the operator has spoken.
    pub(super) async fn of(
        &self,
        context: &Context,
        client: &Client,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Arc<ClientLogo>> {
        let fetch = self.fetch.as_deref()?;
        let url = HttpsLink::parse(client.extra.as_ref()?.get("logo_uri")?.as_str()?)?;
        if Url::parse(url.as_str()).is_ok_and(|url| context.is_own(&url)) {
            // A-CIMDX-16: a server that asks itself would wait for itself.
            return None;
        }
        let url: Box<str> = url.as_str().into();
        if let Some(kept) = self.fresh(&url, now) {
            return kept.logo;
        }
        let work = async {
            if let Some(kept) = self.fresh(&url, now) {
                return kept.logo;
            }
            // Not remembered: no fetch took place.
            within_limits(context, source, now).await.ok()?;
            let logo = in_time(ask(fetch, &url)).await.flatten().map(Arc::new);
            let until = now + if logo.is_some() { FRESH } else { RETRY };
            self.kept.insert(url.clone(), Kept { logo: logo.clone(), until });
            logo
        };
        self.flights.run(url.clone(), work).await.ok().flatten()
    }

    fn fresh(&self, url: &str, now: Timestamp) -> Option<Kept> {
        // A clock that stepped back must not make a failure last.
        self.kept.get(url).filter(|kept| now < kept.until && kept.until <= now + FRESH)
    }
}

async fn ask(fetch: &dyn Fetch, url: &str) -> Option<ClientLogo> {
    let kinds = http::HeaderValue::from_static("image/webp, image/png, image/jpeg, image/gif");
    let request = FetchRequest::get(url).with_header(ACCEPT, kinds).with_body_limit(LARGEST_LOGO);
    match fetch.fetch(request).await {
        Ok(answer) if answer.status == StatusCode::OK => ClientLogo::sniff(&answer.body),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(url, %error, "no logo");
            None
        }
    }
}

/// What comes of it within a second. Without tokio's timer the fetcher's own patience rules.
async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Some(work.await);
    }
    tokio::time::timeout(PATIENCE, work).await.ok()
}
