//! What a browser did, and where it came to.

use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::{BrowserError, Page};

/// Something that a browser did: for assertions, and for printing. Holds what was typed, secrets too.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// How it asked.
    pub method: Method,
    /// For what.
    pub url: Url,
    /// The fields of the form that it sent.
    pub sent: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// What came back.
    pub status: StatusCode,
    /// Where that leads to.
    pub location: Option<Url>,
    /// The `Set-Cookie` headers, and whether each was taken.
    pub cookies: Vec<(String, bool)>,
}

/// Where following redirects ended.
///
/// ```
/// use oauth_testing::{Landed, Page};
/// let landed = Landed::Page(Box::new(Page::of_html("https://as.example/", "hello")));
/// assert!(landed.into_stop().is_err());
/// ```
#[derive(Clone, Debug)]
pub enum Landed {
    /// On a page that redirects no further.
    Page(Box<Page>),
    /// Before this URL, which was not visited.
    Stopped(Url),
}

impl Landed {
    /// The URL before which it stopped.
    ///
    /// # Errors
    /// [`BrowserError::Shown`] with the page's text, if a page came up instead.
    pub fn into_stop(self) -> Result<Url, BrowserError> {
        match self {
            Self::Stopped(url) => Ok(url),
            Self::Page(page) => {
                Err(BrowserError::Shown { status: page.status, text: page.text().to_owned() })
            }
        }
    }

    /// The page.
    ///
    /// # Errors
    /// [`BrowserError::Left`] if it stopped before one.
    pub fn into_page(self) -> Result<Page, BrowserError> {
        match self {
            Self::Page(page) => Ok(*page),
            Self::Stopped(url) => Err(BrowserError::Left(url)),
        }
    }
}
