//! The cookie jar, as browsers keep it: [RFC 6265bis](https://datatracker.ietf.org/doc/draft-ietf-httpbis-rfc6265bis/).
//!
//! 1. `Secure` cookies are taken and sent over https; over http to loopback too, unless the browser is strict as Safari is.
//! 2. `__Host-` wants `Secure`, `Path=/` and no `Domain`; `__Secure-` wants `Secure`. Else the cookie is ignored.
//! 3. A `Domain` must cover the host that sets it. There is no public suffix list.
//! 4. `Max-Age` before `Expires`; what is over is deleted.
//! 5. Longer paths first, then older cookies.

use std::time::Duration;

use oauth_core::Timestamp;
use url::{Host, Url};

/// A cookie in a jar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The host it goes to; its subdomains too, if `host_only` is off.
    pub domain: String,
    /// Whether it goes to that host alone.
    pub host_only: bool,
    /// The path below which it goes.
    pub path: String,
    /// Whether it goes over trusted connections alone.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether other sites' requests carry it.
    pub same_site: SameSite,
    /// When it ends; `None`: with the browser.
    pub expires: Option<Timestamp>,
}

/// The `SameSite` attribute.
///
/// ```
/// use oauth_testing::SameSite;
/// assert_eq!(SameSite::default(), SameSite::Lax);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Goes with requests of the same site alone.
    Strict,
    /// Goes with a visit from another site too, but not with its forms that post. What browsers take it for if there is none.
    #[default]
    Lax,
    /// Goes with every request.
    None,
}

/// What a browser remembers of servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Jar {
    pub(super) cookies: Vec<Cookie>,
    pub(super) strict_loopback: bool,
}

impl Jar {
    /// Takes a `Set-Cookie` from a response of `url`. Whether it was accepted.
    pub(super) fn take(&mut self, url: &Url, header: &str, now: Timestamp) -> bool {
        let Some(cookie) = self.read(url, header, now) else { return false };
        let same = |own: &Cookie| {
            (&own.name, &own.domain, &own.path) == (&cookie.name, &cookie.domain, &cookie.path)
        };
        let old = self.cookies.iter().position(same);
        let over = cookie.expires.is_some_and(|end| end <= now);
        match (old, over) {
            // In its old place: browsers keep the time of creation.
            (Some(at), false) => self.cookies[at] = cookie,
            (Some(at), true) => drop(self.cookies.remove(at)),
            (None, false) => self.cookies.push(cookie),
            (None, true) => {}
        }
        true
    }

    /// The `Cookie` header of a request to `url`, if there is one. `same_site`: whether the request comes from the same site; `safe`: whether it
    /// only visits.
    pub(super) fn header(
        &mut self,
        url: &Url,
        same_site: bool,
        safe: bool,
        now: Timestamp,
    ) -> Option<String> {
        self.cookies.retain(|cookie| cookie.expires.is_none_or(|end| now < end));
        let trusted = self.is_trusted(url);
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| covers(cookie, url) && (trusted || !cookie.secure))
            .filter(|cookie| match cookie.same_site {
                SameSite::Strict => same_site,
                SameSite::Lax => same_site || safe,
                SameSite::None => true,
            })
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn read(&self, url: &Url, header: &str, now: Timestamp) -> Option<Cookie> {
        if header.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return None;
        }
        let mut pieces = header.split(';').map(str::trim);
        let (name, value) = pieces.next()?.split_once('=')?;
        let host = url.host_str()?;
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: default_path(url),
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            expires: None,
        };
        let (mut max_age, mut names_path) = (None, false);
        for piece in pieces {
            let (attribute, value) =
                piece.split_once('=').map_or((piece, ""), |(name, value)| (name.trim(), value.trim()));
            match attribute.to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "path" => {
                    names_path = value == "/";
                    cookie.path = if value.starts_with('/') { value.to_owned() } else { default_path(url) };
                }
                "domain" if !value.is_empty() => {
                    cookie.domain = value.trim_start_matches('.').to_ascii_lowercase();
                    cookie.host_only = false;
                }
                "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
                "expires" => cookie.expires = http_date(value).or(cookie.expires),
                "samesite" => {
                    cookie.same_site = match value.to_ascii_lowercase().as_str() {
                        "strict" => SameSite::Strict,
                        "none" => SameSite::None,
                        _ => SameSite::Lax,
                    };
                }
                _ => {}
            }
        }
        if let Some(seconds) = max_age {
            cookie.expires = Some(now + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        }
        let lower = cookie.name.to_ascii_lowercase();
        let host_prefix = !lower.starts_with("__host-") || (cookie.secure && cookie.host_only && names_path);
        let secure_prefix = !lower.starts_with("__secure-") || cookie.secure;
        let secure = !cookie.secure || self.is_trusted(url);
        let same_site = cookie.same_site != SameSite::None || cookie.secure;
        let domain = cookie.host_only || (is_within(host, &cookie.domain) && cookie.domain.contains('.'));
        (host_prefix && secure_prefix && secure && same_site && domain).then_some(cookie)
    }

    fn is_trusted(&self, url: &Url) -> bool {
        url.scheme() == "https" || (!self.strict_loopback && is_loopback(url))
    }
}

