//! What stands around each example: a port, an end that waits for what was asked, a database by its name,
//! the owner's passphrase.

#[cfg(feature = "database")]
mod database;
mod log;
#[cfg(feature = "owner")]
mod owner;
mod secret;
mod serve;

#[cfg(feature = "database")]
pub use database::open;
pub use log::{ended, log};
#[cfg(feature = "owner")]
pub use owner::OwnerArgs;
pub use secret::secret;
pub use serve::{PATIENCE, listen, not_found, run, serve, stopped};
