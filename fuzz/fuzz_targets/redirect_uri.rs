//! A redirect URI that may be registered leads where it says, and admits itself and other ports of its loopback address alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::{RedirectKind, RedirectUri};
use url::{Host, Url};

// Two lines: what was registered, and what is asked for.
fuzz_target!(|text: &str| {
    let (registered, asked) = text.split_once('\n').unwrap_or((text, text));
    let Ok(uri) = registered.parse::<RedirectUri>() else { return };
    assert_eq!(uri.as_str(), registered);
    assert!(uri.admits(registered));
    // It can be put into a Location header.
    assert!(http::HeaderValue::from_str(registered).is_ok());
    let url = Url::parse(registered).expect("it was read before");
    assert!(url.fragment().is_none() && url.username().is_empty() && url.password().is_none());
    match uri.kind() {
        RedirectKind::Https => assert!(url.scheme() == "https" && url.has_host()),
        // By https there are more ways to write one's own machine.
        RedirectKind::Loopback => assert!(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url))),
        RedirectKind::PrivateUse => {
            assert!(!matches!(
                url.scheme(),
                "http" | "https" | "javascript" | "data" | "file" | "blob" | "about"
            ));
        }
    }
    assert!(!uri.shown_host().is_empty());

    let answer = uri.with_parameters([("code", "c&d=e"), ("state", "#")]);
    assert!(http::HeaderValue::from_str(&answer).is_ok());
    let answered = Url::parse(&answer).expect("parameters leave it a url");
    assert_eq!((answered.scheme(), answered.host(), answered.path()), (url.scheme(), url.host(), url.path()));
    let value = |wanted: &str| {
        let values: Vec<_> = answered.query_pairs().filter(|(name, _)| name == wanted).collect();
        assert_eq!(values.len(), 1, "{answer}");
        values[0].1.clone().into_owned()
    };
    assert_eq!((value("code").as_str(), value("state").as_str()), ("c&d=e", "#"));

    if uri.admits(asked) && asked != registered {
        assert_eq!(uri.kind(), RedirectKind::Loopback);
        let mut asked = Url::parse(asked).expect("what is admitted is a url");
        let mut own = url;
        assert!(is_loopback(&asked) && asked.username().is_empty() && asked.password().is_none());
        for url in [&mut asked, &mut own] {
            assert!(url.set_port(None).is_ok());
        }
        assert_eq!(asked, own);
    }
});

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
