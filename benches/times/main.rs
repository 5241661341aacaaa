//! How long things take.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    missing_docs,
    reason = "a program that measures and prints"
)]

mod authorized;
mod crowds;
mod flows;
mod jwt;
mod peek;
mod protected;
mod quickstart;
mod session;
mod token;

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::run(&[
        ("authorized", authorized::measure),
        ("jwt", jwt::measure),
        ("crowds", crowds::measure),
        ("peek", peek::measure),
        ("token", token::measure),
        ("flows", flows::measure),
        ("protected", protected::measure),
        ("quickstart", quickstart::measure),
        ("session", session::measure),
    ])
}
