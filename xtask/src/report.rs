//! What a run prints: a line before and after each step, and a summary at the end.

use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How one step ended.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Collects the outcome of every step.
pub struct Report {
    require_all: bool,
    started: Instant,
    steps: Vec<(String, Outcome, Duration)>,
}

impl Report {
    /// With `require_all`, a step that is skipped has failed.
    pub fn new(require_all: bool) -> Self {
        Self { require_all, started: Instant::now(), steps: Vec::new() }
    }

    /// Runs one step; answers whether it passed. An error does not end the run: the next steps say more.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) -> bool {
        println!("==> {name}");
        let started = Instant::now();
        let outcome = match work() {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        };
        let took = started.elapsed();
        let passed = matches!(outcome, Outcome::Passed);
        match &outcome {
            Outcome::Failed(why) => println!("<== {name}: FAILED after {}: {why}\n", seconds(took)),
            _ => println!("<== {name}: ok, {}\n", seconds(took)),
        }
        self.steps.push((name.to_owned(), outcome, took));
        passed
    }

    /// Says in one line what was not run, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        println!("--- {name}: skipped, {why}\n");
        self.steps.push((name.to_owned(), Outcome::Skipped(why.to_owned()), Duration::ZERO));
    }

    /// Prints the summary; the exit code is a failure if any step has failed.
    pub fn close(self) -> ExitCode {
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        println!("summary");
        for (name, outcome, took) in &self.steps {
            match outcome {
                Outcome::Passed => {
                    passed += 1;
                    println!("  ok      {:>8}  {name}", seconds(*took));
                }
                Outcome::Failed(why) => {
                    failed += 1;
                    println!("  FAILED  {:>8}  {name}: {why}", seconds(*took));
                }
                Outcome::Skipped(why) if self.require_all => {
                    failed += 1;
                    println!("  FAILED            {name}: skipped, {why}");
                }
                Outcome::Skipped(why) => {
                    skipped += 1;
                    println!("  skipped           {name}: {why}");
                }
            }
        }
        println!("  in all  {:>8}", seconds(self.started.elapsed()));
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs a command to its end, or ends it at `limit`; what it prints goes where ours goes.
pub fn run(command: &mut Command, limit: Duration) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("{name}: {error}"))?;
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{name}: {status}")),
            Ok(None) if Instant::now() < deadline => sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name}: not done after {}", seconds(limit)));
            }
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
