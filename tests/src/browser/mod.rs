//! A scripted browser: cookies, forms, redirects, and the headers that browsers send by themselves.

mod cookies;
mod form;
mod html;
mod page;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use oauth_core::{Clock, SystemClock};
use url::Url;

use crate::wire::{Wire, WireError};

pub use cookies::{Cookie, SameSite};
use cookies::{Jar, is_loopback};
pub use form::{Control, ControlKind, Form};
pub use page::Page;

/// A browser without a screen, that a test drives.
///
/// It sends what a real one would send by itself: its cookies, `Origin` as the page's referrer policy leaves it, `Sec-Fetch-*`. It never follows a
/// redirect unless told. A *site* is a scheme and a host: there is no public suffix list.
///
/// ```
/// use axum::{Form, Router, routing::get};
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

/// Who makes a browser ask.
struct Initiator<'a> {
    page: Option<&'a Url>,
    referrer_policy: Option<&'a str>,
}

const NOBODY: Initiator<'static> = Initiator { page: None, referrer_policy: None };

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
        self.send(Method::GET, target, Vec::new(), &from(page)).await
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
        let headers = self.request_headers(&method, &url, initiator);
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

    fn request_headers(&mut self, method: &Method, url: &Url, initiator: &Initiator<'_>) -> HeaderMap {
        let same_origin = initiator.page.is_none_or(|page| page.origin() == url.origin());
        let same_site = initiator.page.is_none_or(|page| site(page) == site(url));
        let safe = method == Method::GET;
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        set(header::USER_AGENT, "Mozilla/5.0 (oauth-testing)");
        if let Some(cookies) = self.jar.header(url, same_site, safe, self.clock.now()) {
            set(header::COOKIE, &cookies);
        }
        if !safe {
            set(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            set(header::ORIGIN, &origin(url, initiator));
        }
        if url.scheme() == "https" || is_loopback(url) {
            let relation = match initiator.page {
                None => "none",
                Some(_) if same_origin => "same-origin",
                Some(_) if same_site => "same-site",
                Some(_) => "cross-site",
            };
            set(HeaderName::from_static("sec-fetch-site"), relation);
            set(HeaderName::from_static("sec-fetch-mode"), "navigate");
            set(HeaderName::from_static("sec-fetch-dest"), "document");
            set(HeaderName::from_static("sec-fetch-user"), "?1");
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers
    }
}

/// The `Origin` of a form that posts: `null` where the page's referrer policy forbids to name it (Fetch, "append a request `Origin`
/// header").
fn origin(url: &Url, initiator: &Initiator<'_>) -> String {
    let Some(page) = initiator.page else { return "null".to_owned() };
    let own = page.origin();
    let policy = initiator.referrer_policy.and_then(|policy| policy.rsplit(',').next()).map(str::trim);
    let hidden = match policy.unwrap_or("strict-origin-when-cross-origin") {
        "no-referrer" => true,
        "same-origin" => own != url.origin(),
        "no-referrer-when-downgrade" | "strict-origin" | "strict-origin-when-cross-origin" | "" => {
            page.scheme() == "https" && url.scheme() != "https"
        }
        _ => false,
    };
    if hidden { "null".to_owned() } else { own.ascii_serialization() }
}

fn from(page: &Page) -> Initiator<'_> {
    let policy = page.headers.get(header::REFERRER_POLICY).and_then(|policy| policy.to_str().ok());
    Initiator { page: Some(&page.url), referrer_policy: policy }
}

fn site(url: &Url) -> (&str, Option<&str>) {
    (url.scheme(), url.host_str())
}

fn parse(url: &str) -> Result<Url, BrowserError> {
    url.parse().map_err(|_| BrowserError::Url(url.to_owned()))
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("steps", &self.history.len()).finish_non_exhaustive()
    }
}
