//! How often somebody may try a passphrase (AS-82, LIM-1).
//!
//! 1. Each source address has a quota.
//! 2. All addresses together have another, which an address does not meet from which somebody signed in not long ago: else a stranger who
//!    tries all day from many addresses locks the owner out.
//! 3. A success gives the address its whole quota again.

use std::net::IpAddr;
use std::time::Duration;

use oauth_core::{LimitKey, Quota, RateLimiter, SourceNetwork, StoreError, Timestamp, Verdict};

/// For how long an address is known after a success.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A success is an event too: while its quota is not whole again, there was one within [`KNOWN_FOR`].
const SUCCESS: Quota = Quota::new(1, KNOWN_FOR);

#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    pub(super) per_address: Quota,
    pub(super) in_total: Quota,
}

impl Attempts {
    /// Five, then one a minute.
    const PER_ADDRESS: Quota = Quota::new(5, Duration::from_secs(5 * 60));
    /// Fifty an hour.
    const IN_TOTAL: Quota = Quota::new(50, Duration::from_secs(60 * 60));

    /// Counts an attempt, whatever comes of it.
    pub(super) async fn count(
        &self,
        limits: &dyn RateLimiter,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Verdict, StoreError> {
        // The address first: one that is over its own quota cannot use up everybody's.
        let limited = limits.hit(&per_address(address), self.per_address, now).await?;
        if limited != Verdict::Allowed || is_known(limits, address, now).await? {
            return Ok(limited);
        }
        limits.hit(&LimitKey::new("passphrase", "in total"), self.in_total, now).await
    }

    /// Remembers a success.
    pub(super) async fn succeeded(
        &self,
        limits: &dyn RateLimiter,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        limits.reset(&per_address(address)).await?;
        if let Some(address) = address {
            // Begins anew, so that who signs in often stays known.
            limits.reset(&success(address)).await?;
            let _ = limits.hit(&success(address), SUCCESS, now).await?;
        }
        Ok(())
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self { per_address: Self::PER_ADDRESS, in_total: Self::IN_TOTAL }
    }
}

async fn is_known(
    limits: &dyn RateLimiter,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match address {
        Some(address) => Ok(limits.peek(&success(address), SUCCESS, now).await? != Verdict::Allowed),
        // Nobody's address is everybody's: it is never known.
        None => Ok(false),
    }
}

fn per_address(address: Option<IpAddr>) -> LimitKey {
    match address {
        Some(address) => LimitKey::new("passphrase address", &SourceNetwork::of(address).to_string()),
        None => LimitKey::new("passphrase address", "unknown"),
    }
}

fn success(address: IpAddr) -> LimitKey {
    LimitKey::new("passphrase success", &SourceNetwork::of(address).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_household_is_one_source() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            assert_eq!(
                SourceNetwork::of(one.parse().unwrap()) == SourceNetwork::of(other.parse().unwrap()),
                same,
                "{one} {other}"
            );
        }
    }
}
