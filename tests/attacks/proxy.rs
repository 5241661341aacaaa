//! PROXY: what cookies say to a browser. What proxies say to the resource stands beside its layers.

use std::sync::Arc;

use http::HeaderValue;
use oauth_server::PeerAddress;
use oauth_testing::{Browser, InProcess, Site};

use crate::host::{CALLBACK, Host, ask, consent_page, decide};

/// Says of each request that it came in the clear, and to another place, by every header that proxies have for it.
fn downgraded(host: &Host) -> Browser {
    let wire = InProcess::new(host.router()).with_prepared(|request| {
        for (name, value) in [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-scheme", "http"),
            ("x-forwarded-ssl", "off"),
            ("x-forwarded-port", "80"),
            ("x-forwarded-host", "evil.example"),
            ("x-scheme", "http"),
            ("x-url-scheme", "http"),
            ("front-end-https", "off"),
            ("forwarded", "proto=http;host=evil.example"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request.extensions_mut().insert(PeerAddress(Site::ADDRESS));
    });
    Browser::new(wire).with_clock(Arc::new(host.clock().clone()))
}

#[tokio::test]
async fn a_proxy_12_proto_downgrade() {
    // Neither of a stranger nor of a proxy whose word about addresses is believed.
    for trusts in [false, true] {
        let host = Host::with(move |server| match trusts {
            true => server.trusted_proxy(&Site::ADDRESS.to_string()),
            false => server,
        })
        .await;
        let mut browser = downgraded(&host);
        let page = consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
        decide(&mut browser, &page, "allow").await;
        let (mut cookies, mut redirects) = (0, 0);
        for step in browser.history() {
            for (cookie, is_taken) in &step.cookies {
                assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
                assert!(*is_taken, "{cookie}");
                cookies += 1;
            }
            if let Some(location) = &step.location {
                assert_eq!(location.scheme(), "https", "{location}");
                assert!(!location.as_str().contains("evil"), "{location}");
                redirects += 1;
            }
        }
        assert!(cookies >= 2 && redirects >= 2, "{cookies} cookies, {redirects} redirects");
        // What the MCP server says of where to look is https as well.
        let page = browser.get(Site::MCP).await.unwrap();
        let challenge = page.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains(&format!(r#"resource_metadata="{}/"#, Site::ORIGIN)), "{challenge}");
        assert!(!challenge.contains("http://") && !challenge.contains("evil"), "{challenge}");
    }
}

#[tokio::test]
async fn a_proxy_11_cookie_flags() {
    // On loopback, where they are weaker and say so, the flow `loopback` looks at them.
    let host = Host::start().await;
    let mut browser = host.browser();
    let page = consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    decide(&mut browser, &page, "allow").await;
    let mut seen = Vec::new();
    for (cookie, _) in browser.history().iter().flat_map(|step| &step.cookies) {
        let mut parts = cookie.split("; ");
        let name = parts.next().unwrap().split_once('=').unwrap().0;
        let attributes: Vec<&str> = parts.collect();
        assert!(name.starts_with("__Host-"), "{cookie}");
        for wanted in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(attributes.contains(&wanted), "{wanted}: {cookie}");
        }
        let is_broad = |attribute: &str| attribute.to_ascii_lowercase().starts_with("domain");
        assert!(!attributes.iter().any(|attribute| is_broad(attribute)), "{cookie}");
        seen.push(name.to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2, "one names the browser, one is the sign-in: {seen:?}");
}
