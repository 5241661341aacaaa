//! A scripted browser: cookies, forms, redirects, and the headers that browsers send by themselves.

mod cookies;
mod error;
mod form;
mod headers;
mod history;
mod html;
mod page;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use oauth_core::{Clock, SystemClock};
use url::Url;

use crate::wire::Wire;

use cookies::Jar;
pub use cookies::{Cookie, SameSite};
pub use error::BrowserError;
pub use form::{Control, ControlKind, Form};
use headers::{Initiator, NOBODY};
pub use history::{Landed, Step};
pub use page::Page;

/// A browser without a screen, that a test drives.
///
/// It sends what a real one would send by itself: its cookies, `Origin` as the page's referrer policy leaves it, `Sec-Fetch-*`. It never follows a
/// redirect unless told. A *site* is a scheme and a host: there is no public suffix list.
///
/// ```
/// use axum::{Router, routing::get};
/// use oauth_testing::{Browser, InProcess};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # async fn page() -> axum::response::Html<&'static str> {
/// #     axum::response::Html("<form method=post><label>Name <input name=name></label><button>Go</button></form>")
/// # }
/// # async fn greet(body: String) -> String { format!("got {body}") }
/// let server = Router::new().route("/", get(page).post(greet));
/// let mut browser = Browser::new(InProcess::new(server));
///
/// let page = browser.get("https://as.example/").await?;
/// let answer = browser.submit(page.form_with_button("Go")?, &[("name", "Ada L.")], Some("Go")).await?;
/// assert_eq!(answer.text(), "got name=Ada+L.");
/// assert_eq!(browser.history()[1].sent, [("name".to_owned(), "Ada L.".to_owned())]);
/// # Ok::<(), oauth_testing::BrowserError>(())
/// # }).unwrap();
/// ```
pub struct Browser {
    wire: Arc<dyn Wire>,
    clock: Arc<dyn Clock>,
    jar: Jar,
    headers: HeaderMap,
    history: Vec<Step>,
}

impl Browser {
    /// How many redirects it follows at once.
    pub const REDIRECT_LIMIT: usize = 20;

    /// A fresh browser.
    #[must_use]
    pub fn new(wire: impl Wire) -> Self {
        Self {
            wire: Arc::new(wire),
            clock: Arc::new(SystemClock),
            jar: Jar::default(),
            headers: HeaderMap::new(),
            history: Vec::new(),
        }
    }

    /// Judges the end of cookies by another clock: the server's, in tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes and sends no `Secure` cookies over http, to loopback neither: as Safari does.
    #[must_use]
    pub fn with_strict_loopback(mut self) -> Self {
        self.jar.strict_loopback = true;
        self
    }

    /// Sends this header with every request: `accept-language`, `x-forwarded-for`. In place of its own of that name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Visits a URL that somebody typed.
    ///
    /// # Errors
    /// [`BrowserError::Url`], [`BrowserError::Wire`].
    pub async fn get(&mut self, url: &str) -> Result<Page, BrowserError> {
        let url = parse(url)?;
        self.send(Method::GET, url, Vec::new(), &NOBODY).await
    }

    /// Visits a URL as a link on `page` leads there.
    ///
    /// # Errors
    /// [`BrowserError::Url`], [`BrowserError::Wire`].
    pub async fn click(&mut self, page: &Page, url: &str) -> Result<Page, BrowserError> {
        let target = page.url.join(url).map_err(|_| BrowserError::Url(url.to_owned()))?;
        self.send(Method::GET, target, Vec::new(), &Initiator::of(page)).await
    }

    /// Fills in a form and presses a button: see [`Form::fill`] and [`Form::pairs`].
    ///
    /// # Errors
    /// What those answer, and [`BrowserError::Wire`].
    pub async fn submit(
        &mut self,
        form: &Form,
        fill: &[(&str, &str)],
        button: Option<&str>,
    ) -> Result<Page, BrowserError> {
        let mut form = form.clone();
        for (name, value) in fill {
            form = form.fill(name, value)?;
        }
        let pairs = form.pairs(button)?;
        let (method, mut url) = form.target(button)?;
        if method == Method::GET {
            url.query_pairs_mut().clear().extend_pairs(&pairs);
        }
        let initiator =
            Initiator { page: Some(&form.page), referrer_policy: form.referrer_policy.as_deref() };
        self.send(method, url, pairs, &initiator).await
    }