/// `http` to the same machine: what browsers trust as they trust https.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn covers(cookie: &Cookie, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = if cookie.host_only { host == cookie.domain } else { is_within(host, &cookie.domain) };
    let path = url.path().strip_prefix(cookie.path.as_str());
    host && path.is_some_and(|rest| rest.is_empty() || cookie.path.ends_with('/') || rest.starts_with('/'))
}

fn is_within(host: &str, domain: &str) -> bool {
    let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (below && host.parse::<std::net::IpAddr>().is_err())
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => url.path()[..at].to_owned(),
    }
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`: the form that servers write (RFC 9110 §5.6.7), also with dashes.
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = text.split_once(',')?.1.trim().replace('-', " ");
    let mut words = text.split_ascii_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?.to_ascii_lowercase();
    let month = 1 + u64::try_from(MONTHS.iter().position(|own| *own == month)?).ok()?;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if !(1..=31).contains(&day) || !(1601..=9999).contains(&year) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 0000-03-01 in the Gregorian calendar: the year begins in March, so that the leap day is its last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1;
    // 719,468 of them are before 1970.
    let days = days.saturating_sub(719_468);
    Some(Timestamp::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn sent(jar: &mut Jar, to: &str) -> String {
        jar.header(&url(to), true, true, NOW).unwrap_or_default()
    }

    #[test]
    fn a_cookie_is_taken_as_browsers_take_it() {
        for (from, header, taken) in [
            ("https://a.example/x", "k=v", true),
            ("http://a.example/x", "k=v; Secure", false),
            ("http://127.0.0.1:8000/", "k=v; Secure", true),
            ("http://localhost/", "__Host-k=v; Secure; Path=/", true),
            ("https://a.example/", "__Host-k=v; Secure", false),
            ("https://a.example/", "__Host-k=v; Path=/", false),
            ("https://a.example/", "__Host-k=v; Secure; Path=/; Domain=a.example", false),
            ("https://a.example/", "__hOst-k=v; Path=/", false),
            ("https://a.example/", "__Secure-k=v", false),
            ("https://a.example/", "k=v; SameSite=None", false),
            ("https://a.example/", "k=v; Domain=b.example", false),
            ("https://a.example/", "k=v; Domain=example", false),
            ("https://x.a.example/", "k=v; Domain=.a.example", true),
            ("https://a.example/", "no pair", false),
        ] {
            assert_eq!(Jar::default().take(&url(from), header, NOW), taken, "{from} {header}");
        }
        let mut strict = Jar { strict_loopback: true, ..Jar::default() };
        assert!(!strict.take(&url("http://127.0.0.1/"), "k=v; Secure", NOW));
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let mut jar = Jar::default();
        jar.take(&url("https://a.example/"), "root=1; Path=/", NOW);
        jar.take(&url("https://a.example/auth/page"), "deep=2; Secure", NOW);
        jar.take(&url("https://a.example/"), "wide=3; Domain=a.example", NOW);
        assert_eq!(sent(&mut jar, "https://a.example/auth"), "deep=2; root=1; wide=3");
        assert_eq!(sent(&mut jar, "https://a.example/authority"), "root=1; wide=3");
        assert_eq!(sent(&mut jar, "http://a.example/auth/x"), "root=1; wide=3");
        assert_eq!(sent(&mut jar, "https://b.a.example/"), "wide=3");
        assert_eq!(sent(&mut jar, "https://ba.example/"), "");
    }

    #[test]
    fn same_site_is_kept_from_others() {
        let mut jar = Jar::default();
        let at = url("https://a.example/");
        for header in ["s=1; SameSite=Strict", "l=2", "n=3; SameSite=None; Secure"] {
            assert!(jar.take(&at, header, NOW));
        }
        for (same_site, safe, cookies) in
            [(true, false, "s=1; l=2; n=3"), (false, true, "l=2; n=3"), (false, false, "n=3")]
        {
            assert_eq!(jar.header(&at, same_site, safe, NOW).unwrap(), cookies);
        }
    }

    #[test]
    fn a_cookie_ends() {
        let mut jar = Jar::default();
        let at = url("https://a.example/");
        jar.take(&at, "k=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", NOW);
        assert_eq!(jar.header(&at, true, true, NOW + Duration::from_secs(59)).unwrap(), "k=1");
        assert_eq!(jar.header(&at, true, true, NOW + Duration::from_secs(60)), None);
        for deletion in ["k=; Max-Age=0", "k=; Max-Age=-1", "k=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"] {
            jar.take(&at, "k=1", NOW);
            jar.take(&at, deletion, NOW);
            assert!(jar.cookies.is_empty(), "{deletion}");
        }
    }

    #[test]
    fn a_date_is_read() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000),
            ("Thu, 29-Feb-2024 12:00:00 GMT", 1_709_208_000),
        ] {
            assert_eq!(http_date(text), Some(Timestamp::from_secs(seconds)), "{text}");
        }
        assert_eq!(http_date("tomorrow"), None);
    }
}
