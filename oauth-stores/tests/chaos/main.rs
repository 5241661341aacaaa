//! Whatever breaks, on every engine: the process that asks, the database, the wire between them, the disk, the clock.
//!
//! Under each fault callers open, redeem, refresh, retry, replay and revoke at once. Every request and answer is recorded; afterwards a
//! checker holds the store to that record, and prints the counts. `OAUTH_CHAOS_EXCHANGES` says how many exchanges a run has.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of this crate is test code"
)]
#![cfg(unix)]

mod client_killed;
mod clock;
mod engine;
#[cfg(feature = "postgres")]
mod failover_postgres;
#[cfg(feature = "redis")]
mod failover_redis;
mod full;
mod load;
mod server_killed;
mod wire;

/// How many exchanges a run has: some in the ordinary tests, 10,000 in those of `cargo xtask chaos`.
fn exchanges() -> usize {
    std::env::var("OAUTH_CHAOS_EXCHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}
