//! The numbers: how long things live, how often they may happen, how many there may be.

use std::time::Duration;

use oauth_core::Quota;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long codes, tokens, grants, sign-ins and registrations live.
///
/// ```
/// use std::time::Duration;
/// use oauth_server::Policy;
///
/// let policy = Policy::default();
/// assert_eq!(policy.access_token, Duration::from_secs(600));
/// // Nobody gets the same reply twice:
/// assert_eq!(Policy::strict().grace, Duration::ZERO);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// An authorization code: 60 s. At most 10 minutes (AS-57).
    pub code: Duration,
    /// An access token: 10 minutes (TOK-12). At most 30 days.
    pub access_token: Duration,
    /// A refresh token that is not used: 30 days (REF-8).
    pub refresh_token: Duration,
    /// A grant, however often it is refreshed: 365 days (REF-8).
    pub grant: Duration,
    /// For how long a refresh that is tried again gets the same reply: 120 s (REF-3). Bursts of parallel refreshes by one user's
    /// clients were measured at 33 to 76 s.
    pub grace: Duration,
    /// A browser's sign-in: 12 hours.
    pub session: Duration,
    /// A page that waits for its user: 10 minutes (AS-83).
    pub interaction: Duration,
    /// What a user agreed to, asked again after: 180 days.
    pub consent: Duration,
    /// A registration that was never used: 24 hours (DCR-10).
    pub unused_client: Duration,
    /// A registration since its last use: 90 days (DCR-10).
    pub idle_client: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code: MINUTE,
            access_token: 10 * MINUTE,
            refresh_token: 30 * DAY,
            grant: 365 * DAY,
            grace: 2 * MINUTE,
            session: 12 * HOUR,
            interaction: 10 * MINUTE,
            consent: 180 * DAY,
            unused_client: DAY,
            idle_client: 90 * DAY,
        }
    }
}

impl Policy {
    /// No grace: a refresh token that is used twice ends its grant, whatever the reason.
    #[must_use]
    pub fn strict() -> Self {
        Self { grace: Duration::ZERO, ..Self::default() }
    }

    /// What cannot be meant, one line each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut within = |name: &str, value: Duration, least: Duration, most: Duration| {
            if value < least || value > most {
                faults.push(format!(
                    "policy.{name} is {} s, must be {} to {} s",
                    value.as_secs(),
                    least.as_secs(),
                    most.as_secs()
                ));
            }
        };
        let second = Duration::from_secs(1);
        within("code", self.code, second, 10 * MINUTE);
        within("access_token", self.access_token, second, 30 * DAY);
        within("refresh_token", self.refresh_token, second, 3650 * DAY);
        within("grant", self.grant, second, 3650 * DAY);
        within("grace", self.grace, Duration::ZERO, 10 * MINUTE);
        within("session", self.session, second, 90 * DAY);
        within("interaction", self.interaction, 10 * second, 10 * MINUTE);
        within("consent", self.consent, Duration::ZERO, 3650 * DAY);
        within("unused_client", self.unused_client, MINUTE, 90 * DAY);
        within("idle_client", self.idle_client, HOUR, 3650 * DAY);
        faults
    }
}

/// How often what may happen (LIM-1): per client and in total, because the clients of one hosted product share few addresses.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::Quota;
/// use oauth_server::Limits;
///
/// let mut limits = Limits::default();
/// limits.register_total = Quota::new(1000, Duration::from_secs(60));
/// assert!(limits.unused_clients > 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Token, revocation and introspection requests of one client from one address.
    pub token_client: Quota,
    /// Token, revocation and introspection requests of all. One address alone can use up half of it.
    pub token_total: Quota,
    /// Authorization requests, sign-ins and consents from one address.
    pub authorize_source: Quota,
    /// Authorization requests, sign-ins and consents of all.
    pub authorize_total: Quota,
    /// Registrations from one address.
    pub register_source: Quota,
    /// Registrations of all.
    pub register_total: Quota,
    /// Fetches of metadata documents caused from one address.
    pub fetch_source: Quota,
    /// Fetches of metadata documents in total.
    pub fetch_total: Quota,
    /// Wrong secrets of one client from one address, in a store that all servers share (CAUTH-18).
    pub wrong_secret: Quota,
    /// Wrong secrets of one client from all addresses from which it has not authenticated in the last 30 days, in the same store.
    pub wrong_secret_client: Quota,
    /// Wrong verifiers for one code; the next one kills it (AS-61).
    pub wrong_verifier: Quota,
    /// How many registrations that were never used may be kept (DCR-10).
    pub unused_clients: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_client: Quota::new(300, MINUTE),
            token_total: Quota::new(60_000, MINUTE),
            authorize_source: Quota::new(300, MINUTE),
            authorize_total: Quota::new(30_000, MINUTE),
            register_source: Quota::new(60, MINUTE),
            register_total: Quota::new(600, MINUTE),
            fetch_source: Quota::new(30, MINUTE),
            fetch_total: Quota::new(300, MINUTE),
            wrong_secret: Quota::new(20, MINUTE),
            wrong_secret_client: Quota::new(200, HOUR),
            wrong_verifier: Quota::new(4, HOUR),
            unused_clients: 20_000,
        }
    }
}

