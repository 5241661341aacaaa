//! Whether an MCP server tells clients what they need to know to sign in.

use std::error::Error;

use http::header::WWW_AUTHENTICATE;
use oauth_core::fetch::{Fetch, FetchPolicy, FetchRequest, GuardedFetch};
use serde_json::Value;
use url::Url;

use crate::doctor::issuer;
use crate::doctor::report::Report;

pub(crate) async fn examine(report: &mut Report, url: &str) -> Result<(), Box<dyn Error>> {
    // Whoever runs this names the URL, and it may be on this machine.
    let fetch = GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback())?;
    let answer = match fetch.fetch(FetchRequest::get(url)).await {
        Ok(answer) => answer,
        Err(error) => {
            report.wrong(&format!("{url} cannot be reached: {error}"));
            return Ok(());
        }
    };
    if answer.status == 401 {
        report.good("it wants a token: 401");
    } else {
        report
            .wrong(&format!("without a token it answers {}, not 401: clients do not sign in", answer.status));
    }
    let challenge =
        answer.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !challenge.starts_with("Bearer") {
        report.wrong(
            "there is no WWW-Authenticate that begins with Bearer: older clients do not find the issuer",
        );
    }
    let place =
        named(challenge, "resource_metadata").map_or_else(|| well_known(url), |place| Some(place.to_owned()));
    let Some(place) = place else {
        report.wrong("where its metadata is cannot be told from that URL");
        return Ok(());
    };
    let document = match fetch.fetch(FetchRequest::get(&place)).await {
        Ok(fetched) if fetched.status.is_success() => serde_json::from_slice::<Value>(&fetched.body).ok(),
        Ok(fetched) => {
            report.wrong(&format!("its metadata at {place} answers {}", fetched.status));
            return Ok(());
        }
        Err(error) => {
            report.wrong(&format!("its metadata at {place} cannot be fetched: {error}"));
            return Ok(());
        }
    };
    let Some(document) = document else {
        report.wrong(&format!("its metadata at {place} is no JSON"));
        return Ok(());
    };
    report.good(&format!("its metadata is at {place}"));
    match document["resource"].as_str() {
        Some(resource) if resource == url.trim_end_matches('/') || resource == url => {
            report.good("it calls itself by that URL");
        }
        Some(resource) if url.starts_with(resource) => report.note(&format!("it calls itself {resource}")),
        Some(resource) => report
            .wrong(&format!("it calls itself {resource:?}: clients that were given {url:?} refuse that")),
        None => report.wrong("its metadata does not name the resource"),
    }
    let issuers: Vec<&str> = document["authorization_servers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if issuers.is_empty() {
        report.wrong("its metadata names no authorization server");
    }
    for named in issuers {
        if let Some(metadata) = issuer::metadata(report, &fetch, named).await {
            let methods = metadata["code_challenge_methods_supported"].as_array();
            if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
                report.wrong(&format!("{named} does not list S256: MCP clients refuse to sign in there"));
            }
            // An issuer of opaque tokens need not have any.
            if let Some(url) = metadata["jwks_uri"].as_str() {
                issuer::keys(report, &fetch, url, true).await;
            }
        }
    }
    Ok(())
}

/// A quoted value of a challenge.
fn named<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// RFC 9728 §3.1
fn well_known(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let path = url.path().trim_end_matches('/');
    Some(format!("{}/.well-known/oauth-protected-resource{path}", url.origin().ascii_serialization()))
}
