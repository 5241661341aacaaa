//! Tokens that nobody knows, another one each time: how often the endpoint is asked, and who gets in meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::{Quota, Timestamp, TokenVerifier as _, VerifyFault, async_trait};
use oauth_resource::{AnyOf, IntrospectionVerifier, MAX_TOKEN};
use oauth_testing::CapturedLog;

use crate::fixture::{ENDPOINT, PROXY, builder, live, now, protected, protected_from};

/// Knows the tokens that begin with `good`, and counts the questions about others.
#[derive(Default)]
struct Endpoint {
    good: AtomicUsize,
    forged: AtomicUsize,
}

#[async_trait]
impl Fetch for Endpoint {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let is_good = request.body.starts_with(b"token=good");
        let count = if is_good { &self.good } else { &self.forged };
        count.fetch_add(1, Ordering::SeqCst);
        // Others get their turn meanwhile.
        tokio::task::yield_now().await;
        Ok(Fetched::json(if is_good { live().to_string() } else { r#"{"active":false}"#.to_owned() }))
    }
}

fn asking() -> (Arc<Endpoint>, Arc<IntrospectionVerifier>) {
    let endpoint = Arc::new(Endpoint::default());
    (endpoint.clone(), Arc::new(builder(endpoint).build().unwrap()))
}

fn outage(answer: &Result<oauth_core::Claims, VerifyFault>) -> bool {
    matches!(answer, Err(VerifyFault::Unavailable { retry_after, .. }) if *retry_after <= Duration::from_secs(5))
}

#[tokio::test]
async fn a_intro_3_a_flood_of_forged_tokens_is_few_questions() {
    let (endpoint, verifier) = asking();
    assert!(verifier.verify("good-before", now()).await.is_ok());
    let (mut refused, mut put_off, mut good) = (0, 0, 0);
    let mut unlucky = Vec::new();
    // A hundred thousand in ten seconds.
    for number in 0..100_000_u64 {
        let at = now() + Duration::from_micros(100 * number);
        match verifier.verify(&format!("forged-{number}"), at).await {
            Err(VerifyFault::Invalid) => refused += 1,
            answer => {
                assert!(outage(&answer), "{answer:?}");
                put_off += 1;
            }
        }
        // Who was let in before is let in, also after the cache's time: its token is asked about in any case.
        if number % 100 == 0 {
            assert!(verifier.verify("good-before", at).await.is_ok(), "{number}");
        }
        // Who comes for the first time is let in or put off, and never told that its token is not good.
        if number % 1000 == 0 {
            let token = format!("good-{number}");
            match verifier.verify(&token, at).await {
                Ok(_) => good += 1,
                answer => {
                    assert!(outage(&answer), "{token}: {answer:?}");
                    unlucky.push(token);
                }
            }
        }
    }
    // A thousand, and two hundred a second.
    let asked = endpoint.forged.load(Ordering::SeqCst);
    assert!((2950..=3001).contains(&asked), "{asked}");
    assert_eq!((refused, put_off), (asked, 100_000 - asked));
    assert_eq!(good + unlucky.len(), 100);
    // Once it is over, so it is for those who were put off.
    let later = now() + Duration::from_secs(11);
    for token in unlucky {
        assert!(verifier.verify(&token, later).await.is_ok(), "{token}");
    }
}

#[tokio::test]
async fn a_thousand_good_tokens_at_once_are_all_let_in() {
    // One after the other, whatever the clock says: each gives its turn back.
    let (endpoint, verifier) = asking();
    for number in 0..1000 {
        assert!(verifier.verify(&format!("good-{number}"), now()).await.is_ok(), "{number}");
    }
    // Nine hundred at the same time.
    let tokens: Vec<String> = (0..900).map(|number| format!("good-too-{number}")).collect();
    let answers = futures::future::join_all(tokens.iter().map(|token| verifier.verify(token, now()))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(endpoint.good.load(Ordering::SeqCst), 1900);
}

#[tokio::test]
async fn as_many_are_asked_about_as_is_said() {
    let endpoint = Arc::new(Endpoint::default());
    let quota = Quota::new(3, Duration::from_secs(30));
    let verifier = builder(endpoint.clone()).unknown_tokens(quota).build().unwrap();
    let forged = async |names: std::ops::Range<u32>, at: Timestamp| {
        for name in names {
            assert!(verifier.verify(&format!("forged-{name}"), at).await.is_err());
        }
        endpoint.forged.load(Ordering::SeqCst)
    };
    assert_eq!(forged(0..10, now()).await, 3);
    // One that was asked about is refused, as it was; the others are told when to come again.
    assert!(matches!(verifier.verify("forged-0", now()).await, Err(VerifyFault::Invalid)));
    let fault = verifier.verify("forged-9", now()).await.unwrap_err();
    assert!(
        matches!(fault, VerifyFault::Unavailable { retry_after, .. } if retry_after == Duration::from_secs(10))
    );
    assert_eq!(forged(10..20, now() + Duration::from_secs(10)).await, 4);
}

#[tokio::test]
async fn a_token_that_was_good_and_is_not_any_more_is_refused_during_a_flood() {
    // RS-71
    let endpoint = Arc::new(StaticFetch::new());
    let quota = Quota::new(1, Duration::from_secs(3600));
    endpoint.set(ENDPOINT, Fetched::json(live().to_string()));
    let verifier = builder(endpoint.clone()).unknown_tokens(quota).build().unwrap();
    assert!(verifier.verify("token", now()).await.is_ok());
    endpoint.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
    assert!(verifier.verify("forged", now()).await.is_err());
    assert!(outage_of_an_hour(&verifier.verify("forged-too", now()).await));
    let later = now() + Duration::from_secs(20);
    assert!(matches!(verifier.verify("token", later).await, Err(VerifyFault::Invalid)));
}

fn outage_of_an_hour(answer: &Result<oauth_core::Claims, VerifyFault>) -> bool {
    matches!(answer, Err(VerifyFault::Unavailable { retry_after, .. }) if *retry_after <= Duration::from_secs(3600))
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_asked_about() {
    let (endpoint, verifier) = asking();
    let long = "a".repeat(MAX_TOKEN + 1);
    for impossible in ["", "two words", "comma,comma", "tökén", "=", "line\nbreak", "null\0", &long] {
        assert!(
            matches!(verifier.verify(impossible, now()).await, Err(VerifyFault::Invalid)),
            "{impossible:?}"
        );
    }
    assert_eq!(endpoint.forged.load(Ordering::SeqCst), 0);
    assert!(verifier.verify(&long[1..], now()).await.is_err());
    assert_eq!(endpoint.forged.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_is_put_off_is_told_when_to_come_again() {
    // RS-72
    let endpoint = Arc::new(Endpoint::default());
    let verifier = builder(endpoint).unknown_tokens(Quota::new(1, Duration::from_secs(7))).build().unwrap();
    let send = protected(verifier);
    assert_eq!(send("forged").await.0, 401);
    let (status, headers, _) = send("good").await;
    assert_eq!((status, &headers["retry-after"]), (503, &"7".parse().unwrap()));
    assert!(!headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_flood_from_one_network_puts_off_nobody_else() {
    // A-INTRO-3, A-PROXY-3
    let by_peer: fn(&str) -> (&str, Option<String>) = |source| (source, None);
    let by_proxy: fn(&str) -> (&str, Option<String>) =
        |source| (PROXY, Some(format!("198.51.100.{}, {source}", source.len())));
    for of in [by_peer, by_proxy] {
        let (endpoint, verifier) = asking();
        let send = protected_from(AnyOf::new().or(verifier));
        let ask = async |token: &str, source: &str| {
            let (peer, forwarded) = of(source);
            send(token, peer, forwarded.as_deref()).await.0
        };
        let mut statuses = Vec::new();
        for number in 0..1500 {
            // A household has many addresses.
            statuses.push(ask(&format!("forged-{number}"), &format!("2001:db8::{number:x}")).await);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 500);
        assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 1000);
        assert_eq!(endpoint.forged.load(Ordering::SeqCst), 500);
        // Others get in as if nothing were; who is behind the same address, comes again later.
        for number in 0..1000 {
            assert_eq!(ask(&format!("good-{number}"), "192.0.2.7").await, 200, "{number}");
        }
        assert_eq!(ask("expired", "192.0.2.7").await, 401);
        assert_eq!(ask("good-too", "2001:db8::7").await, 503);
    }
    // A header of one's own makes nobody another: the whole flood is one network's.
    let (endpoint, verifier) = asking();
    let send = protected_from(verifier);
    for number in 0..1500_u32 {
        let forged = format!("forged-{number}");
        send(&forged, "192.0.2.9", Some(&format!("203.0.113.{}", number % 250))).await;
    }
    assert_eq!(endpoint.forged.load(Ordering::SeqCst), 500);
    assert_eq!(send("good", "192.0.2.7", None).await.0, 200);
}

#[tokio::test]
async fn an_outage_is_nobodys_doing_and_a_text_that_is_disliked_is_its_senders() {
    // A-INTRO-3
    for (status, good) in [(503, 200), (500, 200), (400, 503), (403, 503)] {
        let endpoint = Arc::new(StaticFetch::new());
        endpoint.set(ENDPOINT, Fetched::new(StatusCode::from_u16(status).unwrap(), "{}"));
        let verifier = Arc::new(builder(endpoint.clone()).build().unwrap());
        let send = protected_from(verifier.clone());
        for number in 0..150 {
            assert_eq!(send(&format!("some-{number}"), "192.0.2.7", None).await.0, 503);
        }
        // More than half of the turns are taken.
        endpoint.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
        for number in 0..400 {
            let refused = verifier.verify(&format!("forged-{number}"), now()).await;
            assert!(matches!(refused, Err(VerifyFault::Invalid)), "{refused:?}");
        }
        endpoint.set(ENDPOINT, Fetched::json(live().to_string()));
        assert_eq!(send("good", "192.0.2.7", None).await.0, good, "{status}");
        assert_eq!(send("good-too", "192.0.2.8", None).await.0, 200, "{status}");
    }
}

#[tokio::test]
async fn a_flood_of_tokens_is_no_flood_of_lines() {
    // RS-72
    let verifier =
        builder(Arc::new(Endpoint::default())).unknown_tokens(Quota::new(1, Duration::from_secs(7)));
    let send = protected(verifier.build().unwrap());
    assert_eq!(send("forged").await.0, 401);
    let log = CapturedLog::of_this_thread();
    for number in 0..100 {
        assert_eq!(send(&format!("forged-{number}")).await.0, 503);
    }
    let text = log.text();
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(matches!(*errors, [only] if only.contains("tokens cannot be verified")), "{errors:?}");
}
