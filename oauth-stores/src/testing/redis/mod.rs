//! Redis for tests: one server or cluster that all share, or one that a test may kill.

mod ask;
mod cluster;
mod process;
mod sentinel;
mod server;

use std::sync::atomic::{AtomicU32, Ordering};

pub use cluster::TestRedisCluster;
pub use sentinel::TestSentinel;
pub use server::TestRedis;

/// A name that no other test of this run has, for the prefix of a store's keys.
///
/// ```
/// use oauth_stores::testing::fresh_prefix;
/// assert_ne!(fresh_prefix(), fresh_prefix());
/// ```
#[must_use]
pub fn fresh_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("test-{}-{}-{since}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
