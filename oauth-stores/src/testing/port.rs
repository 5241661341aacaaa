//! A free port on loopback.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below those that systems give to whoever connects somewhere: a server that is restarted finds its port free.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on which nobody listens at this moment. Who starts a server there must be ready to find it taken, and try another.
///
/// ```
/// let port = oauth_stores::testing::free_port()?;
/// assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`io::Error`] if none of many is free.
pub fn free_port() -> io::Result<u16> {
    // Several processes ask at once: each begins somewhere else.
    let chance = RandomState::new();
    for attempt in 0..200_u32 {
        let port = FIRST + u16::try_from(chance.hash_one(attempt) % u64::from(COUNT)).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port on loopback is free"))
}
