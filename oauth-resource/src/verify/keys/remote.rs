//! Keys that are fetched, and fetched again, by one at a time.
//!
//! 1. Requests read the keys that are there; nobody holds a lock while a signature is verified or a document fetched (RS-65).
//! 2. Keys that have got old are fetched again in the background, while the old ones serve.
//! 3. A key that is not known causes a fetch at most once in the cool-down, for all such keys together (RS-62). Fetches that had another
//!    cause do not count: a key may be changed a second after one (RS-63). Those who want the outcome wait for the one fetch that is under
//!    way, in bounded number.
//! 4. What was fetched replaces what was there, whole: a key that the issuer has removed is gone (RS-64).
//! 5. A fetch that fails changes nothing, until the keys are too old; but metadata that is another issuer's takes the keys away (RS-60).
//! 6. A set without a key that can be used takes the old keys away, as 4 says, and tokens are refused (RS-58); one without any key at all is
//!    an outage: nobody can tell of a token whether it is good.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use oauth_core::fetch::Fetch;
use oauth_core::jose::{Algorithm, JwkSet, Skipped};
use oauth_core::{Issuer, OsEntropy, Timestamp, VerifyFault, random};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::verify::keys::discovery::{KeySetFault, load};
use crate::verify::keys::health::{KeySetHealth, KeyTiming, warn_of_skipped};

/// Until the first keys are there, the issuer is asked again this soon.
const START_COOL_DOWN: Duration = Duration::from_secs(5);

/// How long a fetch may take, whatever it is made through. Others wait for its end, and none begins before it: one that takes longer is
/// broken off by who comes next.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// How many requests may wait for a fetch. The others are told to come again.
const MAX_WAITING: usize = 256;

/// The keys of an issuer elsewhere.
pub(in crate::verify) struct Remote {
    issuer: Issuer,
    url: Option<String>,
    fetch: Arc<dyn Fetch>,
    algorithms: Vec<Algorithm>,
    timing: KeyTiming,
    loaded: ArcSwapOption<Loaded>,
    /// Whether there ever were keys.
    had_keys: AtomicBool,
    progress: Mutex<Progress>,
    waiting: AtomicUsize,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
}

struct Loaded {
    keys: Arc<JwkSet>,
    at: Timestamp,
    /// From when they are fetched again.
    refresh_at: Timestamp,
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Age,
    UnknownKey,
}

#[derive(Default)]
struct Progress {
    under_way: bool,
    flight: Option<AbortHandle>,
    last_attempt: Option<Timestamp>,
    /// The last one because of a key that was not known.
    last_for_unknown: Option<Timestamp>,
    failure: Option<KeySetFault>,
    warned: Vec<Skipped>,
}

impl Remote {
    pub(super) fn new(
        issuer: Issuer,
        url: Option<String>,
        fetch: Arc<dyn Fetch>,
        algorithms: Vec<Algorithm>,
        timing: KeyTiming,
    ) -> Arc<Self> {
        Arc::new(Self {
            issuer,
            url,
            fetch,
            algorithms,
            timing,
            loaded: ArcSwapOption::empty(),
            had_keys: AtomicBool::new(false),
            progress: Mutex::default(),
            waiting: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
        })
    }

    /// The keys that count now, if there are any. Has them fetched again if it is time, without waiting for it.
    pub(in crate::verify) fn current(self: &Arc<Self>, now: Timestamp) -> Option<Arc<JwkSet>> {
        let loaded = self.loaded.load();
        let loaded = loaded.as_ref()?;
        if now >= loaded.refresh_at && self.claim(now, Cause::Age) {
            self.launch(now);
        }
        (now.since(loaded.at) <= self.timing.max_stale).then(|| loaded.keys.clone())
    }

    /// Waits for a fetch that is under way, or that starts now if the last one is long enough ago; returns at once if neither. Whether
    /// what is there then is the newest that the issuer has, as far as anybody may know.
    pub(in crate::verify) async fn renewed(self: &Arc<Self>, now: Timestamp) -> bool {
        let Some(_place) = Place::take(&self.waiting) else { return false };
        // Before the look at what is under way: its end cannot be missed.
        let mut ended = self.ended.subscribe();
        let launched = self.claim(now, Cause::UnknownKey);
        if launched {
            self.launch(now);
        }
        if launched || self.lock().under_way {
            // Fails only when the sender is gone, which is in `self`.
            let _ = ended.changed().await;
        }
        self.lock().failure.as_ref().is_none_or(KeySetFault::is_of_keys)
    }

    /// Nobody can tell whether a token is good.
    pub(in crate::verify) fn unavailable(&self, now: Timestamp) -> VerifyFault {
        let progress = self.lock();
        let waited = progress.last_attempt.map_or(Duration::ZERO, |last| now.since(last));
        let retry_after = self.cool_down().saturating_sub(waited).max(Duration::from_secs(1));
        let source = progress
            .failure
            .as_ref()
            .map_or_else(|| "the keys are being fetched".to_owned(), ToString::to_string);
        VerifyFault::Unavailable { retry_after, source: source.into() }
    }

