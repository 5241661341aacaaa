//! A [`Fetch`] for tests: answers that stand ready, and a record of what was asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::Fetch;
use super::error::FetchError;
use super::request::{FetchRequest, Fetched};

/// Answers each URL with what was set for it, without network and policy, and records every request.
///
/// URLs are compared as strings. One without an answer is [`FetchError::Unreachable`]. Answers can be changed while
/// something under test holds the fetcher: a document that changes, a host that goes down and comes back.
///
/// ```
/// use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), FetchError> {
/// let fetch = StaticFetch::new().with("https://app.example/c", Fetched::json(r#"{"client_name":"App"}"#));
/// assert!(fetch.fetch(FetchRequest::get("https://app.example/c")).await?.is_json());
///
/// fetch.set_error("https://app.example/c", FetchError::Busy);
/// assert!(fetch.fetch(FetchRequest::get("https://app.example/c")).await.is_err());
/// assert_eq!(fetch.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct StaticFetch {
    answers: Mutex<HashMap<String, Result<Fetched, FetchError>>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

/// A request as a [`StaticFetch`] got it.
///
/// ```
/// use oauth_core::fetch::{Fetch, FetchRequest, StaticFetch};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let fetch = StaticFetch::new();
/// let _ = fetch.fetch(FetchRequest::post_form("https://login.example/token", [("code", "abc")])).await;
/// let recorded = fetch.requests().remove(0);
/// assert_eq!((recorded.method.as_str(), recorded.url.as_str()), ("POST", "https://login.example/token"));
/// assert_eq!(recorded.body, "code=abc");
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl StaticFetch {
    /// Without any answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers this URL so.
    #[must_use]
    pub fn with(self, url: impl Into<String>, answer: Fetched) -> Self {
        self.set(url, answer);
        self
    }

    /// Answers this URL so from now on.
    pub fn set(&self, url: impl Into<String>, answer: Fetched) {
        lock(&self.answers).insert(url.into(), Ok(answer));
    }

    /// Fails for this URL so from now on.
    pub fn set_error(&self, url: impl Into<String>, error: FetchError) {
        lock(&self.answers).insert(url.into(), Err(error));
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }

    /// How often this URL was asked for.
    #[must_use]
    pub fn count(&self, url: &str) -> usize {
        lock(&self.requests).iter().filter(|request| request.url == url).count()
    }
}

#[async_trait]
impl Fetch for StaticFetch {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        lock(&self.requests).push(RecordedRequest {
            method: request.method,
            url: request.url.to_owned(),
            headers: request.headers,
            body: request.body,
        });
        let answer = lock(&self.answers).get(request.url).cloned();
        let fetched = answer.unwrap_or_else(|| {
            let parsed = url::Url::parse(request.url).ok();
            let host = parsed.as_ref().and_then(url::Url::host_str).unwrap_or_default();
            Err(FetchError::unreachable(host, "no answer is set for this URL"))
        })?;
        match request.max_body {
            Some(limit) if fetched.body.len() > limit => Err(FetchError::TooLarge { limit }),
            _ => Ok(fetched),
        }
    }
}

impl fmt::Debug for StaticFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticFetch")
            .field("answers", &lock(&self.answers).len())
            .field("requests", &lock(&self.requests).len())
            .finish()
    }
}

/// A test that has panicked elsewhere may still look at what was asked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_callers_limit_holds_here_too() {
        let fetch = StaticFetch::new().with("https://a.example/", Fetched::json("12345"));
        let error =
            fetch.fetch(FetchRequest::get("https://a.example/").with_body_limit(4)).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { limit: 4 }));
        assert_eq!(fetch.count("https://a.example/"), 1);
    }

    #[tokio::test]
    async fn a_url_without_an_answer_is_unreachable() {
        let error =
            StaticFetch::new().fetch(FetchRequest::get("https://a.example/?q=hush")).await.unwrap_err();
        assert_eq!(error.to_string(), r#"could not fetch from "a.example""#);
    }
}
