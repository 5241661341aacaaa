//! Where a program says what goes on, and why it ended.

use std::fmt::Display;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// Writes the log to the standard error, in colour where somebody looks. `RUST_LOG` says how much; without it, `usual`.
///
/// ```
/// hosting::log("warn");
/// ```
pub fn log(usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual.into());
    let colour = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    log.with_writer(std::io::stderr).with_ansi(colour).init();
}

/// How a program ends: with what went wrong in a line, if something did.
///
/// ```
/// use std::process::ExitCode;
///
/// assert_eq!(hosting::ended("server", Ok::<(), String>(())), ExitCode::SUCCESS);
/// assert_eq!(hosting::ended("server", Err("the disk is full")), ExitCode::FAILURE);
/// ```
#[expect(clippy::print_stderr, reason = "somebody started it by hand")]
pub fn ended(program: &str, outcome: Result<(), impl Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
