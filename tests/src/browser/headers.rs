//! The headers that a browser sends by itself: [Fetch Metadata](https://www.w3.org/TR/fetch-metadata/) and `Origin`.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::Page;
use super::cookies::is_loopback;

/// Who makes a browser ask.
pub(super) struct Initiator<'a> {
    pub(super) page: Option<&'a Url>,
    pub(super) referrer_policy: Option<&'a str>,
}

/// Somebody who typed the URL.
pub(super) const NOBODY: Initiator<'static> = Initiator { page: None, referrer_policy: None };

impl<'a> Initiator<'a> {
    /// A link or a redirect of this page.
    pub(super) fn of(page: &'a Page) -> Self {
        let policy = page.headers.get(header::REFERRER_POLICY).and_then(|policy| policy.to_str().ok());
        Self { page: Some(&page.url), referrer_policy: policy }
    }

    /// Whether a request to `url` stays within the site.
    pub(super) fn is_same_site(&self, url: &Url) -> bool {
        let site = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned));
        self.page.is_none_or(|page| site(page) == site(url))
    }

    /// What a request to `url` carries besides cookies.
    pub(super) fn headers(&self, method: &Method, url: &Url) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &'static str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        };
        set("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        set("user-agent", "Mozilla/5.0 (oauth-testing)");
        if url.scheme() == "https" || is_loopback(url) {
            let relation = match self.page {
                None => "none",
                Some(page) if page.origin() == url.origin() => "same-origin",
                Some(_) if self.is_same_site(url) => "same-site",
                Some(_) => "cross-site",
            };
            set("sec-fetch-site", relation);
            set("sec-fetch-mode", "navigate");
            set("sec-fetch-dest", "document");
            set("sec-fetch-user", "?1");
        }
        if method == Method::POST {
            set("content-type", "application/x-www-form-urlencoded");
            if let Ok(origin) = self.origin(url).parse() {
                headers.insert(header::ORIGIN, origin);
            }
        }
        headers
    }

    /// `null` where the page's referrer policy forbids to name it (Fetch, "append a request `Origin` header").
    fn origin(&self, url: &Url) -> String {
        let Some(page) = self.page else { return "null".to_owned() };
        let own = page.origin();
        let policy = self.referrer_policy.and_then(|policy| policy.rsplit(',').next()).map(str::trim);
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
}
