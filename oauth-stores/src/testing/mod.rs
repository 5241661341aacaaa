//! Databases for tests: started from installed programs in a temporary folder, and ended when nobody uses them any more, also
//! when the test was killed. No port is fixed, nothing outside of the folder is touched. A wire to them that can be cut, a record of what
//! was asked and answered over it, and a checker that holds a store to that record.

mod checker;
#[cfg(test)]
mod checker_tests;
mod history;
mod launch;
mod lease;
mod port;
mod postgres;
mod proxy;
mod redis;
pub mod scene;
mod verdict;

pub use checker::check;
pub use history::{Call, History, Outcome, Recorded, Recorder};
pub use launch::{LaunchError, START_LIMIT, available, needed};
pub use lease::{Lease, Service, detached};
pub use port::free_port;
pub use postgres::TestPostgres;
pub use proxy::{Conduct, Proxy};
pub use redis::{TestRedis, TestRedisCluster, TestSentinel, fresh_prefix};
pub use verdict::{Promise, Verdict};