    /// Goes one redirect further. A form that was posted is asked for by `GET`, but after 307 and 308, which this browser refuses to repeat.
    ///
    /// # Errors
    /// [`BrowserError::Shown`] if the page is no redirect, [`BrowserError::Wire`].
    pub async fn follow(&mut self, page: &Page) -> Result<Page, BrowserError> {
        let repeats = matches!(page.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        match page.location() {
            Some(url) if !repeats => {
                // Who made the browser ask stays who it was.
                let initiator = Initiator { page: page.initiator.as_ref(), referrer_policy: None };
                self.send(Method::GET, url, Vec::new(), &initiator).await
            }
            _ => Err(BrowserError::Shown { status: page.status, text: page.text().to_owned() }),
        }
    }

    /// Follows redirects until a page comes up, or one leads to a URL that `stop` knows, which is not visited: the client's.
    ///
    /// ```
    /// use axum::{Router, response::Redirect, routing::get};
    /// use oauth_testing::{Browser, InProcess};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let server = Router::new()
    ///     .route("/authorize", get(|| async { Redirect::to("/next") }))
    ///     .route("/next", get(|| async { Redirect::to("http://127.0.0.1:9/callback?code=1") }));
    /// let mut browser = Browser::new(InProcess::new(server));
    /// let page = browser.get("https://as.example/authorize").await?;
    /// let landed = browser.follow_until(page, |url| url.path() == "/callback").await?;
    /// assert_eq!(landed.into_stop()?.query(), Some("code=1"));
    /// # Ok::<(), oauth_testing::BrowserError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`BrowserError::Endless`] after [`REDIRECT_LIMIT`](Self::REDIRECT_LIMIT), [`BrowserError::Wire`].
    pub async fn follow_until(
        &mut self,
        page: Page,
        stop: impl Fn(&Url) -> bool,
    ) -> Result<Landed, BrowserError> {
        let mut page = page;
        for _ in 0..Self::REDIRECT_LIMIT {
            match page.location() {
                None => return Ok(Landed::Page(Box::new(page))),
                Some(url) if stop(&url) => return Ok(Landed::Stopped(url)),
                Some(_) => page = self.follow(&page).await?,
            }
        }
        Err(BrowserError::Endless { limit: Self::REDIRECT_LIMIT, url: page.url })
    }

    /// What it did so far.
    #[must_use]
    pub fn history(&self) -> &[Step] {
        &self.history
    }

    /// Its cookies.
    #[must_use]
    pub fn cookies(&self) -> &[Cookie] {
        &self.jar.cookies
    }

    /// Puts a `Set-Cookie` into the jar as if `url` had sent it, or a neighbour that can: to fix a session. Whether a browser takes it.
    ///
    /// # Errors
    /// [`BrowserError::Url`].
    pub fn set_cookie(&mut self, url: &str, header: &str) -> Result<bool, BrowserError> {
        let url = parse(url)?;
        Ok(self.jar.take(&url, header, self.clock.now()))
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&mut self) {
        self.jar.cookies.clear();
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        sent: Vec<(String, String)>,
        initiator: &Initiator<'_>,
    ) -> Result<Page, BrowserError> {
        let mut headers = initiator.headers(&method, &url);
        let safe = method == Method::GET;
        let cookies = self.jar.header(&url, initiator.is_same_site(&url), safe, self.clock.now());
        if let Some(value) = cookies.and_then(|cookies| HeaderValue::try_from(cookies).ok()) {
            headers.insert(header::COOKIE, value);
        }
        headers.extend(self.headers.clone());
        let mut asked = url.clone();
        asked.set_fragment(None);
        let mut body = Bytes::new();
        if method == Method::POST {
            body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&sent).finish().into();
        }
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = asked.as_str().parse().map_err(|_| BrowserError::Url(asked.to_string()))?;
        *request.headers_mut() = headers.clone();
        let response = self.wire.send(request).await?;
        let page = Page::read(url.clone(), initiator.page.cloned(), response);
        let now = self.clock.now();
        let set = page
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cookies = set.map(|text| (text.clone().into_owned(), self.jar.take(&url, &text, now))).collect();
        let location = page.location();
        self.history.push(Step { method, url, sent, headers, status: page.status, location, cookies });
        Ok(page)
    }
}

fn parse(url: &str) -> Result<Url, BrowserError> {
    url.parse().map_err(|_| BrowserError::Url(url.to_owned()))
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("steps", &self.history.len()).finish_non_exhaustive()
    }
}