    pub(super) fn health(&self, now: Timestamp) -> KeySetHealth {
        let loaded = self.loaded.load();
        let loaded = loaded.as_ref();
        let age = loaded.map(|loaded| now.since(loaded.at));
        KeySetHealth {
            issuer: self.issuer.as_str().to_owned(),
            ready: loaded.is_some_and(|loaded| {
                !loaded.keys.is_empty() && now.since(loaded.at) <= self.timing.max_stale
            }),
            keys: loaded.map_or(0, |loaded| loaded.keys.len()),
            skipped: loaded.map_or(0, |loaded| loaded.keys.skipped().len()),
            age,
            failure: self.lock().failure.as_ref().map(ToString::to_string),
        }
    }

    /// Whether the caller is the one to fetch now.
    fn claim(&self, now: Timestamp, cause: Cause) -> bool {
        let has_keys = self.loaded.load().is_some();
        let cool_down = self.cool_down();
        let mut progress = self.lock();
        // Whatever the cause, an issuer that fails is left alone for a while.
        let counts_apart = cause == Cause::UnknownKey && has_keys && progress.failure.is_none();
        let last = if counts_apart { progress.last_for_unknown } else { progress.last_attempt };
        // A clock that was set back must not hold a fetch up until it is there again.
        let cools = |last: Timestamp| last <= now && now.since(last) < cool_down;
        if progress.under_way {
            let is_overdue = progress.last_attempt.is_some_and(|began| now.since(began) >= FETCH_LIMIT);
            if is_overdue && let Some(flight) = progress.flight.take() {
                // Its end is told by its being dropped.
                flight.abort();
            }
            return false;
        }
        if last.is_some_and(cools) {
            return false;
        }
        progress.under_way = true;
        progress.last_attempt = Some(now);
        // The very first keys are looked for because there are none.
        if cause == Cause::UnknownKey && has_keys {
            progress.last_for_unknown = Some(now);
        }
        true
    }

    fn cool_down(&self) -> Duration {
        if !self.had_keys.load(Ordering::Relaxed) {
            self.timing.cool_down.min(START_COOL_DOWN)
        } else {
            self.timing.cool_down
        }
    }

    /// Fetches in a task of its own: it is not broken off with the request that happened to start it.
    fn launch(self: &Arc<Self>, now: Timestamp) {
        let flight = Flight { remote: self.clone(), outcome: None };
        match Handle::try_current() {
            Ok(runtime) => {
                let flight = runtime.spawn(flight.run(now)).abort_handle();
                let mut progress = self.lock();
                // If it has ended meanwhile, another may be under way.
                if progress.last_attempt == Some(now) {
                    progress.flight = Some(flight);
                }
            }
            // Its end is told all the same, by its being dropped.
            Err(_) => tracing::error!("keys are fetched in a tokio runtime, and there is none"),
        }
    }

    fn finish(&self, outcome: Result<JwkSet, KeySetFault>, now: Timestamp) {
        let mut progress = self.lock();
        progress.under_way = false;
        match outcome {
            Ok(keys) => {
                if keys.skipped() != progress.warned {
                    progress.warned = keys.skipped().to_vec();
                    warn_of_skipped(&self.issuer, &keys);
                }
                if keys.is_empty() {
                    let fault = KeySetFault::NoUsableKey(keys.skipped().len());
                    if progress.failure.is_none() {
                        tracing::warn!(issuer = %self.issuer, error = %fault, "the issuer has no keys");
                    }
                    progress.failure = Some(fault);
                } else if progress.failure.take().is_some() {
                    tracing::info!(issuer = %self.issuer, "the issuer's keys can be fetched again");
                }
                let has_any = !keys.is_empty() || !keys.skipped().is_empty();
                let refresh_at = now + jittered(self.timing.refresh);
                let loaded = Loaded { keys: Arc::new(keys), at: now, refresh_at };
                self.had_keys.fetch_or(has_any, Ordering::Relaxed);
                self.loaded.store(has_any.then(|| Arc::new(loaded)));
            }
            Err(fault) => {
                // Once for an outage, not once for each try.
                if progress.failure.is_none() {
                    tracing::warn!(issuer = %self.issuer, error = %fault, "the issuer's keys cannot be fetched");
                }
                // Nor are keys kept of an issuer that has become another (RS-60).
                if matches!(fault, KeySetFault::OtherIssuer) {
                    self.loaded.store(None);
                }
                progress.failure = Some(fault);
            }
        }
        drop(progress);
        self.ended.send_modify(|ended| *ended = ended.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way. However it ends, broken off with its runtime too, that it has ended is told.
struct Flight {
    remote: Arc<Remote>,
    outcome: Option<(Result<JwkSet, KeySetFault>, Timestamp)>,
}

impl Flight {
    async fn run(mut self, now: Timestamp) {
        let remote = &self.remote;
        let loaded = load(&remote.issuer, remote.url.as_deref(), &*remote.fetch, &remote.algorithms).await;
        self.outcome = Some((loaded, now));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let (outcome, now) =
            self.outcome.take().unwrap_or((Err(KeySetFault::BrokenOff), Timestamp::default()));
        self.remote.finish(outcome, now);
    }
}

/// One of a bounded number of places to wait in.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize) -> Option<Self> {
        let place = Self(taken);
        (taken.fetch_add(1, Ordering::AcqRel) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A tenth more or less.
fn jittered(period: Duration) -> Duration {
    let [chance] = random::<1>(&OsEntropy);
    period.mul_f64(0.9 + 0.2 * f64::from(chance) / 255.0)
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
