//! Which URLs pass which policy.

use super::*;

fn refusal(policy: &FetchPolicy, url: &str) -> Option<Refusal> {
    match policy.judge_url(url) {
        Ok(_) => None,
        Err(FetchError::Refused(refusal)) => Some(refusal),
        Err(other) => panic!("{url}: {other}"),
    }
}

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

// A-CIMDX-1, A-CIMDX-2
#[test]
fn addresses_in_any_notation_are_refused_with_one_text() {
    let policy = FetchPolicy::new();
    let urls = [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/x",
        "https://0/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://0x7f000001/x",
        "https://0177.0.0.1/x",
        "https://127.1/x",
        "https://127.0.0.1./x",
        "https://%31%32%37.0.0.1/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:a00:1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://[2002:7f00:1::]/x",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/latest",
        "https://[0:0:0:0:0:0:0:0]/x",
        "https://localhost/x",
        "https://LOCALHOST./x",
        "https://app.localhost/x",
        "https://printer.local/x",
        "https://metadata.google.internal/x",
        "https://intranet/x",
        "https://127.0.0.1:22/x",
    ];
    for url in urls {
        let error = policy.judge_url(url).unwrap_err();
        assert_eq!(error.to_string(), "refused to fetch: the address is not public", "{url}");
    }
    // What no parser lets through is refused as well, without a word about addresses.
    for url in [
        "https://[fe80::1%25eth0]/x",
        "https://１２７.０.０.１/x",
        "https://256.1.1.1/x",
        "https://1.2.3.4.5/x",
    ] {
        assert_eq!(refusal(&policy, url), Some(Refusal::Malformed), "{url}");
    }
}

#[test]
fn what_is_wrong_with_a_url_is_named() {
    let policy = FetchPolicy::new();
    let table = [
        ("https://app.example/c", None),
        ("HTTPS://App.Example/c?x=y", None),
        ("https://app.example:8443/c", None),
        ("https://8.8.8.8/c", None),
        ("https://[2606:4700::1111]/c", None),
        ("https://app.example./c", None),
        ("http://app.example/c", Some(Refusal::Scheme)),
        ("http://127.0.0.1/c", Some(Refusal::Scheme)),
        ("ftp://app.example/c", Some(Refusal::Scheme)),
        ("file:///etc/passwd", Some(Refusal::Scheme)),
        ("data:application/json,{}", Some(Refusal::Scheme)),
        ("gopher://app.example:70/", Some(Refusal::Scheme)),
        ("https://user@app.example/c", Some(Refusal::UserInfo)),
        ("https://user:word@app.example/c", Some(Refusal::UserInfo)),
        ("https://@app.example/c", Some(Refusal::UserInfo)),
        ("https://:@app.example/c", Some(Refusal::UserInfo)),
        ("https://app.example@127.0.0.1/c", Some(Refusal::UserInfo)),
        ("https://app.example/c#part", Some(Refusal::Fragment)),
        ("https://app.example/c#", Some(Refusal::Fragment)),
        ("https://app.example/@c?d=@", None),
        ("https://app.example:25/c", Some(Refusal::Port)),
        ("https://app.example:80/c", Some(Refusal::Port)),
        ("https://app.example:0/c", Some(Refusal::Port)),
        ("https://app.example:70000/c", Some(Refusal::Malformed)),
        ("app.example/c", Some(Refusal::Malformed)),
        ("", Some(Refusal::Malformed)),
        ("https://", Some(Refusal::Malformed)),
        ("https:///app.example/c", Some(Refusal::Malformed)),
        ("https:app.example/c", Some(Refusal::Malformed)),
        ("https:/app.example/c", Some(Refusal::Malformed)),
        ("https:/app.example/c?://x.example", Some(Refusal::Malformed)),
        (r"https:\\app.example\c", Some(Refusal::Malformed)),
        (r"https://app.example\@127.0.0.1/c", Some(Refusal::Malformed)),
        (" https://app.example/c", Some(Refusal::Malformed)),
        ("https://app.example/c\n", Some(Refusal::Malformed)),
        ("https://app.ex\tample/c", Some(Refusal::Malformed)),
        ("https://bücher.example/c", Some(Refusal::Malformed)),
        ("https://a b/c", Some(Refusal::Malformed)),
    ];
    for (url, expected) in table {
        assert_eq!(refusal(&policy, url), expected, "{url:?}");
    }
}

