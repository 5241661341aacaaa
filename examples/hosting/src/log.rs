//! Where a program says what goes on.

use std::io::IsTerminal as _;

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
