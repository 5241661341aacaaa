//! Metadata documents, fetched when they are needed and kept.
//!
//! 1. A pinned document is used as it is; nothing is fetched (CIMD-18). Of others, the operator's policy decides whose count, at
//!    each use (CIMD-14).
//! 2. A document is fresh for as long as its HTTP headers say, within a minute and a day (CIMD-10).
//! 3. One that is not fresh is fetched again, once for all who ask at the same time (CIMD-11), within the limits of the
//!    source and of all. The fetcher bounds besides how many fetches of one host are under way. Once strangers have used up what all may
//!    fetch, documents of clients to which users have agreed still are: as many again, and each at most once a minute.
//! 4. While its origin is down, the last good one is used for a week (CIMD-17). An origin that says that there is no
//!    document, or shows one that cannot be used, is not down.
//! 5. Before a document counts, [`changes`](super::changes) compares it with the one that users agreed to (CIMD-12).
//! 6. What could not be fetched is not tried again for some seconds; nothing of it is kept but the reason.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Refusal, SingleFlight};
use oauth_core::{Client, ClientId, RedirectKind, SourceNetwork, StoreError, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use url::{Host, Url};

use super::ClientFault;
use super::changes::{self, Standing};
use super::document::{judge_answer, judge_url, pinned};
use super::fetches::{Over, may_fetch};
use super::freshness::{LEAST, freshness};
use super::members::{MemberFault, REDIRECT_URIS};
use crate::config::DocumentPolicy;
use crate::server::Context;

/// How many bytes a document may have. The draft recommends 5 kB; real ones are smaller.
const LARGEST_DOCUMENT: usize = 16 * 1024;

/// How many bytes of documents are kept, counted as they came.
const ROOM: u64 = 8 * 1024 * 1024;

/// What an entry costs besides its document.
const OVERHEAD: usize = 512;

/// How many failures are remembered.
const MOST_FAILURES: usize = 2048;

/// How many different documents are being fetched at once.
const MOST_FLIGHTS: usize = 256;

/// After how long a document that could not be fetched or used is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The same while the last good one is used: nobody waits for it.
const RETRY_STALE: Duration = LEAST;

/// For how long the last good document is used while its origin is down.
const STALE: Duration = Duration::from_secs(7 * 86_400);

/// The documents of all clients by URL.
pub(super) struct Documents {
    fetch: Option<Arc<dyn Fetch>>,
    pinned: HashMap<ClientId, Arc<Client>>,
    development: bool,
    policy: DocumentPolicy,
    good: Cache<ClientId, Arc<Document>, ByBytes>,
    failed: Cache<ClientId, Failure>,
    flights: SingleFlight<ClientId, Result<Arc<Client>, Fault>>,
}

/// A document that was good when it was fetched.
struct Document {
    client: Arc<Client>,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
    bytes: usize,
}

/// That there is none, and until when nobody asks again.
#[derive(Clone, Copy)]
struct Failure {
    fault: Fault,
    retry_at: Timestamp,
}

/// Why there is no document, for all who wait for it.
#[derive(Clone, Copy)]
enum Fault {
    /// The document is no good.
    Document(MemberFault),
    /// What came in its place is no good; the document may be.
    Elsewhere(MemberFault),
    Busy,
    Limited(Over),
}

impl From<Fault> for ClientFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Document(MemberFault { reason, .. }) => {
                Self::Document { reason, message: sentence(reason), passes: false }
            }
            Fault::Elsewhere(MemberFault { reason, .. }) => {
                Self::Document { reason, message: sentence(reason), passes: true }
            }
            Fault::Busy => Self::Busy,
            Fault::Limited(over) => Self::Limited(over.retry_after),
        }
    }
}

/// What the user of the app reads, who can do little about it. The reason stands beside it, for the app's author.
fn sentence(reason: &str) -> &'static str {
    match reason {
        "client_id_url" => "The app names itself by a URL that cannot be that of its description.",
        "document_address" => "The app's description is at an address that must not be fetched.",
        "document_status" => {
            "The URL of the app's description did not answer with it. Redirects are not followed."
        }
        "document_size" => "The app's description is too large.",
        "document_type" | "document_json" => "The app's description is not a JSON document.",
        "document_client_id" => "The app's description is that of another app.",
        "document_secret" => "The app's description has a secret in it that everybody can read.",
        "document_auth_method" => {
            "The app's description asks for a way to authenticate that is not supported."
        }
        "document_host" => "This server does not take apps that are described at that site.",
        "document_room" => "This server takes no further apps.",
        "redirect_uris" => "The app's description has a return address that is not allowed.",
        "client_name" => "The app's description does not say what the app is called.",
        _ => "The app's description cannot be used.",
    }
}

