//! How often strangers may make this server fetch: from one source, and in all.

use std::net::IpAddr;
use std::time::Duration;

use oauth_core::{ClientId, OAuthError, SourceNetwork, Timestamp};

use crate::server::Context;

/// That no more may be fetched for a while.
#[derive(Clone, Copy)]
pub(super) struct Over {
    pub(super) retry_after: Duration,
    /// By whom; `None`: by anybody.
    pub(super) whose: Option<SourceNetwork>,
}

/// Lets a document be fetched now, or says when.
pub(super) async fn may_fetch(
    context: &Context,
    id: &ClientId,
    source: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), Over> {
    let over = |error: &OAuthError, whose| Over { retry_after: error.retry_after.unwrap_or_default(), whose };
    if let Err(error) = within_own_limit(context, source, now).await {
        return Err(over(&error, source.map(SourceNetwork::of)));
    }
    let total = context.limits.fetch_total;
    let Err(error) = context.count("fetch", "", total, now).await else { return Ok(()) };
    // A stranger can name any number of documents, but none that a user has agreed to: those are few, and kept once they are fetched.
    let is_known = match context.stores.clients.find(id).await {
        Ok(found) => found.is_some(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a document's record cannot be read");
            false
        }
    };
    if is_known && context.count("fetch-known", "", total, now).await.is_ok() {
        return Ok(());
    }
    Err(over(&error, None))
}

/// The limits on fetches of what is not a document.
pub(super) async fn within_limits(
    context: &Context,
    source: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), OAuthError> {
    within_own_limit(context, source, now).await?;
    context.count("fetch", "", context.limits.fetch_total, now).await
}

/// The source first: one that is over its own limit must not use up everybody's.
async fn within_own_limit(
    context: &Context,
    source: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let Some(source) = source else { return Ok(()) };
    let source = SourceNetwork::of(source).to_string();
    context.count("fetch", &source, context.limits.fetch_source, now).await
}
