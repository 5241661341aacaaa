//! How often a wrong secret may be tried (CAUTH-18): per client and source, and per client in total; of resources, per source.
//!
//! 1. From one source some are allowed in a minute, then none for a while.
//! 2. From all sources together some are allowed in an hour: many addresses guess no faster than a few.
//! 3. A client's name is known to everybody, so 2 does not hold for a source from which the client has lately authenticated: its
//!    users cannot be locked out by whoever guesses from elsewhere. What such a source gets wrong counts for itself alone.
//! 4. One look after the other, and a wrong one is counted before the next: guesses that arrive at once get no further than those that
//!    arrive in a row. Sources that are known do not wait for those that are not. Servers over one store do not wait for each other: each
//!    may have one look under way that the others do not know of yet.
//! 5. A name that is no client's is guessed at as any other: the answers are the same, and so is what they cost, for as many names as strangers
//!    could also register. Such names are without end; beyond that each process counts them for itself and writes nothing down, for a write
//!    to the store for each made-up name would be a flood's aim. That there is no such client is no secret then: whoever opens the
//!    authorization endpoint in its name is told so.
//!
//! All else is counted in the store: servers over one store count together, and a restart forgives nothing.

use std::net::IpAddr;
use std::time::Duration;

use oauth_core::{
    ClientId, Event, EventKind, LimitKey, OAuthError, Quota, RateLimiter, SourceNetwork, StoreError,
    Timestamp, Verdict,
};

use super::looks::Look;
use crate::server::Context;

/// For how long a source is known after the client has authenticated from there.
const KNOWN: Quota = Quota::new(1, Duration::from_secs(30 * 86_400));

/// How often at most that is written down again, for each process.
const WRITTEN: Quota = Quota::new(1, Duration::from_secs(86_400));

/// The guesses at one client's secrets, or at those of the resources, from one source.
pub(crate) struct Guesses<'a> {
    context: &'a Context,
    /// Whose secrets: of a name that is no client's, whatever is presented as one.
    id: Option<&'a ClientId>,
    is_known: bool,
    source: Option<IpAddr>,
    /// From this source.
    here: LimitKey,
    /// From all sources that are not known.
    total: Option<LimitKey>,
    /// That the client, or a resource, has authenticated from here.
    known: LimitKey,
}

/// A client and a source, for keys.
pub(super) fn client_and_source(id: &ClientId, source: Option<IpAddr>) -> String {
    format!("{id}\0{}", network_of(source))
}

fn network_of(source: Option<IpAddr>) -> String {
    source.map(|source| SourceNetwork::of(source).to_string()).unwrap_or_default()
}

impl<'a> Guesses<'a> {
    /// `is_known`: whether there is such a client.
    pub(super) fn new(
        context: &'a Context,
        id: &'a ClientId,
        is_known: bool,
        source: Option<IpAddr>,
    ) -> Self {
        let whose = client_and_source(id, source);
        Self {
            context,
            id: Some(id),
            is_known,
            source,
            here: LimitKey::new("wrong-secret", &whose),
            total: Some(LimitKey::new("wrong-secret-client", id.as_str())),
            known: LimitKey::new("right-secret", &whose),
        }
    }

    /// Resources come from many addresses, and each of their requests waits for the answer: there is no total, by which whoever guesses
    /// elsewhere could keep them from asking.
    pub(crate) fn at_resources(context: &'a Context, source: Option<IpAddr>) -> Self {
        let network = network_of(source);
        Self {
            context,
            id: None,
            is_known: true,
            source,
            here: LimitKey::new("wrong-resource-secret", &network),
            total: None,
            known: LimitKey::new("right-resource-secret", &network),
        }
    }

    /// Whether a right secret has lately come from here. What this process knows by itself saves a look into the store.
    pub(crate) async fn is_home(&self, now: Timestamp) -> Result<bool, OAuthError> {
        Ok(is_limited(&*self.context.flood, &self.known, WRITTEN, now).await?
            || self.is_home_in_store(now).await?)
    }

    /// Lets a secret be tried, or says that it may not be. The next one may once the look is dropped, after [`wrong`](Self::wrong) or
    /// [`right`](Self::right).
    pub(crate) async fn admit(&self, now: Timestamp) -> Result<Look, OAuthError> {
        // Who is known does not stand in line with those that are not.
        let total = match self.total {
            Some(total) if !self.is_home(now).await? => Some(total),
            _ => None,
        };
        let look = self.context.clients.looks().next(total.unwrap_or(self.here)).await;
        let limits = &self.context.limits;
        if let Some(retry_after) = self.over(&self.here, limits.wrong_secret, now).await? {
            return Err(self.limited("wrong_secret", retry_after, now));
        }
        let Some(total) = total else { return Ok(look) };
        match self.over(&total, limits.wrong_secret_client, now).await? {
            Some(retry_after) => Err(self.limited("wrong_secret_client", retry_after, now)),
            None => Ok(look),
        }
    }