/// How a fetch ended.
enum Outcome {
    /// With a good document, its size in bytes, and until when it is fresh.
    Good(Client, usize, Timestamp),
    /// Its owner has spoken: there is none, or none that can be used.
    Refused(MemberFault),
    /// Nobody knows: the last good one counts, if there is one.
    Down(Fault),
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ClientId, Arc<Document>> for ByBytes {
    fn weight(&self, id: &ClientId, document: &Arc<Document>) -> u64 {
        (OVERHEAD + id.as_str().len() + document.bytes) as u64
    }
}

impl Documents {
    /// `pinned` was judged when the configuration was read; what would not pass is not there.
    pub(super) fn new(
        fetch: Option<Arc<dyn Fetch>>,
        pinned: Vec<(String, String)>,
        development: bool,
        policy: DocumentPolicy,
    ) -> Self {
        let pinned = pinned
            .into_iter()
            .filter_map(|(id, json)| self::pinned(&id, &json).ok())
            .map(|client| (client.id.clone(), Arc::new(client)))
            .collect();
        Self {
            fetch,
            pinned,
            development,
            policy,
            good: Cache::with_weighter(1024, ROOM, ByBytes),
            failed: Cache::new(MOST_FAILURES),
            flights: SingleFlight::new(MOST_FLIGHTS),
        }
    }

    /// Whether any client may come with a document, pinned ones aside: that is what the metadata promises.
    pub(super) fn are_enabled(&self) -> bool {
        self.fetch.is_some()
    }

    /// Whether the operator has pinned the document or listed its host.
    pub(super) fn is_spoken_for(&self, id: &ClientId) -> bool {
        self.pinned.contains_key(id) || self.policy.names(id.as_str())
    }

    /// The client whose document is at `id`.
    pub(super) async fn resolve(
        &self,
        context: &Context,
        id: &ClientId,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Arc<Client>, ClientFault> {
        if let Some(client) = self.pinned.get(id) {
            return Ok(client.clone());
        }
        let Some(fetch) = &self.fetch else { return Err(ClientFault::Unknown) };
        if !self.policy.admits(id.as_str()) {
            return Err(Fault::Document(MemberFault::new(
                "document_host",
                "this server does not take documents of its host",
            ))
            .into());
        }
        if let Some(kept) = self.kept(id, now) {
            return Ok(kept?);
        }
        let url = judge_url(id, self.development).map_err(Fault::Document)?;
        if context.is_own(&url) {
            // A-CIMDX-16: a server that asks itself would wait for itself.
            return Err(
                Fault::Document(MemberFault::new("client_id_url", "its url is of this server")).into()
            );
        }
        let work = async {
            // Between looking and boarding another flight may have landed.
            if let Some(kept) = self.kept(id, now) {
                return kept;
            }
            if let Err(over) = may_fetch(context, id, source, now).await {
                // No fetch took place, so there is nothing to remember.
                return self.last_good(id, now).ok_or(Fault::Limited(over));
            }
            let outcome = self.judge(context, ask(&**fetch, id, now).await, &url, now).await;
            self.keep(id, outcome, now)
        };
        // No room for another flight: what is known has to do.
        let landed = self.flights.run(id.clone(), work).await;
        let landed = landed.unwrap_or_else(|_| self.last_good(id, now).ok_or(Fault::Busy));
        Ok(landed.map_err(|fault| match fault {
            // Somebody else was to fetch it, and may not.
            Fault::Limited(Over { whose: Some(whose), .. })
                if source.map(SourceNetwork::of) != Some(whose) =>
            {
                Fault::Busy
            }
            fault => fault,
        })?)
    }

    /// The client whose document is pinned, or was fetched lately.
    pub(super) fn at_hand(&self, id: &ClientId, now: Timestamp) -> Option<Arc<Client>> {
        if let Some(client) = self.pinned.get(id) {
            return Some(client.clone());
        }
        let document = self.good.get(id).filter(|document| document.is_fresh(now))?;
        self.policy.admits(id.as_str()).then(|| document.client.clone())
    }

    /// What the operator's policy and what users agreed to before make of a document.
    async fn judge(&self, context: &Context, outcome: Outcome, url: &Url, now: Timestamp) -> Outcome {
        let Outcome::Good(client, ..) = &outcome else { return outcome };
        if self.policy.same_origin_redirects && !stays_at(url, client) {
            let line = "its https redirect uris must be of the origin that it is at";
            return Outcome::Refused(MemberFault::new(REDIRECT_URIS, line));
        }
        match changes::settle(context, &self.policy, client, now).await {
            Ok(Standing::NoRoom) => {
                tracing::warn!(client_id = %client.id, "there are as many clients by document as may be");
                let line = "this server takes no further documents";
                Outcome::Refused(MemberFault::new("document_room", line))
            }
            Ok(_) => outcome,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a document cannot be compared");
                Outcome::Down(Fault::Busy)
            }
        }
    }

