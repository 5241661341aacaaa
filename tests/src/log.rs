//! Everything that a program logs, to be searched for what must not be there.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// What was logged since it began, at every level, with all spans and fields (RS-87, LIM-5).
///
/// ```
/// use oauth_testing::CapturedLog;
///
/// let log = CapturedLog::of_this_thread();
/// tracing::trace!(token = "mcp_at_secret", "issued");
/// assert_eq!(log.leaks(["mcp_at_secret"]).len(), 1);
/// assert!(log.leaks(["mcp_rt_other"]).is_empty());
/// ```
#[derive(Clone)]
pub struct CapturedLog {
    written: Written,
    // Ends the capture with the last clone.
    _guard: Option<Arc<Guard>>,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

struct Guard {
    _default: DefaultGuard,
}

impl CapturedLog {
    /// Captures what this thread logs, until it is dropped: for tests on a `current_thread` runtime. What runs on other threads is missed.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let written = Written::default();
        let default = tracing::dispatcher::set_default(&subscriber(&written));
        Self { written, _guard: Some(Arc::new(Guard { _default: default })) }
    }

    /// Captures what the whole process logs, from the first call on. All callers share one log.
    ///
    /// ```
    /// use oauth_testing::CapturedLog;
    ///
    /// let log = CapturedLog::of_the_process().expect("nobody else captures here");
    /// std::thread::spawn(|| tracing::debug!("from elsewhere")).join().unwrap();
    /// assert!(log.text().contains("from elsewhere"));
    /// ```
    ///
    /// # Errors
    /// If the program has set a subscriber of its own.
    pub fn of_the_process() -> Result<Self, AlreadyCaptured> {
        static LOG: OnceLock<Option<Written>> = OnceLock::new();
        let written = LOG.get_or_init(|| {
            let written = Written::default();
            tracing::dispatcher::set_global_default(subscriber(&written)).ok().map(|()| written)
        });
        written.clone().map(|written| Self { written, _guard: None }).ok_or(AlreadyCaptured)
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }

    /// The lines in which one of these secrets stands: as it is, percent-encoded, or in base64. An empty text is no secret.
    #[must_use]
    pub fn leaks<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut forms: Vec<String> = Vec::new();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            forms.push(secret.to_owned());
            forms.push(form_urlencoded::byte_serialize(secret.as_bytes()).collect());
            forms.push(STANDARD_NO_PAD.encode(secret));
            forms.push(URL_SAFE_NO_PAD.encode(secret));
        }
        let text = self.text();
        text.lines().filter(|line| forms.iter().any(|form| line.contains(form))).map(str::to_owned).collect()
    }
}

/// Another subscriber has the process's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process has a subscriber of its own")]
pub struct AlreadyCaptured;

fn subscriber(written: &Written) -> Dispatch {
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .without_time()
        .with_writer(written.clone());
    Dispatch::new(builder.finish())
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for CapturedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_fields_and_encodings_are_searched() {
        // RS-87, LIM-5
        let log = CapturedLog::of_this_thread();
        tracing::trace_span!("request", code = "s3cr:et").in_scope(|| tracing::info!("done"));
        tracing::debug!(body = "code=s3cr%3Aet");
        tracing::warn!("Basic {}", STANDARD_NO_PAD.encode("s3cr:et"));
        assert!(log.text().contains("request"));
        let lines = log.leaks(["s3cr:et", ""]);
        assert!(lines.len() >= 3, "{lines:?}");
        assert!(log.leaks(["other"]).is_empty());
    }

    #[test]
    fn what_is_dropped_captures_no_more() {
        let log = CapturedLog::of_this_thread();
        let written = log.written.clone();
        drop(log);
        tracing::error!("late");
        assert!(written.0.lock().unwrap().is_empty());
    }
}
