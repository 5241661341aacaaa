//! What a browser shows: a response, read.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use url::Url;

use super::form::Form;
use super::{BrowserError, html};

/// A response, with what a person sees of it.
///
/// ```
/// use oauth_testing::Page;
///
/// let page = Page::of_html("https://as.example/", "<title>Hi</title><h1>Hello</h1><p>How <b>are</b> you?</p>");
/// assert_eq!((page.title(), page.text()), ("Hi", "Hello\nHow are you?"));
/// assert!(page.form_with_field("passphrase").is_err());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// Where it came from.
    pub url: Url,
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The response's body, where it is text.
    pub html: String,
    /// Its forms, in their order.
    pub forms: Vec<Form>,
    pub(super) initiator: Option<Url>,
    title: String,
    text: String,
    links: Vec<(String, String)>,
}

impl Page {
    pub(super) fn read(url: Url, initiator: Option<Url>, response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let html = String::from_utf8_lossy(&body).into_owned();
        let is_html = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        // What is not declared as HTML is not one: browsers are told not to guess.
        let mut read = if is_html {
            html::read(&html, &url)
        } else {
            html::Read { text: html.clone(), ..Default::default() }
        };
        let policy = parts.headers.get(header::REFERRER_POLICY).and_then(|policy| policy.to_str().ok());
        for form in &mut read.forms {
            form.referrer_policy = policy.map(str::to_owned);
        }
        let html::Read { title, text, links, forms } = read;
        Self { url, status: parts.status, headers: parts.headers, html, forms, initiator, title, text, links }
    }

    /// A page from a text, as if it had come from `url`: for an attacker's own.
    ///
    /// # Panics
    /// If `url` is none.
    #[must_use]
    pub fn of_html(url: &str, html: &str) -> Self {
        let url = url.parse().expect("the test names an absolute URL");
        let mut response = Response::new(Bytes::copy_from_slice(html.as_bytes()));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
        Self::read(url, None, response)
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What a person reads, a line a block; without scripts and styles.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its links: where to, and what is written on them.
    #[must_use]
    pub fn links(&self) -> &[(String, String)] {
        &self.links
    }

    /// Where it redirects to, if it does.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
        self.status.is_redirection().then(|| self.url.join(location).ok())?
    }

    /// The first form with a button that says, or is worth, `button`.
    ///
    /// # Errors
    /// [`BrowserError::NoForm`] if there is none.
    pub fn form_with_button(&self, button: &str) -> Result<&Form, BrowserError> {
        let found = self.forms.iter().find(|form| form.pairs(Some(button)).is_ok());
        found.ok_or_else(|| self.no_form(format!("a button {button:?}")))
    }

    /// The first form with a control of this name.
    ///
    /// # Errors
    /// [`BrowserError::NoForm`] if there is none.
    pub fn form_with_field(&self, name: &str) -> Result<&Form, BrowserError> {
        self.forms.iter().find(|form| form.has(name)).ok_or_else(|| self.no_form(format!("a field {name:?}")))
    }

    fn no_form(&self, wanted: String) -> BrowserError {
        BrowserError::NoForm { wanted, status: self.status, text: self.text.clone() }
    }
}
