//! Whether the issuer can be reached, and agrees with what is configured.

use std::error::Error;
use std::time::Duration;

use oauth_core::Timestamp;
use oauth_core::fetch::{Fetch, FetchRequest, Fetched};
use oauth_core::jose::{Algorithm, JwkSet};
use serde_json::Value;
use url::Url;

use crate::doctor::report::Report;
use crate::now;
use crate::settings::Settings;

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) keys: Option<JwkSet>,
}

/// By how much clocks may differ before it is said.
const CLOCKS: u64 = 5;

pub(crate) async fn examine(report: &mut Report, settings: &Settings) -> Result<Found, Box<dyn Error>> {
    let fetch = settings.fetch()?;
    let metadata = metadata(report, &*fetch, &settings.issuer).await;
    if let Some(metadata) = &metadata {
        compare(report, settings, metadata);
    }
    let named = metadata.as_ref().and_then(|metadata| metadata["jwks_uri"].as_str());
    let url = settings.jwks_uri.as_deref().or(named);
    let keys = match url {
        Some(url) => keys(report, &*fetch, url, settings.introspection_endpoint.is_some()).await,
        None if settings.hmac_secret.is_some() || settings.introspection_endpoint.is_some() => None,
        None => {
            report.wrong("no key set is known: neither OAUTH_JWKS_URI nor the metadata names one");
            None
        }
    };
    if let Some(secret) = &settings.hmac_secret {
        match secret.expose().len() {
            0..32 => {
                report.wrong("JWT_HMAC_SECRET has fewer than 32 bytes: it can be guessed, and is not used");
            }
            _ => report.good("JWT_HMAC_SECRET is long enough"),
        }
    }
    Ok(Found { keys })
}

/// The issuer's metadata, by each of its addresses.
pub(crate) async fn metadata(report: &mut Report, fetch: &dyn Fetch, issuer: &str) -> Option<Value> {
    let Ok(url) = Url::parse(issuer) else {
        report.wrong(&format!("the issuer {issuer:?} is no URL"));
        return None;
    };
    let origin = url.origin().ascii_serialization();
    let path = url.path().trim_end_matches('/');
    let places = [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    let mut last = String::new();
    for (index, place) in places.iter().enumerate() {
        if index == 2 && path.is_empty() {
            continue;
        }
        match get(fetch, place).await {
            Ok(fetched) if fetched.status.is_success() => {
                clocks(report, &fetched, now());
                let Ok(metadata) = serde_json::from_slice::<Value>(&fetched.body) else {
                    report.wrong(&format!("{place} is no JSON"));
                    continue;
                };
                match metadata["issuer"].as_str() {
                    Some(named) if named == issuer => {
                        report.good(&format!("the issuer's metadata is at {place}"));
                        return Some(metadata);
                    }
                    Some(named) if named.trim_end_matches('/') == issuer.trim_end_matches('/') => report.wrong(&format!(
                        "the issuer calls itself {named:?}, and you call it {issuer:?}: set OAUTH_ISSUER to the first, slash and all"
                    )),
                    Some(named) => report.wrong(&format!("{place} is the metadata of {named:?}, not of {issuer:?}")),
                    None => report.wrong(&format!("{place} names no issuer")),
                }
                return None;
            }
            Ok(fetched) => last = format!("{place} answers {}", fetched.status),
            Err(error) => last = format!("{place}: {error}"),
        }
    }
    report.wrong(&format!("the issuer's metadata is nowhere: {last}"));
    None
}

fn compare(report: &mut Report, settings: &Settings, metadata: &Value) {
    for (name, configured, member) in [
        ("OAUTH_JWKS_URI", &settings.jwks_uri, "jwks_uri"),
        ("OAUTH_INTROSPECTION_ENDPOINT", &settings.introspection_endpoint, "introspection_endpoint"),
    ] {
        match (configured, metadata[member].as_str()) {
            (Some(configured), Some(named)) if configured == named => {
                report.good(&format!("{name} is what the metadata names"));
            }
            (Some(configured), Some(named)) => {
                report.wrong(&format!("{name} is {configured:?}, and the metadata names {named:?}"));
            }
            (Some(_), None) => {
                report.note(&format!("the metadata names no {member}: {name} is taken as it is"));
            }
            (None, _) => {}
        }
    }
    let methods = metadata["code_challenge_methods_supported"].as_array();
    if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        report.wrong("the metadata does not list S256 in code_challenge_methods_supported: MCP clients refuse to sign in there");
    }
}

