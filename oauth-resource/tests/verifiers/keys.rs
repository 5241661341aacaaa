//! The keys of an issuer elsewhere: when they are fetched, how often, and what holds meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::jose::SigningKey;
use oauth_core::{TokenVerifier as _, async_trait};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use oauth_testing::CapturedLog;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::fixture::{
    ISSUER, JWKS, KEY, RESOURCE, RSA, ask, claims, jwks, now, refused, served, sign, unavailable,
};

fn remote(fetch: Arc<dyn Fetch>) -> JwtVerifier {
    JwtVerifier::builder(RESOURCE)
        .issuer(TrustedIssuer::new(ISSUER).with_jwks_url(JWKS))
        .fetch(fetch)
        .build()
        .unwrap()
}

fn discovering(fetch: Arc<dyn Fetch>, issuer: &str) -> JwtVerifier {
    JwtVerifier::builder(RESOURCE).issuer(TrustedIssuer::new(issuer)).fetch(fetch).build().unwrap()
}

/// Lets other tasks go on until it is so: not for ever.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to that");
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test]
async fn the_first_token_has_the_keys_fetched_and_the_next_does_not() {
    let fetch = served(&[&KEY]);
    let verifier = remote(fetch.clone());
    for _ in 0..5 {
        assert!(ask(&verifier, &sign(&claims())).await.is_ok());
    }
    assert_eq!(fetch.count(JWKS), 1);
}

#[tokio::test]
async fn any_number_of_unknown_names_costs_one_fetch_in_a_cool_down() {
    // RS-62
    let fetch = served(&[&KEY]);
    let verifier = Arc::new(remote(fetch.clone()));
    assert!(ask(&*verifier, &sign(&claims())).await.is_ok());
    let later = now() + secs(31);
    let attack = |moment| {
        let verifier = verifier.clone();
        async move {
            let mut tasks = Vec::new();
            for n in 0..1000 {
                let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("random-{n}")});
                let token = KEY.sign_under(&header, &claims()).unwrap();
                let verifier = verifier.clone();
                tasks.push(tokio::spawn(async move { verifier.verify(&token, moment).await }));
            }
            for task in tasks {
                assert!(task.await.unwrap().is_err());
            }
        }
    };
    attack(later).await;
    assert_eq!(fetch.count(JWKS), 2);
    attack(later + secs(29)).await;
    assert_eq!(fetch.count(JWKS), 2, "it has not passed");
    attack(later + secs(30)).await;
    assert_eq!(fetch.count(JWKS), 3);
    // A clock that was set back does not hold fetches up until it is there again.
    attack(now()).await;
    assert_eq!(fetch.count(JWKS), 4);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_removed_one_is_gone() {
    // RS-63, RS-64
    let (old, new) = (SigningKey::generate_es256(), SigningKey::generate_es256());
    let fetch = served(&[&old]);
    let verifier = remote(fetch.clone());
    let (by_old, by_new) = (old.sign("at+jwt", &claims()).unwrap(), new.sign("at+jwt", &claims()).unwrap());
    assert!(ask(&verifier, &by_old).await.is_ok());

    fetch.set(JWKS, Fetched::json(jwks(&[&old, &new])));
    let later = now() + secs(40);
    assert!(verifier.verify(&by_new, later).await.is_ok(), "the first token by it");
    assert!(verifier.verify(&by_old, later).await.is_ok());

    fetch.set(JWKS, Fetched::json(jwks(&[&new])));
    let still = later + secs(100);
    assert!(verifier.verify(&by_old, still).await.is_ok(), "nobody has asked yet");
    // As old as they get: fetched in the background, by a request that does not wait.
    let due = later + secs(661);
    let mut token = claims();
    token["exp"] = json!(due.as_secs() + 60);
    let (by_old, by_new) = (old.sign("at+jwt", &token).unwrap(), new.sign("at+jwt", &token).unwrap());
    assert!(verifier.verify(&by_new, due).await.is_ok());
    until(|| fetch.count(JWKS) == 3 && verifier.health(due)[0].keys == 1).await;
    assert!(refused(&verifier.verify(&by_old, due).await), "removed at the issuer, removed here");
}

