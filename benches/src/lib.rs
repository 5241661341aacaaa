//! What the family costs, each thing as a ratio to a floor in the same run. Two programs: `times` and `counts`; here is what both need.
//!
//! ```sh
//! cargo bench -p benches
//! ```
//!
//! With names of parts to measure those alone: `cargo bench -p benches --bench times -- peek token`. They are no tests: what they print
//! depends on the machine, and on who else is at work there.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "programs that measure and print"
)]

pub mod client;
pub mod fixture;
pub mod jwt;
pub mod rounds;
pub mod served;
pub mod table;

use std::process::ExitCode;

use table::Row;

/// A part of the measurements: its name, and what it finds.
pub type Part = (&'static str, fn() -> Vec<Row>);

/// Measures the parts that the command line names, or all.
#[must_use]
pub fn run(parts: &[Part]) -> ExitCode {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|name| parts.iter().all(|(own, _)| own != name)) {
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no part {unknown:?}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{}", table::head());
    for (name, measure) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            for row in measure() {
                println!("{row}");
            }
        }
    }
    ExitCode::SUCCESS
}
