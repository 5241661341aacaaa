//! Why a browser could not do what it was told.

use http::StatusCode;
use url::Url;

use crate::wire::WireError;

/// Why a browser could not do what it was told.
///
/// ```
/// use oauth_testing::{BrowserError, Page};
/// let page = Page::of_html("https://as.example/", "<p>Unknown client");
/// let error = page.form_with_button("Allow").unwrap_err();
/// assert_eq!(error.to_string(), "no form with a button \"Allow\" on this page (200 OK): Unknown client");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// No URL.
    #[error("no absolute url: {0:?}")]
    Url(String),
    /// No response.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The page has no such form.
    #[error("no form with {wanted} on this page ({status}): {text}")]
    NoForm {
        /// What was looked for.
        wanted: String,
        /// The page's status.
        status: StatusCode,
        /// The page's text.
        text: String,
    },
    /// The form has no such control, or a person cannot change it.
    #[error("no control {wanted:?} to change or press; there are {there:?}")]
    NoControl {
        /// What was looked for.
        wanted: String,
        /// What is there.
        there: Vec<String>,
    },
    /// Pressing that button sends nothing.
    #[error("that button sends nothing")]
    NotSent,
    /// There was to be a redirect, and there is a page.
    #[error("a page came up where a redirect was to be ({status}): {text}")]
    Shown {
        /// The page's status.
        status: StatusCode,
        /// The page's text.
        text: String,
    },
    /// There was to be a page, and the browser was sent away.
    #[error("a redirect to {0} where a page was to be")]
    Left(Url),
    /// Redirects without end.
    #[error("more than {limit} redirects, the last to {url}")]
    Endless {
        /// How many were followed.
        limit: usize,
        /// The last one's.
        url: Url,
    },
}