    /// The secret was wrong. An error: other servers have counted so many meanwhile that nobody is told of it.
    pub(crate) async fn wrong(&self, now: Timestamp) -> Result<(), OAuthError> {
        let limits = &self.context.limits;
        let is_spare = !self.is_known && !self.has_room(now).await;
        if let Some(retry_after) = self.count(&self.here, limits.wrong_secret, is_spare, now).await? {
            return Err(self.limited("wrong_secret", retry_after, now));
        }
        let Some(total) = &self.total else { return Ok(()) };
        if self.is_home_in_store(now).await? {
            return Ok(());
        }
        match self.count(total, limits.wrong_secret_client, is_spare, now).await? {
            Some(retry_after) => Err(self.limited("wrong_secret_client", retry_after, now)),
            None => Ok(()),
        }
    }

    /// Whether the store takes another name that is no client's: as many as registrations, for each of those is a write, too.
    async fn has_room(&self, now: Timestamp) -> bool {
        let limits = &self.context.limits;
        let within = async |whose: &str, quota| {
            let key = LimitKey::new("guessed-name", whose);
            matches!(self.context.flood.hit(&key, quota, now).await, Ok(Verdict::Allowed))
        };
        // The source first: one that is over its own limit must not use up everybody's.
        (self.source.is_none() || within(&network_of(self.source), limits.register_source).await)
            && within("", limits.register_total).await
    }

    /// Counts a wrong guess. For how long nothing may be tried, if it is one too many.
    async fn count(
        &self,
        key: &LimitKey,
        quota: Quota,
        is_spare: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>, OAuthError> {
        let stored = if is_spare { Verdict::Allowed } else { self.hit(key, quota, now).await? };
        let verdict = match stored {
            Verdict::Allowed if !self.is_known => {
                self.context.flood.hit(key, quota, now).await.map_err(|error| unavailable(&error))?
            }
            verdict => verdict,
        };
        Ok(match verdict {
            Verdict::Limited { retry_after } => Some(retry_after),
            Verdict::Allowed => None,
        })
    }

    /// The secret was right: the source is known from now on.
    pub(crate) async fn right(&self, now: Timestamp) -> Result<(), OAuthError> {
        let (here, limits) = (&self.context.flood, &self.context.stores.limits);
        if is_limited(&**here, &self.known, WRITTEN, now).await? {
            return Ok(());
        }
        // Anew: it is to last from now on, not from when it was first known.
        limits.reset(&self.known).await.map_err(|error| unavailable(&error))?;
        let _ = self.hit(&self.known, KNOWN, now).await?;
        // Last, so that what could not be written is tried again.
        here.hit(&self.known, WRITTEN, now).await.map(|_| ()).map_err(|error| unavailable(&error))
    }

    async fn is_home_in_store(&self, now: Timestamp) -> Result<bool, OAuthError> {
        is_limited(&*self.context.stores.limits, &self.known, KNOWN, now).await
    }

    /// For how long nothing may be tried.
    async fn over(
        &self,
        key: &LimitKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Option<Duration>, OAuthError> {
        match self.context.stores.limits.peek(key, quota, now).await.map_err(|error| unavailable(&error))? {
            // The store has not heard of each guess at a name that is no client's; the process has.
            Verdict::Allowed if !self.is_known => {
                let verdict = self.context.flood.peek(key, quota, now).await;
                Ok(match verdict.map_err(|error| unavailable(&error))? {
                    Verdict::Allowed => None,
                    Verdict::Limited { retry_after } => Some(retry_after),
                })
            }
            Verdict::Allowed => Ok(None),
            Verdict::Limited { retry_after } => {
                // What is refused takes no room. But a look writes nothing down: after the clock was set back, the count from a time that
                // has not come yet would stand until it comes (LIM-4).
                let _ = self.hit(key, quota, now).await?;
                Ok(Some(retry_after))
            }
        }
    }

    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, OAuthError> {
        self.context.stores.limits.hit(key, quota, now).await.map_err(|error| unavailable(&error))
    }

    fn limited(&self, reason: &'static str, retry_after: Duration, now: Timestamp) -> OAuthError {
        self.context.record(&Event {
            client_id: self.id.filter(|_| self.is_known),
            reason: Some(reason),
            ..Event::new(EventKind::Limited, now)
        });
        OAuthError::limited(retry_after)
    }
}

async fn is_limited(
    limits: &dyn RateLimiter,
    key: &LimitKey,
    quota: Quota,
    now: Timestamp,
) -> Result<bool, OAuthError> {
    let verdict = limits.peek(key, quota, now).await.map_err(|error| unavailable(&error))?;
    Ok(matches!(verdict, Verdict::Limited { .. }))
}

fn unavailable(error: &StoreError) -> OAuthError {
    tracing::error!(error = error as &dyn std::error::Error, "wrong secrets cannot be counted");
    OAuthError::unavailable()
}
