//! Databases for tests: started from installed programs in a temporary folder, and ended when nobody uses them any more, also
//! when the test was killed. No port is fixed, nothing outside of the folder is touched.

mod launch;
mod lease;
mod port;
mod postgres;

pub use launch::{LaunchError, START_LIMIT, available, needed};
pub use lease::{Lease, Service, detached};
pub use port::free_port;
pub use postgres::TestPostgres;
