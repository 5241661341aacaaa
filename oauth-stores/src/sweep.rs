//! Forgetting what has ended, on a timer, by one server at a time.
//!
//! 1. Time is cut into periods. Of all servers over one database the first to claim a period sweeps in it: a claim is a
//!    [`first_use`](oauth_core::ReplayGuard::first_use), which every engine answers `true` once.
//! 2. A sweep that takes longer than its period claims the next one, too, while it runs. So no two run at once, as far as the servers' clocks agree to
//!    within a tenth of a period; and whoever dies in the middle keeps the others waiting for a period at most.
//! 3. Each table is swept for itself, in the batches that its engine chooses: one that fails is told and tried again in the next period.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::{Clock, Entropy, OsEntropy, StoreError, Stores, SystemClock, Timestamp, TokenHash, random};
use tokio::task::JoinHandle;

/// Forgets what has ended.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::Stores;
/// use oauth_stores::Sweep;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// // For as long as it is kept.
/// let sweeper = Sweep::new(Stores::memory()).with_period(Duration::from_secs(300)).start();
/// # drop(sweeper);
///
/// // Or by hand: `None` says that somebody else does.
/// let sweep = Sweep::new(Stores::memory());
/// let swept = sweep.once().await?.expect("nobody else is there");
/// assert_eq!((swept.total(), swept.failed), (0, 0));
/// assert!(sweep.once().await?.is_none(), "once in a period");
/// # Ok::<(), oauth_core::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Sweep {
    stores: Stores,
    period: Duration,
    kept: Duration,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a sweep removed.
///
/// ```
/// use oauth_stores::Swept;
/// let swept = Swept { grants: 3, sessions: 1, ..Swept::default() };
/// assert_eq!(swept.total(), 4);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Swept {
    /// Grants and credentials.
    pub grants: u64,
    /// Clients.
    pub clients: u64,
    /// Consents.
    pub consents: u64,
    /// Browser sessions.
    pub sessions: u64,
    /// Keys that were used once.
    pub replay: u64,
    /// Quotas.
    pub limits: u64,
    /// How many of these could not be swept.
    pub failed: u32,
}

impl Swept {
    /// All records.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.grants + self.clients + self.consents + self.sessions + self.replay + self.limits
    }
}

impl Sweep {
    /// How often.
    pub const PERIOD: Duration = Duration::from_secs(600);

    /// For how long what has ended is kept. Not less than a consent page may be answered (10 minutes), and than servers' clocks may differ.
    pub const KEPT: Duration = Duration::from_secs(3600);

    /// A sweep over `stores`, every [`PERIOD`](Self::PERIOD).
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        Self {
            stores,
            period: Self::PERIOD,
            kept: Self::KEPT,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// How often, instead of every [`PERIOD`](Self::PERIOD). The same on all servers. At least a second.
    #[must_use]
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period.max(Duration::from_secs(1));
        self
    }

    /// For how long what has ended is kept, instead of [`KEPT`](Self::KEPT).
    #[must_use]
    pub const fn with_kept(mut self, kept: Duration) -> Self {
        self.kept = kept;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Other chance, for when in a period it begins.
    #[must_use]
    pub fn with_entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Sweeps now, unless somebody does or has in this period.
    ///
    /// # Errors
    /// [`StoreError`] if the period cannot be claimed. What fails later is in [`Swept::failed`].
    pub async fn once(&self) -> Result<Option<Swept>, StoreError> {
        let mine = self.slot(self.clock.now());
        if !self.claim(mine).await? {
            return Ok(None);
        }
        let mut work = std::pin::pin!(self.work());
        let mut claimed = mine;
        loop {
            tokio::select! {
                swept = &mut work => return Ok(Some(swept)),
                // In time before the period ends.
                () = tokio::time::sleep(self.period / 3) => {}
            }
            let next = self.slot(self.clock.now()) + 1;
            if next > claimed {
                match self.claim(next).await {
                    // Somebody whose clock is ahead has it: two sweeps do no harm, and cost twice.
                    Ok(_) => claimed = next,
                    Err(error) => tracing::debug!(%error, "the next period could not be claimed"),
                }
            }
        }
    }

    /// Sweeps in every period, until the [`Sweeper`] is dropped. Needs a tokio runtime with time.
    #[must_use = "it sweeps for as long as the sweeper is kept"]
    pub fn start(self) -> Sweeper {
        Sweeper { task: tokio::spawn(self.run()) }
    }

    async fn run(self) {
        loop {
            tokio::time::sleep(self.pause()).await;
            match self.once().await {
                Ok(Some(swept)) if swept.failed == 0 => {
                    let Swept { grants, clients, consents, sessions, replay, limits, .. } = swept;
                    tracing::info!(grants, clients, consents, sessions, replay, limits, "swept");
                }
                Ok(Some(swept)) => {
                    tracing::warn!(removed = swept.total(), failed = swept.failed, "swept in part");
                }
                Ok(None) => tracing::debug!("somebody else sweeps in this period"),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the store cannot be swept");
                }
            }
        }
    }

    /// Until some moment in the first half of the next period: servers that were started together do not all come at once, and what
    /// begins has time to end.
    fn pause(&self) -> Duration {
        let period = millis(self.period);
        let now = self.clock.now().as_millis();
        let rest = period - now % period;
        let chance = u64::from(u32::from_be_bytes(random(&*self.entropy)));
        Duration::from_millis(rest + period / 2 * chance / u64::from(u32::MAX))
    }

    /// In which period a time lies.
    fn slot(&self, now: Timestamp) -> u64 {
        now.as_millis() / millis(self.period)
    }

    async fn claim(&self, slot: u64) -> Result<bool, StoreError> {
        let period = millis(self.period);
        let key = TokenHash::of(&format!("oauth sweep {period} {slot}"));
        // Kept for a while after its end, for servers whose clock is behind.
        let until = Timestamp::from_millis((slot + 2) * period) + self.kept;
        self.stores.replay.first_use(&key, until, self.clock.now()).await
    }

    async fn work(&self) -> Swept {
        let before = self.clock.now().before(self.kept);
        let mut swept = Swept::default();
        let Stores { grants, clients, consents, sessions, replay, limits, .. } = &self.stores;
        let mut failed = 0;
        let mut tell = |what: &str, result: Result<u64, StoreError>| {
            result.unwrap_or_else(|error| {
                failed += 1;
                tracing::warn!(what, error = &error as &dyn std::error::Error, "could not be swept");
                0
            })
        };
        swept.grants = tell("grants", grants.purge(before).await);
        swept.clients = tell("clients", clients.purge(before).await);
        swept.consents = tell("consents", consents.purge(before).await);
        swept.sessions = tell("sessions", sessions.purge(before).await);
        swept.replay = tell("replay", replay.purge(before).await);
        swept.limits = tell("limits", limits.purge(before).await);
        swept.failed = failed;
        swept
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("period", &self.period)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// A sweep that runs. Dropping it stops it, in the middle too: what is left over is swept by the next.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let sweeper = oauth_stores::Sweep::new(oauth_core::Stores::memory()).start();
/// assert!(!sweeper.is_stopped());
/// # });
/// ```
#[derive(Debug)]
#[must_use = "it sweeps for as long as it is kept"]
pub struct Sweeper {
    task: JoinHandle<()>,
}

impl Sweeper {
    /// Whether it ended: with its runtime, or by a panic in a store.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}
