//! Tokens that the authorization server is asked about.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

mod answers;
mod fixture;
mod flood;
mod reach;
mod signed;
