//! `cargo bench -p oauth-stores`: the store against a bare loop with the same statements, driver and batches, both fully durable.
//! Which of the two goes first changes from round to round; the ratio is what counts, and 80 % at 64 callers is what is asked for.
//! PostgreSQL stands beside the least statement that is an exchange, over the same driver and a pool of the same size: 80 % is asked for.
//! Arguments, after `--`: seconds a run (2), rounds (3), and engines (`sqlite`, `postgres`, `redis`), if not all.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program that measures and prints"
)]

mod bare;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(all(unix, feature = "redis"))]
mod redis;
mod scene;
mod store;

use std::time::Duration;

fn main() {
    // `cargo test --all-targets` starts benchmarks too, and does not mean to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let time = Duration::from_secs(numbers.next().unwrap_or(2));
    let rounds = numbers.next().unwrap_or(3).max(1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there are threads");
    #[cfg(all(unix, feature = "postgres"))]
    if runs("postgres") {
        runtime.block_on(postgres::compare(time, rounds));
    }
    #[cfg(all(unix, feature = "redis"))]
    if runs("redis") {
        redis::measure(&runtime, time, rounds);
    }
    if !runs("sqlite") {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let [inline, hop] = runtime.block_on(store::reads(&folder.path().join("reads.sqlite"), 2000));
    println!("a read on the caller's thread takes {inline:.1?}, by way of another {hop:.1?}");
    println!("callers     bare/s    store/s   ratio     median        p99");
    for callers in [1, 8, 64] {
        let mut runs = Vec::new();
        for round in 0..rounds {
            let file = |name: &str| folder.path().join(format!("{name}-{callers}-{round}.sqlite"));
            let bare = || bare::rate(&file("bare"), callers, time).expect("the bare loop runs");
            let store = || runtime.block_on(store::rate(&file("store"), callers, time));
            let (bare, store) = if round % 2 == 0 {
                let bare = bare();
                (bare, store())
            } else {
                let store = store();
                (bare(), store)
            };
            runs.push((bare, store));
        }
        runs.sort_by(|a, b| (a.1.rate / a.0).total_cmp(&(b.1.rate / b.0)));
        let (bare, seen) = &runs[runs.len() / 2];
        let ratio = 100.0 * seen.rate / bare;
        println!(
            "{callers:>7} {bare:>10.0} {:>10.0} {ratio:>6.0}% {:>10.2?} {:>10.2?}",
            seen.rate, seen.median, seen.p99
        );
    }
}

/// Whether an engine is measured: all are, unless some are named.
fn runs(engine: &str) -> bool {
    const ENGINES: [&str; 3] = ["sqlite", "postgres", "redis"];
    let named: Vec<_> = std::env::args().filter(|argument| ENGINES.contains(&argument.as_str())).collect();
    named.is_empty() || named.iter().any(|name| name == engine)
}
