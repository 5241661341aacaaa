//! A router behind a port of this machine, on a thread of its own: what it does in a second, and what of a core it takes for it.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;

use axum::Router;
use axum::serve::ListenerExt as _;

use crate::rounds::median;
use crate::table::Row;

/// A server that runs until the process ends.
#[derive(Debug)]
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    thread: String,
}

impl Served {
    /// Serves a router that `make` makes on the thread's own runtime.
    pub fn start<F: Future<Output = Router>>(make: impl FnOnce(SocketAddr) -> F + Send + 'static) -> Self {
        let (tell, told) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can have a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
                let address = listener.local_addr().expect("it is bound");
                let router = make(address).await;
                let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
                tell.send((address, thread.to_string_lossy().into_owned())).expect("somebody waits");
                // Else an answer in two pieces waits for the client to confirm the first.
                let listener = listener.tap_io(|stream| {
                    let _ = stream.set_nodelay(true);
                });
                axum::serve(listener, router).await.expect("it serves to the end");
            });
        });
        let (address, thread) = told.recv().expect("the server starts");
        Self { address, thread }
    }

    /// For how many seconds its thread was on a core until now; `None` where the system does not tell.
    pub fn busy(&self) -> Option<f64> {
        let told = std::fs::read_to_string(format!("/proc/{}/schedstat", self.thread)).ok()?;
        told.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
    }
}

/// How often in a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// By the clock.
    pub by_clock: f64,
    /// By the time that the server's thread was on a core.
    pub by_core: f64,
}

impl Rate {
    /// Counts what `act` says that it did, while `server` did the work.
    pub fn of(server: &Served, act: impl FnOnce() -> u32) -> Self {
        let (busy, began) = (server.busy(), std::time::Instant::now());
        let done = f64::from(act());
        let by_clock = done / began.elapsed().as_secs_f64();
        let by_core = match (busy, server.busy()) {
            (Some(before), Some(after)) if after > before => done / (after - before),
            _ => by_clock,
        };
        Self { by_clock, by_core }
    }
}

/// The rates of a floor and of ours, round by round, as lines of the table.
#[must_use]
pub fn rows(what: &str, limit: Option<f64>, rounds: &[[Rate; 2]]) -> Vec<Row> {
    let middle = |of: &dyn Fn(&[Rate; 2]) -> f64| median(rounds.iter().map(of).collect());
    let clock = middle(&|rates| 100.0 * rates[1].by_clock / rates[0].by_clock);
    let core = middle(&|rates| 100.0 * rates[1].by_core / rates[0].by_core);
    let by_clock =
        format!("{:.0}/s of {:.0}/s", middle(&|rates| rates[1].by_clock), middle(&|rates| rates[0].by_clock));
    let by_core =
        format!("{:.0}/s of {:.0}/s", middle(&|rates| rates[1].by_core), middle(&|rates| rates[0].by_core));
    vec![
        match limit {
            Some(limit) => Row::at_least(format!("{what}, over HTTP"), clock, limit, &by_clock),
            None => Row::told(format!("{what}, over HTTP"), clock, "%", &by_clock),
        },
        Row::told("  the same, by what the server takes of a core", core, "%", &by_core),
    ]
}
