//! Accounts at third parties, by OAuth 2.0.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod fixture;
mod kept;
mod renewal;
