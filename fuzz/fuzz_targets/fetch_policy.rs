//! What a stranger's URL may lead to: with the strict policy never anything but https to a public place, whatever it is dressed as.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use oauth_core::fetch::{FetchPolicy, HostPattern, Network};
use url::{Host, Url};

// Three lines: a URL, a pattern of hosts, a network.
fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (url, pattern, network) = (line(), line(), line());
    let strict = FetchPolicy::new();
    let parsed = Url::parse(url);
    if let Ok(target) = strict.judge_url(url) {
        let parsed = parsed.as_ref().expect("what may be fetched is a url");
        assert_eq!(parsed.scheme(), "https");
        assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none());
        assert!(
            url.is_ascii() && parsed.port_or_known_default().is_some_and(|port| port == 443 || port > 1023)
        );
        match parsed.host().expect("it has a host") {
            Host::Ipv4(address) => is_public(address.into()),
            Host::Ipv6(address) => is_public(address.to_canonical()),
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                assert!(
                    name.contains('.') && !name.ends_with(".localhost") && !name.ends_with(".internal"),
                    "{name}"
                );
            }
        }
        assert!(strict.judge_answers(&target, &[IpAddr::from([127, 0, 0, 1])]).is_err());
        assert!(
            strict
                .judge_answers(&target, &[IpAddr::from([8, 8, 8, 8]), IpAddr::from([10, 0, 0, 1])])
                .is_err()
        );
    }

    if let Ok(pattern) = pattern.parse::<HostPattern>() {
        let written = pattern.to_string();
        assert_eq!(written.parse::<HostPattern>().as_ref(), Ok(&pattern), "{written}");
        // A host that is closed is closed in every spelling that leads there, and one that is not named is closed, too.
        let closed = FetchPolicy::new().with_denied_hosts([pattern.clone()]);
        let only = FetchPolicy::new().with_allowed_hosts([pattern.clone()]);
        match (strict.judge_url(url), closed.judge_url(url), only.judge_url(url)) {
            (Ok(target), closed, only) => {
                assert_eq!(pattern.matches(target.host()), closed.is_err());
                assert_eq!(pattern.matches(target.host()), only.is_ok());
            }
            (Err(_), closed, only) => {
                assert!(closed.is_err() && only.is_err(), "a list of hosts opens nothing")
            }
        }
    }

    if let Ok(network) = network.parse::<Network>() {
        let written = network.to_string();
        assert_eq!(written.parse::<Network>().as_ref(), Ok(&network), "{written}");
        let base: IpAddr =
            written.split('/').next().unwrap_or_default().parse().expect("it begins with its base");
        assert!(network.contains(base) || base.to_canonical() != base);
        let closed = FetchPolicy::new().deny_network(network);
        if let (Ok(_), Some(address)) = (strict.judge_url(url), parsed.ok().as_ref().and_then(address)) {
            assert!(!network.contains(address) || closed.judge_url(url).is_err());
        }
    }
});

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// By the standard library's own, coarser judgement.
fn is_public(address: IpAddr) {
    let inside = match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    };
    assert!(!inside, "{address}");
}
