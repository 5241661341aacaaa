//! How often a wrong secret may be tried (CAUTH-18): per client and source, and per client in total; of resources, per source.
//!
//! 1. From one source some are allowed in a minute, then none for a while.
//! 2. From all sources together some are allowed in an hour: many addresses guess no faster than a few.
//! 3. A client's name is known to everybody, so 2 does not hold for a source from which the client has lately authenticated: its
//!    users cannot be locked out by whoever guesses from elsewhere. What such a source gets wrong counts for itself alone.
//! 4. One look after the other, and a wrong one is counted before the next: guesses that arrive at once get no further than those that
//!    arrive in a row. Sources that are known do not wait for those that are not. Servers over one store do not wait for each other: each
//!    may have one look under way that the others do not know of yet.
//!
//! All of it is counted in the store: servers over one store count together, and a restart forgives nothing.

use std::net::IpAddr;
use std::time::Duration;

use oauth_core::{
    Client, Event, EventKind, LimitKey, OAuthError, Quota, RateLimiter, SourceNetwork, StoreError, Timestamp,
    Verdict,
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
    client: Option<&'a Client>,
    /// From this source.
    here: LimitKey,
    /// From all sources that are not known.
    total: Option<LimitKey>,
    /// That the client, or a resource, has authenticated from here.
    known: LimitKey,
}

/// A client and a source, for keys.
pub(super) fn client_and_source(client: &Client, source: Option<IpAddr>) -> String {
    format!("{}\0{}", client.id, network_of(source))
}

fn network_of(source: Option<IpAddr>) -> String {
    source.map(|source| SourceNetwork::of(source).to_string()).unwrap_or_default()
}

impl<'a> Guesses<'a> {
    pub(super) fn new(context: &'a Context, client: &'a Client, source: Option<IpAddr>) -> Self {
        let whose = client_and_source(client, source);
        Self {
            context,
            client: Some(client),
            here: LimitKey::new("wrong-secret", &whose),
            total: Some(LimitKey::new("wrong-secret-client", client.id.as_str())),
            known: LimitKey::new("right-secret", &whose),
        }
    }

    /// Resources come from many addresses, and each of their requests waits for the answer: there is no total, by which whoever guesses
    /// elsewhere could keep them from asking.
    pub(crate) fn at_resources(context: &'a Context, source: Option<IpAddr>) -> Self {
        let source = network_of(source);
        Self {
            context,
            client: None,
            here: LimitKey::new("wrong-resource-secret", &source),
            total: None,
            known: LimitKey::new("right-resource-secret", &source),
        }
    }

    /// Whether a right secret has lately come from here. What this process knows by itself saves a look into the store.
    pub(crate) async fn is_home(&self, now: Timestamp) -> Result<bool, OAuthError> {
        Ok(is_limited(&*self.context.flood, &self.known, WRITTEN, now).await? || self.is_known(now).await?)
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
        if let Verdict::Limited { retry_after } = self.hit(&self.here, limits.wrong_secret, now).await? {
            return Err(self.limited("wrong_secret", retry_after, now));
        }
        let Some(total) = &self.total else { return Ok(()) };
        if self.is_known(now).await? {
            return Ok(());
        }
        match self.hit(total, limits.wrong_secret_client, now).await? {
            Verdict::Limited { retry_after } => Err(self.limited("wrong_secret_client", retry_after, now)),
            Verdict::Allowed => Ok(()),
        }
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

    async fn is_known(&self, now: Timestamp) -> Result<bool, OAuthError> {
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
            client_id: self.client.map(|client| &client.id),
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
