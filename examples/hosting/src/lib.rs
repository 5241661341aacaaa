//! What stands around each example: a port, an end that waits for what was asked, a database by its name.

#[cfg(feature = "database")]
mod database;
mod serve;

#[cfg(feature = "database")]
pub use database::open;
pub use serve::{PATIENCE, listen, run, serve, stopped};
