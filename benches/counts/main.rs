//! What things allocate.
#![allow(clippy::expect_used, missing_docs, reason = "a program that measures and prints")]

mod authorized;
mod floods;
mod jwt;
mod memory;

use std::alloc::System;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    benches::run(&[
        ("authorized", authorized::measure),
        ("jwt", jwt::measure),
        ("memory", memory::measure),
        ("floods", floods::measure),
    ])
}
