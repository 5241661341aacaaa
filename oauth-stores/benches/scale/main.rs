//! `cargo bench -p oauth-stores --bench scale --all-features`: what find, exchange, revoke and purge cost among a thousand live grants, and
//! among many more. Asked for is at most 1.4 times as much on SQLite and PostgreSQL, and 1.2 times in memory and on Redis.
//! Arguments, after `--`: sizes (100000, 1000000), and engines (`memory`, `sqlite`, `postgres`, `redis`, `redis-cluster`), if not all. With
//! `--profile measure` before it, it is built in a fraction of the time.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program that measures and prints"
)]

#[cfg(all(unix, feature = "postgres"))]
mod bare_postgres;
#[cfg(feature = "sqlite")]
mod bare_sqlite;
mod engines;
mod floor;
mod ledger;
mod measure;

use engines::{Engine, Memory};
use measure::Costs;

/// Among how many grants the others are compared to.
const FEW: usize = 1000;

fn main() {
    // `cargo test --all-targets` starts benchmarks too, and does not mean to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(100_000);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there are threads");
    runtime.block_on(async {
        println!("engine             grants       find   exchange     revoke      purge       idle   (microseconds an operation; of a purge, a row; of one that finds nothing, a call)");
        run(&Memory, &sizes).await;
        #[cfg(feature = "sqlite")]
        run(&engines::Sqlite, &sizes).await;
        #[cfg(all(unix, feature = "postgres"))]
        if let Some(engine) = engines::Postgres::start() {
            run(&engine, &sizes).await;
        }
        #[cfg(all(unix, feature = "redis"))]
        if let Some(engine) = engines::Redis::start() {
            run(&engine, &sizes).await;
            run(&engines::RedisCluster, &sizes).await;
        }
    });
}

async fn run(engine: &impl Engine, sizes: &[usize]) {
    const ENGINES: [&str; 5] = ["memory", "sqlite", "postgres", "redis", "redis-cluster"];
    let named: Vec<_> = std::env::args().filter(|argument| ENGINES.contains(&argument.as_str())).collect();
    if !named.is_empty() && !named.iter().any(|name| name == engine.name()) {
        return;
    }
    compare(engine.name(), sizes, async |size| costs(engine, size).await).await;
    if let Some(floor) = engine.floor_name() {
        compare(floor, sizes, async |size| engine.floor(size).await).await;
    }
}

async fn compare(name: &str, sizes: &[usize], costs: impl AsyncFn(usize) -> Costs) {
    // A short run says little: the middle one of three counts.
    let mut few = Vec::new();
    for _ in 0..3 {
        few.push(costs(FEW).await);
    }
    let few = Costs::middle(&few);
    println!("{name:<14} {FEW:>10} {few}");
    for &size in sizes {
        let many = costs(size).await;
        println!("{name:<14} {size:>10} {many}");
        println!("{:<14} {:>10} {}", "", "ratio", many.over(&few));
    }
}

async fn costs(engine: &impl Engine, grants: usize) -> Costs {
    let (store, _keep) = engine.loaded(grants).await;
    measure::measure(store, grants).await
}