#[tokio::test]
async fn while_an_issuer_is_down_its_last_keys_count_for_a_day() {
    // RS-64
    let fetch = served(&[&KEY]);
    let verifier = remote(fetch.clone());
    let mut long = claims();
    long["exp"] = json!(now().as_secs() + 1_000_000);
    let token = sign(&long);
    assert!(ask(&verifier, &token).await.is_ok());
    fetch.set_error(JWKS, FetchError::unreachable("as.example", "down"));
    for hours in [1, 12, 24] {
        let later = now() + secs(hours * 3600);
        assert!(verifier.verify(&token, later).await.is_ok(), "after {hours} hours");
        until(|| verifier.health(later)[0].failure.is_some()).await;
        assert!(verifier.is_ready(later));
    }
    let too_late = now() + secs(24 * 3600 + 60);
    assert!(unavailable(&verifier.verify(&token, too_late).await), "503, not 401");
    assert!(!verifier.is_ready(too_late));
    fetch.set(JWKS, Fetched::json(jwks(&[&KEY])));
    assert!(verifier.verify(&token, too_late + secs(31)).await.is_ok());
    assert_eq!(verifier.health(too_late + secs(31))[0].failure, None);
}

#[tokio::test]
async fn an_unknown_key_while_the_issuer_is_down_is_no_forgery() {
    let fetch = served(&[&KEY]);
    let verifier = remote(fetch.clone());
    assert!(ask(&verifier, &sign(&claims())).await.is_ok());
    fetch.set_error(JWKS, FetchError::Busy);
    let new = SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap();
    let later = now() + secs(40);
    assert!(unavailable(&verifier.verify(&new, later).await));
    assert!(verifier.verify(&sign(&claims()), later).await.is_ok(), "known keys are");
    // What is wrong by itself is refused all the same.
    assert!(refused(&verifier.verify(&KEY.sign("JWT", &claims()).unwrap(), later).await));
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_waited_for() {
    let fetch = Arc::new(StaticFetch::new());
    let verifier = remote(fetch.clone());
    assert!(!verifier.warm_up(now()).await && !verifier.is_ready(now()));
    let answer = ask(&verifier, &sign(&claims())).await;
    let Err(oauth_core::VerifyFault::Unavailable { retry_after, source }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((retry_after, source.to_string().as_str()), (secs(5), r#"could not fetch from "as.example""#));
    for _ in 0..100 {
        assert!(unavailable(&ask(&verifier, &sign(&claims())).await));
    }
    assert_eq!(fetch.count(JWKS), 1, "a crowd at the door is no flood at the issuer's");
    fetch.set(JWKS, Fetched::json(jwks(&[&KEY])));
    let soon = now() + secs(5);
    assert!(verifier.verify(&sign(&claims()), soon).await.is_ok());
    let health = &verifier.health(soon + secs(7))[0];
    assert!(health.ready && health.keys == 1 && health.age == Some(secs(7)) && health.failure.is_none());
}

/// Answers when it is let.
struct Gated {
    inner: Arc<StaticFetch>,
    gate: Semaphore,
    asked: AtomicUsize,
}

#[async_trait]
impl Fetch for Gated {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.inner.fetch(request).await
    }
}

#[tokio::test]
async fn nobody_whose_key_is_known_waits_for_a_slow_issuer() {
    // RS-65
    let slow =
        Arc::new(Gated { inner: served(&[&KEY]), gate: Semaphore::new(1), asked: AtomicUsize::new(0) });
    let verifier = Arc::new(remote(slow.clone()));
    let token = sign(&claims());
    assert!(ask(&*verifier, &token).await.is_ok());
    // The keys are due, and the issuer does not answer.
    let due = now() + secs(500);
    let stranger = SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap();
    let waiting = {
        let (verifier, stranger) = (verifier.clone(), stranger.clone());
        tokio::spawn(async move { verifier.verify(&stranger, due).await })
    };
    until(|| slow.asked.load(Ordering::SeqCst) == 2).await;
    for _ in 0..100 {
        assert!(verifier.verify(&token, due).await.is_ok());
    }
    assert!(!waiting.is_finished(), "whose key is not known waits for the one fetch");
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    // A request that is dropped does not take the fetch with it.
    waiting.abort();
    let other = {
        let verifier = verifier.clone();
        tokio::spawn(async move { verifier.verify(&stranger, due).await })
    };
    tokio::task::yield_now().await;
    slow.gate.add_permits(1);
    assert!(refused(&other.await.unwrap()));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_crowd_may_not_wait_without_bound() {
    // RS-62: bounded memory while an issuer hangs.
    let slow =
        Arc::new(Gated { inner: served(&[&KEY]), gate: Semaphore::new(1), asked: AtomicUsize::new(0) });
    let verifier = Arc::new(remote(slow.clone()));
    assert!(ask(&*verifier, &sign(&claims())).await.is_ok());
    let (later, stranger) =
        (now() + secs(40), SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap());
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, stranger) = (verifier.clone(), stranger.clone());
            tokio::spawn(async move { verifier.verify(&stranger, later).await })
        })
        .collect();
    until(|| tasks.iter().filter(|task| task.is_finished()).count() >= 1000 - 256).await;
    slow.gate.add_permits(1);
    let mut told_to_come_again = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        told_to_come_again += usize::from(unavailable(&answer));
        assert!(answer.is_err());
    }
    assert_eq!(told_to_come_again, 1000 - 256);
}

