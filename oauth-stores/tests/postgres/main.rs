//! PostgreSQL beyond the ports' promises: what opening says, how the tables change, what outages do, and copies.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(all(unix, feature = "postgres"))]

mod dump;
mod open;
mod outage;
mod purge;
mod scene;
mod tls;