// CIMD-19
#[test]
fn development_opens_this_machine_and_nothing_else() {
    let policy = FetchPolicy::new().insecure_allow_loopback();
    for url in [
        "http://localhost:8080/c",
        "http://app.localhost/c",
        "https://localhost/c",
        "http://127.0.0.1:3000/c",
        "http://[::1]:3000/c",
        "http://127.1:3000/c",
        "https://app.example/c",
    ] {
        assert_eq!(refusal(&policy, url), None, "{url}");
    }
    assert_eq!(refusal(&policy, "http://app.example/c"), Some(Refusal::Scheme));
    assert_eq!(refusal(&policy, "http://10.0.0.1/c"), Some(Refusal::Scheme));
    assert_eq!(refusal(&policy, "https://10.0.0.1/c"), Some(Refusal::Address));
    assert_eq!(refusal(&policy, "https://0.0.0.0/c"), Some(Refusal::Address));
    assert_eq!(refusal(&policy, "https://intranet/c"), Some(Refusal::Address));
    let target = policy.judge_url("https://app.example/c").unwrap();
    let here = [IpAddr::from([127, 0, 0, 1])];
    assert!(policy.judge_answers(&target, &here).is_err(), "other names that mean this machine stay refused");
    let target = policy.judge_url("http://localhost/c").unwrap();
    assert!(policy.judge_answers(&target, &here).is_ok());
    assert!(policy.judge_answers(&target, &[IpAddr::from([10, 0, 0, 1])]).is_err());
}

#[test]
fn a_company_network_is_opened_by_its_range() {
    let policy =
        FetchPolicy::new().allow_network(network("10.20.0.0/16")).allow_network(network("fd12::/16"));
    assert_eq!(refusal(&policy, "https://10.20.0.1/c"), None);
    assert_eq!(refusal(&policy, "https://[::ffff:10.20.0.1]/c"), None);
    assert_eq!(refusal(&policy, "https://[fd12::1]/c"), None);
    assert_eq!(refusal(&policy, "https://10.21.0.1/c"), Some(Refusal::Address));
    assert_eq!(refusal(&policy, "http://10.20.0.1/c"), Some(Refusal::Scheme));
    let target = policy.judge_url("https://keys.internal/c").unwrap();
    assert!(policy.judge_answers(&target, &[IpAddr::from([10, 20, 0, 1])]).is_ok());
    assert!(policy.judge_answers(&target, &[IpAddr::from([10, 21, 0, 1])]).is_err());
    assert!(
        policy.judge_answers(&target, &[IpAddr::from([10, 20, 0, 1]), IpAddr::from([127, 0, 0, 1])]).is_err()
    );
}

#[test]
fn http_is_opened_for_a_range_only() {
    let policy = FetchPolicy::new().insecure_allow_http_in(network("10.20.0.0/16"));
    assert_eq!(refusal(&policy, "http://10.20.0.1/c"), None);
    assert_eq!(refusal(&policy, "https://10.20.0.1/c"), None);
    assert_eq!(refusal(&policy, "http://8.8.8.8/c"), Some(Refusal::Address));
    let target = policy.judge_url("http://keys.internal:8080/c").unwrap();
    assert!(policy.judge_answers(&target, &[IpAddr::from([10, 20, 0, 1])]).is_ok());
    assert!(policy.judge_answers(&target, &[IpAddr::from([8, 8, 8, 8])]).is_err());
}

#[test]
fn what_is_denied_stays_denied_however_it_is_written() {
    let policy = FetchPolicy::new()
        .allow_network(network("10.0.0.0/8"))
        .deny_network(network("10.9.0.0/16"))
        .deny_network(network("11.0.0.0/8"));
    for url in [
        "https://10.9.0.1/c",
        "https://11.1.1.1/c",
        "https://[64:ff9b::b01:101]/c",
        "https://[2002:b01:101::1]/c",
    ] {
        assert_eq!(refusal(&policy, url), Some(Refusal::Address), "{url}");
    }
    assert_eq!(refusal(&policy, "https://10.8.0.1/c"), None);
}

// CIMD-14
#[test]
fn hosts_can_be_listed() {
    let hosts = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<HostPattern>>();
    let policy = FetchPolicy::new()
        .with_allowed_hosts(hosts(&["app.example", "*.good.example", "10.0.0.1"]))
        .with_denied_hosts(hosts(&["not.good.example"]));
    assert_eq!(refusal(&policy, "https://app.example/c"), None);
    assert_eq!(refusal(&policy, "https://APP.example./c"), None);
    assert_eq!(refusal(&policy, "https://a.good.example/c"), None);
    assert_eq!(refusal(&policy, "https://not.good.example/c"), Some(Refusal::Host));
    assert_eq!(refusal(&policy, "https://other.example/c"), Some(Refusal::Host));
    assert_eq!(
        refusal(&policy, "https://10.0.0.1/c"),
        Some(Refusal::Address),
        "a listed host is judged as any other"
    );
}

#[test]
fn ports_can_be_listed() {
    let policy = FetchPolicy::new().with_ports([444]);
    assert_eq!(refusal(&policy, "https://app.example:444/c"), None);
    assert_eq!(refusal(&policy, "https://app.example/c"), Some(Refusal::Port));
    assert_eq!(refusal(&policy, "https://app.example:8443/c"), Some(Refusal::Port));
}

// LIM-5
#[test]
fn a_target_shows_neither_path_nor_query() {
    let target = FetchPolicy::new().judge_url("https://app.example/hush?code=hush").unwrap();
    assert_eq!(format!("{target:?}"), r#"Target { scheme: Https, host: "app.example", .. }"#);
}