#[tokio::test]
async fn keys_are_found_by_the_issuers_metadata() {
    for (issuer, place) in [
        (ISSUER, "https://as.example/.well-known/oauth-authorization-server"),
        (ISSUER, "https://as.example/.well-known/openid-configuration"),
        ("https://as.example/t", "https://as.example/.well-known/oauth-authorization-server/t"),
        ("https://as.example/t", "https://as.example/t/.well-known/openid-configuration"),
        ("https://as.example/t", "https://as.example/.well-known/openid-configuration/t"),
        ("https://as.example/t/", "https://as.example/t/.well-known/openid-configuration"),
    ] {
        let fetch = Arc::new(Elsewhere(served(&[&KEY])));
        fetch.0.set(place, Fetched::json(json!({"issuer": issuer, "jwks_uri": JWKS}).to_string()));
        let verifier = discovering(fetch, issuer);
        let mut token = claims();
        token["iss"] = issuer.into();
        assert!(ask(&verifier, &sign(&token)).await.is_ok(), "{place}");
    }
}

/// 404 for what is not there.
struct Elsewhere(Arc<StaticFetch>);

#[async_trait]
impl Fetch for Elsewhere {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        match self.0.fetch(request).await {
            Err(FetchError::Unreachable { .. }) => Ok(Fetched::new(StatusCode::NOT_FOUND, "")),
            answer => answer,
        }
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_closes_the_door() {
    // RS-60
    let place = "https://as.example/.well-known/oauth-authorization-server";
    for other in ["https://evil.example", "https://as.example/", "https://AS.example", ""] {
        let fetch = Arc::new(Elsewhere(served(&[&KEY])));
        fetch.0.set(place, Fetched::json(json!({"issuer": other, "jwks_uri": JWKS}).to_string()));
        // A second document does not mend it.
        let good = json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string();
        fetch.0.set("https://as.example/.well-known/openid-configuration", Fetched::json(good));
        let verifier = discovering(fetch.clone(), ISSUER);
        assert!(unavailable(&ask(&verifier, &sign(&claims())).await), "{other}");
        assert!(!verifier.is_ready(now()));
        assert_eq!(verifier.health(now())[0].failure.as_deref(), Some("the metadata is of another issuer"));
        assert_eq!(fetch.0.count(JWKS), 0);
    }
    // One that becomes another issuer's takes the keys away that were there.
    let fetch = Arc::new(Elsewhere(served(&[&KEY])));
    let says = |issuer: &str| Fetched::json(json!({"issuer": issuer, "jwks_uri": JWKS}).to_string());
    fetch.0.set(place, says(ISSUER));
    let verifier = discovering(fetch.clone(), ISSUER);
    assert!(ask(&verifier, &sign(&claims())).await.is_ok());
    fetch.0.set(place, says("https://evil.example"));
    let stranger = SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap();
    assert!(unavailable(&ask(&verifier, &stranger).await));
    assert!(unavailable(&ask(&verifier, &sign(&claims())).await) && !verifier.is_ready(now()));
    // And strangers make it be asked no more often for that.
    let asked = fetch.0.count(place);
    assert!(unavailable(&verifier.verify(&stranger, now() + secs(29)).await));
    assert_eq!(fetch.0.count(place), asked);
    assert!(unavailable(&verifier.verify(&stranger, now() + secs(31)).await));
    assert_eq!(fetch.0.count(place), asked + 1);
}

#[tokio::test]
async fn what_is_no_metadata_is_looked_for_elsewhere() {
    // RS-60
    let place = "https://as.example/.well-known/oauth-authorization-server";
    for (answer, status) in [
        ("<html>", 200),
        ("", 302),
        ("{}", 404),
        ("[]", 200),
        (r#"["https://other.example","https://other.example/jwks.json"]"#, 200),
    ] {
        let fetch = Arc::new(Elsewhere(served(&[&KEY])));
        fetch.0.set(place, Fetched::new(StatusCode::from_u16(status).unwrap(), answer));
        let good = json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string();
        fetch.0.set("https://as.example/.well-known/openid-configuration", Fetched::json(good));
        assert!(ask(&discovering(fetch, ISSUER), &sign(&claims())).await.is_ok(), "{status} {answer}");
    }
}

#[tokio::test]
async fn key_sets_come_over_https_as_they_are_and_within_bounds() {
    // RS-61
    let place = "https://as.example/.well-known/oauth-authorization-server";
    for (jwks_uri, failure) in [
        ("http://as.example/jwks.json", "the key set must be fetched over https"),
        ("file:///etc/passwd", "the key set must be fetched over https"),
        ("https://elsewhere.example/gone", "the issuer answered 404"),
    ] {
        let fetch = Arc::new(Elsewhere(served(&[&KEY])));
        fetch.0.set(place, Fetched::json(json!({"issuer": ISSUER, "jwks_uri": jwks_uri}).to_string()));
        let verifier = discovering(fetch, ISSUER);
        assert!(!verifier.warm_up(now()).await);
        assert_eq!(verifier.health(now())[0].failure.as_deref(), Some(failure), "{jwks_uri}");
    }
    let redirect = Fetched::new(StatusCode::FOUND, "")
        .with_header(http::header::LOCATION, "https://as.example/other.json".parse().unwrap());
    let huge = Fetched::json(format!(r#"{{"keys":[],"x":"{}"}}"#, "a".repeat(600 * 1024)));
    let crowd = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(200));
    for answer in [
        redirect,
        huge,
        Fetched::json(crowd),
        Fetched::json("<html>"),
        Fetched::new(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
    ] {
        let fetch = Arc::new(StaticFetch::new().with(JWKS, answer));
        let verifier = remote(fetch.clone());
        assert!(unavailable(&ask(&verifier, &sign(&claims())).await));
        assert_eq!(fetch.requests().len(), 1);
    }
    let plain = JwtVerifier::builder(RESOURCE)
        .issuer(TrustedIssuer::new(ISSUER).with_jwks_url("http://as.example/jwks.json"))
        .fetch(served(&[&KEY]))
        .build();
    assert!(plain.unwrap_err().to_string().contains("https"));
}

#[tokio::test]
async fn rubbish_in_a_set_spoils_nothing() {
    // RS-67, RS-68, A-JWT-21
    let mut encrypts = SigningKey::generate_es256().public_jwk().to_json();
    encrypts.insert("use".to_owned(), "enc".into());
    let set = json!({"keys": [
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"}, 17, {"kty": "oct", "k": "c2VjcmV0"}, encrypts,
        KEY.public_jwk().to_json(),
    ]});
    let fetch = Arc::new(StaticFetch::new().with(JWKS, Fetched::json(set.to_string())));
    let verifier = remote(fetch);
    assert!(ask(&verifier, &sign(&claims())).await.is_ok());
    let health = &verifier.health(now())[0];
    assert_eq!((health.keys, health.skipped, health.ready), (1, 4, true));
}

#[tokio::test]
async fn what_is_left_out_of_a_set_is_said_once() {
    // RS-68
    let set = json!({"keys": [KEY.public_jwk().to_json(), 5, {"kty": "oct", "k": "AA"}]}).to_string();
    let log = CapturedLog::of_this_thread();
    let warnings = || log.text().matches("keys of the issuer's set are not used").count();
    let fetch = Arc::new(StaticFetch::new().with(JWKS, Fetched::json(set.clone())));
    let verifier = remote(fetch.clone());
    for minutes in [0, 20, 40] {
        let later = now() + secs(minutes * 60);
        let mut token = claims();
        token["exp"] = json!(later.as_secs() + 60);
        assert!(verifier.verify(&sign(&token), later).await.is_ok());
        until(|| fetch.count(JWKS) as u64 == 1 + minutes / 20).await;
    }
    assert_eq!(warnings(), 1);
    let fixed = TrustedIssuer::new(ISSUER).with_jwks(&set);
    assert!(JwtVerifier::builder(RESOURCE).issuer(fixed).build().is_ok());
    assert_eq!(warnings(), 2, "a set that was configured has its line, too");
}

/// Never answers, until it is broken off.
#[derive(Default)]
struct Hangs {
    begun: AtomicUsize,
    ended: Arc<AtomicUsize>,
}

struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Fetch for Hangs {
    async fn fetch(&self, _: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let _end = Ends(self.ended.clone());
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_fetch_without_an_end_is_given_one() {
    // RS-61
    let fetch = Arc::new(Hangs::default());
    let verifier = Arc::new(remote(fetch.clone()));
    let ask_at = |moment| {
        let verifier = verifier.clone();
        tokio::spawn(async move { verifier.verify(&sign(&claims()), moment).await })
    };
    let first = ask_at(now());
    until(|| fetch.begun.load(Ordering::SeqCst) == 1).await;
    let second = ask_at(now() + secs(59));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !second.is_finished() && fetch.ended.load(Ordering::SeqCst) == 0);
    // Whoever comes a minute after it began ends it, and all who wait are told.
    for waiting in [ask_at(now() + secs(60)), first, second] {
        assert!(unavailable(&waiting.await.unwrap()));
    }
    assert_eq!((fetch.begun.load(Ordering::SeqCst), fetch.ended.load(Ordering::SeqCst)), (1, 1));
    let again = ask_at(now() + secs(66));
    until(|| fetch.begun.load(Ordering::SeqCst) == 2).await;
    again.abort();
}

#[tokio::test]
async fn weak_and_impossible_keys_verify_nothing() {
    // RS-58
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut off_curve = KEY.public_jwk().to_json();
    off_curve.insert("y".to_owned(), b64(&[7; 32]).into());
    let mut short_point = KEY.public_jwk().to_json();
    short_point.insert("x".to_owned(), b64(&[7; 31]).into());
    let rsa = |modulus: &[u8], exponent: &str| json!({"kty": "RSA", "alg": "RS256", "n": b64(modulus), "e": exponent});
    let odd = |bytes: usize| [vec![0xff; bytes - 1], vec![1]].concat();
    let bad = [
        off_curve.into(),
        short_point.into(),
        rsa(&odd(128), "AQAB"),
        rsa(&odd(255), "AQAB"),
        rsa(&odd(256), "AQ"),
        json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&[1; 31])}),
        json!({"kty": "OKP", "crv": "X25519", "x": b64(&[1; 32])}),
    ];
    let mut keys = bad.to_vec();
    keys.push(RSA.public_jwk().to_json().into());
    let set = json!({ "keys": keys }).to_string();
    let verifier = remote(Arc::new(StaticFetch::new().with(JWKS, Fetched::json(set))));
    assert!(refused(&ask(&verifier, &sign(&claims())).await), "its key is not on the curve");
    assert!(ask(&verifier, &RSA.sign("at+jwt", &claims()).unwrap()).await.is_ok());
    let health = &verifier.health(now())[0];
    assert_eq!((health.keys, health.skipped), (1, bad.len()));
}

#[tokio::test]
async fn keys_of_one_name_and_tokens_that_name_none() {
    // RS-66
    let (one, other) = (SigningKey::generate_es256(), SigningKey::generate_ed25519());
    let named = |key: &SigningKey, kid: Option<&str>| {
        let mut jwk = key.public_jwk().to_json();
        jwk.remove("kid");
        if let Some(kid) = kid {
            jwk.insert("kid".to_owned(), kid.into());
        }
        Value::from(jwk)
    };
    let header = |key: &SigningKey, kid: Option<&str>| {
        let mut header = json!({"alg": key.algorithm().as_str(), "typ": "at+jwt"});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        key.sign_under(&header, &claims()).unwrap()
    };
    let of = |keys: Vec<Value>| {
        crate::fixture::verifier(TrustedIssuer::new(ISSUER).with_jwks(&json!({ "keys": keys }).to_string()))
    };
    // One name, two kinds, and two of one kind.
    let third = SigningKey::generate_es256();
    let same = of([&one, &other, &third].map(|key| named(key, Some("k"))).to_vec());
    for key in [&one, &other, &third] {
        assert!(ask(&same, &header(key, Some("k"))).await.is_ok());
        assert!(ask(&same, &header(key, None)).await.is_ok());
        assert!(refused(&ask(&same, &header(key, Some("l"))).await));
    }
    assert!(refused(&ask(&same, &header(&SigningKey::generate_es256(), None)).await));
    // How many are tried is bounded: the last of a crowd is not found without its name.
    let crowd: Vec<SigningKey> = (0..20).map(|_| SigningKey::generate_es256()).collect();
    let set = of(crowd.iter().enumerate().map(|(n, key)| named(key, Some(&format!("k{n}")))).collect());
    assert!(ask(&set, &header(&crowd[0], None)).await.is_ok());
    assert!(refused(&ask(&set, &header(&crowd[19], None)).await));
    assert!(ask(&set, &header(&crowd[19], Some("k19"))).await.is_ok());
}

#[tokio::test]
async fn a_set_without_a_usable_key_takes_the_old_ones_away_and_without_any_is_an_outage() {
    // RS-43, RS-58, RS-64, RS-68, A-JWT-21
    let mut for_encryption = KEY.public_jwk().to_json();
    for_encryption.insert("use".to_owned(), "enc".into());
    for (set, failure, is_outage) in [
        (r#"{"keys":[]}"#.to_owned(), "no key of the issuer's set can be used, 0 were skipped", true),
        (
            r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned(),
            "no key of the issuer's set can be used, 1 were skipped",
            false,
        ),
        (
            json!({"keys": [for_encryption]}).to_string(),
            "no key of the issuer's set can be used, 1 were skipped",
            false,
        ),
    ] {
        let fetch = served(&[&KEY]);
        let verifier = remote(fetch.clone());
        assert!(ask(&verifier, &sign(&claims())).await.is_ok());
        fetch.set(JWKS, Fetched::json(set));
        let later = now() + secs(40);
        let stranger = SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap();
        for token in [stranger, sign(&claims())] {
            let answer = verifier.verify(&token, later).await;
            assert_eq!((unavailable(&answer), refused(&answer)), (is_outage, !is_outage));
        }
        assert!(!verifier.is_ready(later));
        assert_eq!(verifier.health(later)[0].failure.as_deref(), Some(failure));
        fetch.set(JWKS, Fetched::json(jwks(&[&KEY])));
        // Without any request, too: nobody sends some to a server that is not ready.
        assert!(!verifier.warm_up(later + secs(29)).await);
        assert!(verifier.warm_up(later + secs(31)).await);
        assert!(verifier.verify(&sign(&claims()), later + secs(31)).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_that_is_changed_right_after_a_fetch_is_found_at_once() {
    // RS-62, RS-63, A-FAULT-6
    let (old, new) = (SigningKey::generate_es256(), SigningKey::generate_es256());
    let fetch = served(&[&old]);
    let verifier = remote(fetch.clone());
    assert!(ask(&verifier, &old.sign("at+jwt", &claims()).unwrap()).await.is_ok());
    fetch.set(JWKS, Fetched::json(jwks(&[&new])));
    let by_new = new.sign("at+jwt", &claims()).unwrap();
    assert!(verifier.verify(&by_new, now() + secs(1)).await.is_ok(), "the very first by it");
    assert_eq!(fetch.count(JWKS), 2);
    // That was the one for all unknown keys of this cool-down.
    let stranger = SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap();
    for after in [1, 2, 30] {
        assert!(refused(&verifier.verify(&stranger, now() + secs(after)).await));
    }
    assert_eq!(fetch.count(JWKS), 2);
    // An issuer that fails is left alone for the whole of it, whatever it is asked for.
    fetch.set(JWKS, Fetched::new(StatusCode::BAD_GATEWAY, "no"));
    let down = now() + secs(100);
    for after in [0, 1, 29] {
        assert!(unavailable(&verifier.verify(&stranger, down + secs(after)).await));
    }
    assert_eq!(fetch.count(JWKS), 3);
}

#[tokio::test]
async fn a_aud_6_an_untrusted_issuer_is_not_even_asked() {
    // A-AUD-6
    let fetch = served(&[&KEY]);
    let verifier = remote(fetch.clone());
    let mut token = claims();
    token["iss"] = "https://evil.example".into();
    assert!(refused(&ask(&verifier, &sign(&token)).await));
    assert!(fetch.requests().is_empty());
}
