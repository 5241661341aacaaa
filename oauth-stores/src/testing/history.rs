//! What was asked of a ledger and what it answered, in order: in memory, or as lines that outlive the process which was killed.

use std::fmt;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use oauth_core::{
    Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore, Listing,
    PageRequest, Revocation, Revocations, SealedReply, StoreError, Timestamp, TokenHash,
};
use serde::{Deserialize, Serialize};

/// A call that changes something.
///
/// ```
/// use oauth_core::{GrantId, OsEntropy};
/// use oauth_stores::testing::Call;
/// let call = Call::Revoke { grant: GrantId::generate(&OsEntropy) };
/// assert!(matches!(call, Call::Revoke { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// A grant is opened.
    Open {
        /// Which.
        grant: GrantId,
        /// With which credentials.
        first: Vec<TokenHash>,
    },
    /// A credential is exchanged.
    Exchange {
        /// Under which grant.
        grant: GrantId,
        /// Which.
        spent: TokenHash,
        /// For which others.
        issued: Vec<TokenHash>,
        /// The refresh token among them.
        successor: Option<TokenHash>,
        /// What was asked.
        request: TokenHash,
        /// The hash of the reply.
        reply: TokenHash,
        /// When.
        now: Timestamp,
        /// For how long a retry is one.
        grace: Duration,
    },
    /// A grant is revoked.
    Revoke {
        /// Which.
        grant: GrantId,
    },
}

impl Call {
    /// Under which grant it is.
    #[must_use]
    pub const fn grant(&self) -> &GrantId {
        match self {
            Self::Open { grant, .. } | Self::Exchange { grant, .. } | Self::Revoke { grant } => grant,
        }
    }
}

/// How a call ended, if it is known.
///
/// ```
/// use oauth_stores::testing::Outcome;
/// assert_ne!(Outcome::Done, Outcome::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Done,
    /// The reply of the first time again: its hash.
    Retried(TokenHash),
    /// A replay.
    Replayed,
    /// Unknown or revoked.
    Gone,
    /// A conflict.
    Conflict,
    /// An outage: nobody knows whether it was done.
    Unavailable,
    /// Something that cannot be read.
    Corrupt,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    Began(u64, Call),
    Ended(u64, Outcome),
}

/// A call with what became of it. The times count lines: what ended before another began was before it.
///
/// ```
/// use oauth_stores::testing::History;
/// assert!(History::default().calls().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What was asked.
    pub call: Call,
    /// What was answered; `None`: nobody lived to hear it.
    pub outcome: Option<Outcome>,
    /// When it began.
    pub began: usize,
    /// When it ended; [`usize::MAX`] if it did not.
    pub ended: usize,
}

/// Keeps what was asked and answered. Cloning shares it.
///
/// ```
/// use oauth_core::{GrantStore as _, MemoryStore, OsEntropy, GrantId, Revocation, Timestamp};
/// use oauth_stores::testing::{History, Outcome};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let history = History::default();
/// let ledger = history.of(Arc::new(MemoryStore::default()));
/// ledger.revoke(Revocation::Grant(&GrantId::generate(&OsEntropy)), Timestamp::from_secs(1)).await.unwrap();
/// assert_eq!(history.calls()[0].outcome, Some(Outcome::Done));
/// # });
/// ```
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lines: Vec<Line>,
    count: u64,
    sink: Option<Box<dyn Write + Send>>,
}

impl History {
    /// A history whose lines also go to `sink`, each before the call it announces and after the answer it reports. `prefix` tells runs
    /// apart whose lines come together.
    #[must_use]
    pub fn written_to(sink: impl Write + Send + 'static, prefix: u32) -> Self {
        let count = u64::from(prefix) << 32;
        Self(Arc::new(Mutex::new(Kept { lines: Vec::new(), count, sink: Some(Box::new(sink)) })))
    }