/// `asks`: whether tokens are asked about, so that an issuer need not sign them.
pub(crate) async fn keys(report: &mut Report, fetch: &dyn Fetch, url: &str, asks: bool) -> Option<JwkSet> {
    let fetched = match get(fetch, url).await {
        Ok(fetched) if fetched.status.is_success() => fetched,
        Ok(fetched) => {
            report.wrong(&format!("the key set {url} answers {}", fetched.status));
            return None;
        }
        Err(error) => {
            report.wrong(&format!("the key set {url} cannot be fetched: {error}"));
            return None;
        }
    };
    match JwkSet::parse(&fetched.body, &Algorithm::ALL) {
        Ok(set) if set.is_empty() && asks => {
            report.note(&format!(
                "the key set {url} has no key that can be used: the issuer is asked about tokens"
            ));
            None
        }
        Ok(set) if set.is_empty() => {
            report.wrong(&format!(
                "the key set {url} has no key that can be used; if the issuer's tokens are not signed, set OAUTH_INTROSPECTION_ENDPOINT"
            ));
            None
        }
        Ok(set) => {
            report.good(&format!("the key set {url} has {} keys", set.len()));
            for skipped in set.skipped() {
                report.note(&format!("key number {} is not used: {}", skipped.index + 1, skipped.fault));
            }
            Some(set)
        }
        Err(error) => {
            report.wrong(&format!("{url}: {error}"));
            None
        }
    }
}

/// The issuer's clock and ours, as far as a header with whole seconds shows them.
fn clocks(report: &mut Report, fetched: &Fetched, now: Timestamp) {
    let said =
        fetched.headers.get(http::header::DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
    let Some(theirs) = said else { return };
    let apart = theirs.as_secs().abs_diff(now.as_secs());
    match apart {
        0..=CLOCKS => {}
        _ if theirs > now => report.wrong(&format!("this machine's clock is {apart} s behind the issuer's: new tokens look as if they were of the future")),
        _ => report.wrong(&format!("this machine's clock is {apart} s ahead of the issuer's: tokens expire too early here")),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = parts.as_slice() else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| name == month)? as u64 + 1;
    // No part of a date is longer, and none so bounded makes a sum that is too large.
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number <= 9999);
    let (year, day) = (number(year)?, number(day)?);
    // Days since 1970, with years that begin in March: Howard Hinnant's `days_from_civil`.
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    Some(Timestamp::from_secs(days * 86_400 + number(hour)? * 3600 + number(minute)? * 60 + number(second)?))
}

async fn get(fetch: &dyn Fetch, url: &str) -> Result<Fetched, String> {
    let fetched = tokio::time::timeout(Duration::from_secs(15), fetch.fetch(FetchRequest::get(url))).await;
    let fetched = fetched.map_err(|_| "no answer within 15 s".to_owned())?;
    // The cause says more than the error: a name that is unknown, a certificate that is not trusted.
    fetched.map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, HeaderValue};

    use super::*;

    #[test]
    fn a_clock_that_is_off_is_said_and_which_way() {
        // The issuer's: 784111777.
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        for (ours, said) in [
            (784_111_777, None),
            // What a header with whole seconds and a slow network may show.
            (784_111_772, None),
            (784_111_782, None),
            (784_111_771, Some("WRONG  this machine's clock is 6 s behind the issuer's")),
            (784_111_477, Some("WRONG  this machine's clock is 300 s behind the issuer's")),
            (784_111_783, Some("WRONG  this machine's clock is 6 s ahead of the issuer's")),
            (784_115_377, Some("WRONG  this machine's clock is 3600 s ahead of the issuer's")),
        ] {
            let mut report = Report::default();
            let fetched = Fetched::json("{}").with_header(DATE, date.clone());
            clocks(&mut report, &fetched, Timestamp::from_secs(ours));
            let lines = report.lines();
            match said {
                None => assert!(lines.is_empty(), "{ours}: {lines:?}"),
                Some(words) => assert!(lines.len() == 1 && lines[0].starts_with(words), "{ours}: {lines:?}"),
            }
        }
        // Who does not say what time it is has no clock to be compared with.
        for unsaid in [None, Some("yesterday")] {
            let mut report = Report::default();
            let mut fetched = Fetched::json("{}");
            if let Some(date) = unsaid {
                fetched = fetched.with_header(DATE, HeaderValue::from_static(date));
            }
            clocks(&mut report, &fetched, Timestamp::from_secs(1));
            assert!(report.lines().is_empty(), "{unsaid:?}: {:?}", report.lines());
        }
    }

    #[test]
    fn a_date_of_http_is_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp::from_secs(784_111_777)));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(Timestamp::from_secs(1_709_164_800)));
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(http_date("Sun, 06 Nov 18446744073709551615 08:49:37 GMT"), None);
        assert_eq!(http_date("Sun, 06 Nov 1994 18446744073709551615:49:37 GMT"), None);
    }
}