impl Limits {
    /// No limit on requests, for load tests of one's own; guessing secrets and codes stays limited.
    #[must_use]
    pub fn insecure_unlimited() -> Self {
        let open = Quota::new(1, Duration::ZERO);
        Self {
            token_client: open,
            token_total: open,
            authorize_source: open,
            authorize_total: open,
            register_source: open,
            register_total: open,
            fetch_source: open,
            fetch_total: open,
            unused_clients: u64::MAX,
            ..Self::default()
        }
    }
}

/// A limit that does not exist, or a text that is no quota.
///
/// ```
/// use oauth_server::Limits;
///
/// let error = Limits::default().set("register-source=many").unwrap_err();
/// assert_eq!(error.to_string(), "limit \"register-source=many\" must be NAME=COUNT/SECONDS, both at least 1 (a COUNT of 0 would let nobody in), \
///     with one of the names token-client, \
///     token-total, authorize-source, authorize-total, register-source, register-total, fetch-source, fetch-total, wrong-secret, wrong-secret-client, wrong-verifier");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {0:?} must be NAME=COUNT/SECONDS, both at least 1 (a COUNT of 0 would let nobody in), with one of the names {names}", names = Limits::NAMES.join(", "))]
pub struct LimitError(String);

impl Limits {
    /// The names that [`set`](Self::set) knows.
    pub const NAMES: &[&str] = &[
        "token-client",
        "token-total",
        "authorize-source",
        "authorize-total",
        "register-source",
        "register-total",
        "fetch-source",
        "fetch-total",
        "wrong-secret",
        "wrong-secret-client",
        "wrong-verifier",
    ];

    /// Sets a limit from a text, for flags and environment variables: `register-total=600/60` is 600 at once, and 600 more in 60 seconds.
    ///
    /// # Errors
    /// [`LimitError`], which lists the names.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_core::Quota;
    /// use oauth_server::Limits;
    ///
    /// let mut limits = Limits::default();
    /// limits.set("register-total=1000/60")?;
    /// assert_eq!(limits.register_total, Quota::new(1000, Duration::from_secs(60)));
    /// # Ok::<(), oauth_server::LimitError>(())
    /// ```
    pub fn set(&mut self, text: &str) -> Result<(), LimitError> {
        let fault = || LimitError(text.chars().take(80).collect());
        let (name, quota) = text.split_once('=').ok_or_else(fault)?;
        let (count, seconds) = quota.split_once('/').ok_or_else(fault)?;
        let count: u32 = count.trim().parse().map_err(|_| fault())?;
        let seconds: u32 = seconds.trim().parse().map_err(|_| fault())?;
        if count == 0 || seconds == 0 {
            return Err(fault());
        }
        let limit = match name.trim() {
            "token-client" => &mut self.token_client,
            "token-total" => &mut self.token_total,
            "authorize-source" => &mut self.authorize_source,
            "authorize-total" => &mut self.authorize_total,
            "register-source" => &mut self.register_source,
            "register-total" => &mut self.register_total,
            "fetch-source" => &mut self.fetch_source,
            "fetch-total" => &mut self.fetch_total,
            "wrong-secret" => &mut self.wrong_secret,
            "wrong-secret-client" => &mut self.wrong_secret_client,
            "wrong-verifier" => &mut self.wrong_verifier,
            _ => return Err(fault()),
        };
        *limit = Quota::new(count, Duration::from_secs(seconds.into()));
        Ok(())
    }
}
