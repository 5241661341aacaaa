//! How long a fetched document may be used, by its HTTP headers ([RFC 9111 §4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)),
//! within bounds of ours.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderName};
use oauth_core::Timestamp;

/// Used for this long at least, whatever the headers say: a floor under what strangers make us fetch (CIMD-10).
pub(super) const LEAST: Duration = Duration::from_secs(60);

/// Used for this long at most: what changed is seen within a day (CIMD-10).
pub(super) const MOST: Duration = Duration::from_secs(86_400);

/// Used for this long where the headers say nothing.
const UNSAID: Duration = Duration::from_secs(600);

/// For how long an answer that came at `now` may be used without asking again.
pub(super) fn freshness(headers: &HeaderMap, now: Timestamp) -> Duration {
    let mut max_age = None;
    let mut shared = None;
    for directive in values(headers, &CACHE_CONTROL).flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            // Ours is a shared cache.
            "no-store" | "no-cache" | "private" => return LEAST,
            "max-age" => max_age = Some(seconds(value)),
            "s-maxage" => shared = Some(seconds(value)),
            _ => {}
        }
    }
    let expires = || {
        values(headers, &EXPIRES)
            .next()
            .map(|date| imf_fixdate(date).map_or(Duration::ZERO, |end| end.since(now)))
    };
    let said = match shared.or(max_age) {
        Some(lifetime) => {
            lifetime.saturating_sub(values(headers, &AGE).next().map_or(Duration::ZERO, seconds))
        }
        None => expires().unwrap_or(UNSAID),
    };
    said.clamp(LEAST, MOST)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// Delta seconds; what cannot be read is zero: stale.
fn seconds(text: &str) -> Duration {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    // Longer than the number can say is longer than we keep anything.
    Duration::from_secs(text.parse().unwrap_or(u64::MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` ([RFC 9110 §5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7)). The obsolete forms
/// are not read: they count as expired.
fn imf_fixdate(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let date = date.strip_suffix(" GMT")?;
    let mut parts = date.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str, least: u64, most: u64| {
        text.parse::<u64>().ok().filter(|number| (least..=most).contains(number))
    };
    let mut clock = time.split(':');
    let (hour, minute, second) =
        (number(clock.next()?, 0, 23)?, number(clock.next()?, 0, 59)?, number(clock.next()?, 0, 60)?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year) = (number(day, 1, 31)?, number(year, 1970, 9999)?);
    // Days since the epoch of a date in the Gregorian calendar; the year begins in March, so that leap days end it.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let since_epoch = days.checked_sub(719_468)?;
    Some(Timestamp::from_secs(since_epoch * 86_400 + hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_obeyed_within_a_minute_and_a_day() {
        // CIMD-10
        let now = imf_fixdate("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now.as_secs(), 784_111_777);
        assert_eq!(imf_fixdate("Thu, 01 Jan 1970 00:00:00 GMT").unwrap().as_secs(), 0);
        assert_eq!(imf_fixdate("Thu, 29 Feb 2024 12:00:00 GMT").unwrap().as_secs(), 1_709_208_000);
        for (pairs, lifetime) in [
            (&[][..], 600),
            (&[("cache-control", "max-age=3600")], 3600),
            (&[("cache-control", "public, max-age=31536000")], 86_400),
            (&[("cache-control", "max-age=99999999999999999999999")], 86_400),
            (&[("cache-control", "max-age=5")], 60),
            (&[("cache-control", "max-age=-1")], 60),
            (&[("cache-control", "max-age=\"3600\"")], 3600),
            (&[("cache-control", "max-age=3600"), ("age", "600")], 3000),
            (&[("cache-control", "max-age=600, s-maxage=7200")], 7200),
            (&[("cache-control", "max-age=3600"), ("cache-control", "no-store")], 60),
            (&[("cache-control", "No-Cache")], 60),
            (&[("cache-control", "private, max-age=3600")], 60),
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT")], 3600),
            (&[("expires", "0")], 60),
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT"), ("cache-control", "max-age=120")], 120),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(freshness(&headers, now).as_secs(), lifetime, "{pairs:?}");
        }
    }
}