    /// Adds what another process wrote. A torn last line was not said.
    pub fn read(&self, lines: impl BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            // A test harness's own words may stand around ours.
            if let Some(line) = line.find('{').and_then(|at| serde_json::from_str(&line[at..]).ok()) {
                self.kept().lines.push(line);
            }
        }
    }

    /// A ledger that is `inner`, with every change recorded here.
    #[must_use]
    pub fn of(&self, inner: Arc<dyn GrantStore>) -> Recorder {
        Recorder { inner, history: self.clone() }
    }

    /// All calls, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        let kept = self.kept();
        let mut calls: Vec<Recorded> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (at, line) in kept.lines.iter().enumerate() {
            match line {
                Line::Began(id, call) => {
                    places.insert(*id, calls.len());
                    calls.push(Recorded { call: call.clone(), outcome: None, began: at, ended: usize::MAX });
                }
                Line::Ended(id, outcome) => {
                    if let Some(recorded) = places.get(id).and_then(|place| calls.get_mut(*place)) {
                        (recorded.outcome, recorded.ended) = (Some(*outcome), at);
                    }
                }
            }
        }
        calls
    }

    /// How many exchanges were answered so far, in any way but an outage.
    #[must_use]
    pub fn answered(&self) -> usize {
        let is_answer =
            |line: &&Line| matches!(line, Line::Ended(_, outcome) if *outcome != Outcome::Unavailable);
        self.kept().lines.iter().filter(is_answer).count()
    }

    /// Adds what nobody did.
    #[cfg(test)]
    pub(super) fn plant(&self, call: Call, outcome: Option<Outcome>) {
        let id = self.began(call);
        if let Some(outcome) = outcome {
            self.ended(id, outcome);
        }
    }

    fn began(&self, call: Call) -> u64 {
        let mut kept = self.kept();
        kept.count += 1;
        let id = kept.count;
        kept.say(Line::Began(id, call));
        id
    }

    fn ended(&self, id: u64, outcome: Outcome) {
        self.kept().say(Line::Ended(id, outcome));
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn say(&mut self, line: Line) {
        if let Some(sink) = &mut self.sink
            && let Ok(mut text) = serde_json::to_string(&line)
        {
            text.push('\n');
            // One write, so that no line is torn but the last. Who cannot be heard is dead already.
            let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
        }
        self.lines.push(line);
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} lines)", self.kept().lines.len())
    }
}

/// A ledger whose changes are recorded: see [`History::of`].
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<dyn GrantStore>,
    history: History,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("history", &self.history).finish_non_exhaustive()
    }
}

/// The hash by which a reply is known.
fn known(reply: &SealedReply) -> TokenHash {
    let digits: String = reply.sealed().iter().map(|byte| format!("{byte:02x}")).collect();
    TokenHash::of(&digits)
}

fn fault(error: &StoreError) -> Outcome {
    match error {
        StoreError::Conflict => Outcome::Conflict,
        StoreError::Corrupt(_) => Outcome::Corrupt,
        _ => Outcome::Unavailable,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GrantStore for Recorder {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        let hashes = first.iter().map(|credential| credential.key.hash).collect();
        let id = self.history.began(Call::Open { grant: grant.id, first: hashes });
        let result = self.inner.open(grant, first).await;
        self.history.ended(id, result.as_ref().map_or_else(fault, |()| Outcome::Done));
        result
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        self.inner.find(key).await
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let id = self.history.began(Call::Exchange {
            grant: exchange.spent.grant,
            spent: exchange.spent.hash,
            issued: exchange.issued.iter().map(|credential| credential.key.hash).collect(),
            successor: exchange.successor().map(|key| key.hash),
            request: *exchange.reply.request(),
            reply: known(&exchange.reply),
            now: exchange.now,
            grace: exchange.grace,
        });
        let result = self.inner.exchange(exchange).await;
        self.history.ended(
            id,
            match &result {
                Ok(Exchanged::Done) => Outcome::Done,
                Ok(Exchanged::Retried(reply)) => Outcome::Retried(known(reply)),
                Ok(Exchanged::Replayed) => Outcome::Replayed,
                Ok(Exchanged::Gone) => Outcome::Gone,
                Err(error) => fault(error),
            },
        );
        result
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let Revocation::Grant(grant) = what else {
            // The checker looks at grants one by one.
            return Err(StoreError::unavailable("a recorded ledger revokes one grant at a time"));
        };
        let id = self.history.began(Call::Revoke { grant: *grant });
        let result = self.inner.revoke(what, now).await;
        self.history.ended(id, result.as_ref().map_or_else(fault, |_| Outcome::Done));
        result
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.inner.grant(id).await
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        self.inner.count(filter).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.purge(before).await
    }

    fn revocations(&self) -> Option<&Revocations> {
        self.inner.revocations()
    }
}
