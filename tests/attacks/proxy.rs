//! PROXY: what cookies say to a browser. What proxies say stands beside the layers of the resource.

use crate::host::{CALLBACK, Host, ask, consent_page, decide};

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
