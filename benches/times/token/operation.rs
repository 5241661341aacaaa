//! The token operation: as many callers at once, each refreshing its own grant.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oauth_core::{CredentialKind, Stores};
use oauth_stores::SqliteStore;

use benches::fixture::{NOW, credential_in, issuing, refresh};

/// What callers saw.
pub(crate) struct Seen {
    /// Answers a second, all callers together.
    pub(crate) rate: f64,
    /// How long one took, but for one in a hundred.
    pub(crate) p99: Duration,
}

/// Refreshes `callers` grants at once for `time`.
pub(crate) async fn rate(path: &Path, callers: usize, time: Duration) -> Seen {
    let stores = Stores::new(SqliteStore::open(path).expect("the file is new"));
    let server = issuing(&stores).insecure_approve_all("owner").build().await;
    let server = Arc::new(server.expect("the configuration is one"));
    let mut held = Vec::new();
    for _ in 0..callers {
        held.push(credential_in(&stores, CredentialKind::RefreshToken).await);
    }
    let began = Instant::now();
    let tasks: Vec<_> = held
        .into_iter()
        .map(|mut token| {
            let server = server.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < time {
                    let asked = Instant::now();
                    token = refresh(&server, &token, NOW).await;
                    times.push(asked.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a caller ends"));
    }
    let elapsed = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let done = u32::try_from(times.len()).expect("a run is short");
    Seen { rate: f64::from(done) / elapsed, p99: times[(times.len() - 1) * 99 / 100] }
}
