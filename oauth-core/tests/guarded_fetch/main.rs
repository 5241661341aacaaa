//! The guarded fetcher against servers that mean no good, over real sockets.
#![allow(clippy::unwrap_used)] // Clippy knows tests, but not what they call.

mod exchange;
mod limits;
mod reach;
mod server;
mod tls;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_core::fetch::{FetchError, FetchPolicy, GuardedFetch, Refusal, Resolver};

/// Answers the first look-up with the first of these, and so on; the last one again and again.
struct Flipping {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Flipping {
    fn new(answers: &[&[&str]]) -> (Self, Arc<AtomicUsize>) {
        let answers =
            answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect()).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        (Self { answers, asked: Arc::clone(&asked) }, asked)
    }
}

#[async_trait]
impl Resolver for Flipping {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[turn.min(self.answers.len() - 1)].clone())
    }
}

fn development() -> GuardedFetch {
    GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback()).unwrap()
}

fn is_refused_address<T: std::fmt::Debug>(outcome: &Result<T, FetchError>) -> bool {
    matches!(outcome, Err(FetchError::Refused(Refusal::Address)))
}