    /// Whether a grant that was just opened may stand: it was given to the client as it is now. Pinned documents are the operator's to change.
    pub(super) async fn confirm(
        &self,
        context: &Context,
        client: &Client,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        if self.pinned.contains_key(&client.id) {
            return Ok(Standing::Current);
        }
        let standing = changes::confirm(context, &self.policy, client, now).await?;
        if standing == Standing::Outdated {
            // Another server has seen a newer one.
            self.good.remove(&client.id);
        }
        Ok(standing)
    }

    /// What can be said without a fetch.
    fn kept(&self, id: &ClientId, now: Timestamp) -> Option<Result<Arc<Client>, Fault>> {
        if let Some(document) = self.good.get(id).filter(|document| document.is_fresh(now)) {
            return Some(Ok(document.client.clone()));
        }
        // A clock that stepped back must not make a failure last.
        let failure = self
            .failed
            .get(id)
            .filter(|failure| now < failure.retry_at && failure.retry_at <= now + RETRY_STALE)?;
        Some(self.last_good(id, now).ok_or(failure.fault))
    }

    /// The last good document, fresh or not, within a week.
    fn last_good(&self, id: &ClientId, now: Timestamp) -> Option<Arc<Client>> {
        let document = self.good.get(id)?;
        (now.since(document.fetched_at) <= STALE).then(|| document.client.clone())
    }

    fn keep(&self, id: &ClientId, outcome: Outcome, now: Timestamp) -> Result<Arc<Client>, Fault> {
        match outcome {
            Outcome::Good(client, bytes, fresh_until) => {
                let client = Arc::new(client);
                let document = Document { client: client.clone(), fetched_at: now, fresh_until, bytes };
                self.good.insert(id.clone(), Arc::new(document));
                self.failed.remove(id);
                Ok(client)
            }
            Outcome::Refused(fault) => {
                self.good.remove(id);
                self.failed
                    .insert(id.clone(), Failure { fault: Fault::Document(fault), retry_at: now + RETRY });
                Err(Fault::Document(fault))
            }
            Outcome::Down(fault) => {
                let last_good = self.last_good(id, now);
                let retry_at = now + if last_good.is_some() { RETRY_STALE } else { RETRY };
                self.failed.insert(id.clone(), Failure { fault, retry_at });
                last_good.ok_or(fault)
            }
        }
    }
}

impl Document {
    fn is_fresh(&self, now: Timestamp) -> bool {
        // A document from the future was fetched before the clock was set back.
        self.fetched_at <= now && now < self.fresh_until
    }
}

/// Whether every https redirect leads back to where the document is. On loopback nothing is https.
fn stays_at(url: &Url, client: &Client) -> bool {
    url.scheme() != "https"
        || client
            .redirect_uris
            .iter()
            .filter(|uri| uri.kind() == RedirectKind::Https)
            .all(|uri| Url::parse(uri.as_str()).is_ok_and(|uri| uri.origin() == url.origin()))
}

/// Whether the host is a name that a resolver is asked for.
fn is_looked_up(id: &ClientId) -> bool {
    let url = Url::parse(id.as_str());
    url.is_ok_and(
        |url| matches!(url.host(), Some(Host::Domain(name)) if name.trim_end_matches('.') != "localhost"),
    )
}

async fn ask(fetch: &dyn Fetch, id: &ClientId, now: Timestamp) -> Outcome {
    let answer = match fetch.fetch(FetchRequest::get(id.as_str()).with_body_limit(LARGEST_DOCUMENT)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(client_id = %id, %error, "no metadata document");
            return Outcome::Down(match error {
                // A name that leads inside is answered as one that leads nowhere: nobody learns from it which names we see from the
                // inside (A-CIMDX-1).
                FetchError::Refused(Refusal::Address) if is_looked_up(id) => Fault::Busy,
                // The same words for whatever is refused by itself.
                FetchError::Refused(_) => {
                    Fault::Document(MemberFault::new("document_address", "its address must not be fetched"))
                }
                FetchError::TooLarge { .. } => {
                    Fault::Elsewhere(MemberFault::new("document_size", "it is too large"))
                }
                _ => Fault::Busy,
            });
        }
    };
    match judge_answer(id, &answer, now) {
        Ok(client) => Outcome::Good(client, answer.body.len(), now + freshness(&answer.headers, now)),
        Err(fault) => {
            tracing::debug!(client_id = %id, status = answer.status.as_u16(), reason = fault.reason, fault = fault.line, "a metadata document that cannot be used");
            match answer.status {
                // What is no document at all may be the page of somebody on the way; the owner speaks in JSON.
                StatusCode::OK if answer.is_json() => Outcome::Refused(fault),
                StatusCode::NOT_FOUND | StatusCode::GONE => Outcome::Refused(fault),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Outcome::Down(Fault::Busy),
                status if status.is_server_error() => Outcome::Down(Fault::Busy),
                _ => Outcome::Down(Fault::Elsewhere(fault)),
            }
        }
    }
}
