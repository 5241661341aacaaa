//! Proofs of possession, each wrong in one way.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use oauth_core::dpop::{Asked, MAX_JTI, Nonces, ProofChecker, ProofFault, Target};
use oauth_core::jose::{Algorithm, HmacAlgorithm, HmacKey, SigningKey};
use oauth_core::{
    ErrorCode, OsEntropy, ReplayGuard, Sealer, StoreError, Stores, Timestamp, TokenHash, async_trait,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const NOW: u64 = 1_700_000_000;
const TOKEN: &str = "an-access-token";
const URL: &str = "https://mcp.example/mcp";

static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_es256);

fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

fn target() -> Target {
    URL.parse().unwrap()
}

fn claims() -> Value {
    let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN));
    json!({"jti": "p-1", "htm": "POST", "htu": URL, "iat": NOW, "ath": ath})
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn header(key: &SigningKey) -> Value {
    let mut jwk = key.public_jwk().to_json();
    jwk.retain(|name, _| !["kid", "use", "alg"].contains(&name.as_str()));
    json!({"typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": jwk})
}

fn proof(claims: &Value) -> String {
    KEY.sign_under(&header(&KEY), claims).unwrap()
}

async fn check(checker: &ProofChecker, proof: &str) -> Result<(), ProofFault> {
    check_at(checker, proof, now()).await
}

async fn check_at(checker: &ProofChecker, proof: &str, now: Timestamp) -> Result<(), ProofFault> {
    let header = HeaderValue::try_from(proof).map_err(|_| ProofFault::Malformed)?;
    let (target, key) = (target(), KEY.public_jwk().thumbprint());
    let asked = Asked::new("POST", &target).with_token(TOKEN).with_key(key);
    checker.check([&header], asked, now).await.map(|proven| assert_eq!(proven.thumbprint(), key))
}

async fn reason(checker: &ProofChecker, proof: &str) -> &'static str {
    check(checker, proof).await.map_or_else(|fault| fault.reason(), |()| "good")
}

#[tokio::test]
async fn one_header_holds_one_proof() {
    // DPOP-1, A-DPOPX-10
    let checker = ProofChecker::new();
    let (one, target) = (HeaderValue::try_from(proof(&claims())).unwrap(), target());
    let asked = Asked::new("POST", &target).with_token(TOKEN);
    assert!(checker.check([&one], asked, now()).await.is_ok());
    assert!(matches!(checker.check([], asked, now()).await, Err(ProofFault::Missing)));
    assert!(matches!(checker.check([&one, &one], asked, now()).await, Err(ProofFault::Several)));
    let good = proof(&claims());
    for bad in [
        format!("{good},{good}"),
        format!("{good}, {good}"),
        String::new(),
        "x".repeat(10_000),
        format!("DPoP {good}"),
    ] {
        assert_eq!(reason(&checker, &bad).await, "proof_malformed", "{bad:.40}");
    }
}

#[tokio::test]
async fn a_proof_is_signed_by_the_public_key_that_it_carries() {
    // DPOP-2, A-DPOPX-8, A-DPOPX-9, A-DPOPX-11
    let checker = ProofChecker::new();
    let own = header(&KEY);
    let changed = |name: &str, value: Value| {
        let mut header = own.clone();
        header[name] = value;
        KEY.sign_under(&header, &claims()).unwrap()
    };
    let mut private = own["jwk"].clone();
    private["d"] = "AAAA".into();
    let other = SigningKey::generate_es256();
    let hs256 = {
        let key = HmacKey::new(HmacAlgorithm::Hs256, &[7; 32]).unwrap();
        key.sign("dpop+jwt", &claims()).unwrap()
    };
    let small = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for (proof, expected) in [
        (changed("typ", json!("JWT")), "proof_type"),
        (changed("typ", json!("at+jwt")), "proof_type"),
        (changed("typ", json!("client-authentication+jwt")), "proof_type"),
        (changed("alg", json!("none")), "proof_algorithm"),
        (changed("alg", json!("HS256")), "proof_algorithm"),
        (changed("alg", json!("PS512")), "proof_algorithm"),
        (changed("alg", json!("RS256")), "proof_algorithm"),
        (changed("jwk", private), "proof_key"),
        (changed("jwk", json!({"kty": "oct", "k": "c2VjcmV0"})), "proof_key"),
        (changed("jwk", json!({"kty": "RSA", "n": small, "e": "AQAB"})), "proof_key"),
        (changed("jwk", json!(null)), "proof_key"),
        (changed("jwk", header(&other)["jwk"].clone()), "proof_signature"),
        (changed("crit", json!(["x"])), "proof_malformed"),
        (hs256, "proof_algorithm"),
        (KEY.sign_under(&json!({"typ": "dpop+jwt", "alg": "ES256"}), &claims()).unwrap(), "proof_key"),
        (other.sign_under(&header(&other), &claims()).unwrap(), "proof_binding"),
        (proof(&claims()), "good"),
    ] {
        assert_eq!(reason(&checker, &proof).await, expected);
    }
    // All kinds of keys.
    for key in [SigningKey::generate_ed25519(), SigningKey::generate_rs256()] {
        let proof = HeaderValue::try_from(key.sign_under(&header(&key), &claims()).unwrap()).unwrap();
        let target = target();
        let proven = checker.check([&proof], Asked::new("POST", &target), now()).await.unwrap();
        assert_eq!(proven.thumbprint(), key.public_jwk().thumbprint());
        let only = ProofChecker::new().with_algorithms([Algorithm::Es256]);
        assert!(only.check([&proof], Asked::new("POST", &target), now()).await.is_err());
    }
}

#[tokio::test]
async fn a_proof_is_for_one_method_and_one_url() {
    // DPOP-3, A-DPOPX-2, A-DPOPX-16
    let checker = ProofChecker::new();
    for (name, value, expected) in [
        ("htm", json!("GET"), "proof_method"),
        ("htm", json!("post"), "proof_method"),
        ("htm", json!(1), "proof_malformed"),
        ("htm", json!(null), "proof_malformed"),
        ("htu", json!("https://mcp.example/other"), "proof_target"),
        ("htu", json!("https://mcp.example/mcp/"), "proof_target"),
        ("htu", json!("http://mcp.example/mcp"), "proof_target"),
        ("htu", json!("https://evil.example/mcp"), "proof_target"),
        ("htu", json!("https://mcp.example:8443/mcp"), "proof_target"),
        ("htu", json!("/mcp"), "proof_target"),
        ("htu", json!(""), "proof_target"),
        ("htu", json!(["https://mcp.example/mcp"]), "proof_malformed"),
        ("htu", json!("HTTPS://MCP.example:443/mcp"), "good"),
        ("htu", json!("https://mcp.example/mcp?query=ignored#too"), "good"),
        ("htu", json!("https://mcp.example/x/../%6dcp"), "good"),
    ] {
        assert_eq!(reason(&checker, &proof(&with(name, value.clone()))).await, expected, "{name} {value}");
    }
}

#[tokio::test]
async fn a_proof_is_of_now() {
    // DPOP-4, A-DPOPX-4
    let checker = ProofChecker::new();
    for (iat, expected) in [
        (json!(NOW - 299), "good"),
        (json!(NOW - 300), "good"),
        (json!(NOW - 301), "proof_time"),
        (json!(NOW + 299), "good"),
        (json!(NOW + 301), "proof_time"),
        (json!(NOW - 86_400), "proof_time"),
        (json!(NOW + 86_400), "proof_time"),
        (json!(i64::MAX), "proof_time"),
        (json!(0), "proof_time"),
        (json!(-1), "proof_malformed"),
        (json!(NOW as f64 + 0.5), "proof_malformed"),
        (json!("1700000000"), "proof_malformed"),
        (json!(null), "proof_malformed"),
    ] {
        assert_eq!(reason(&checker, &proof(&with("iat", iat.clone()))).await, expected, "{iat}");
    }
    let mut missing = claims();
    missing.as_object_mut().unwrap().remove("iat");
    assert_eq!(reason(&checker, &proof(&missing)).await, "proof_malformed");
    let narrow = ProofChecker::new().with_window(Duration::from_secs(60));
    assert_eq!(reason(&narrow, &proof(&with("iat", NOW - 61))).await, "proof_time");
    // Late in a second as early in it.
    let late = now() + Duration::from_millis(999);
    assert!(check_at(&checker, &proof(&with("iat", NOW - 300)), late).await.is_ok());
}

#[tokio::test]
async fn a_proof_is_for_one_token_and_by_its_key() {
    // DPOP-5, A-DPOPX-7
    let checker = ProofChecker::new();
    let other = URL_SAFE_NO_PAD.encode(Sha256::digest("another-token"));
    let padded = format!("{}=", claims()["ath"].as_str().unwrap());
    for ath in [json!(other), json!(padded), json!(TOKEN), json!(""), json!(1), json!(null)] {
        assert_eq!(reason(&checker, &proof(&with("ath", ath.clone()))).await, "proof_token", "{ath}");
    }
    let mut missing = claims();
    missing.as_object_mut().unwrap().remove("ath");
    assert_eq!(reason(&checker, &proof(&missing)).await, "proof_token");
    // At the token endpoint there is no token yet.
    let (header, target) = (HeaderValue::try_from(proof(&missing)).unwrap(), target());
    assert!(checker.check([&header], Asked::new("POST", &target), now()).await.is_ok());
}

#[tokio::test]
async fn a_proof_counts_once_where_that_is_wanted() {
    // DPOP-6, A-DPOPX-1, A-DPOPX-17
    let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay);
    let first = proof(&claims());
    assert_eq!(reason(&checker, &first).await, "good");
    assert_eq!(reason(&checker, &first).await, "proof_replayed");
    // Signed anew, with the same jti: the same proof.
    assert_eq!(reason(&checker, &proof(&with("iat", NOW + 1))).await, "proof_replayed");
    assert_eq!(reason(&checker, &proof(&with("jti", "p-2"))).await, "good");
    // At another target, by another key: another.
    let (other, elsewhere) = (SigningKey::generate_es256(), "https://mcp.example/other".parse().unwrap());
    let by_other = HeaderValue::try_from(other.sign_under(&header(&other), &claims()).unwrap()).unwrap();
    let home = target();
    assert!(checker.check([&by_other], Asked::new("POST", &home), now()).await.is_ok());
    let there = HeaderValue::try_from(proof(&with("htu", "https://mcp.example/other"))).unwrap();
    assert!(checker.check([&there], Asked::new("POST", &elsewhere), now()).await.is_ok());
    // What is refused for another reason uses nothing up.
    assert_eq!(
        reason(
            &checker,
            &proof(&{
                let mut c = with("jti", "p-3");
                c["htm"] = "GET".into();
                c
            })
        )
        .await,
        "proof_method"
    );
    assert_eq!(reason(&checker, &proof(&with("jti", "p-3"))).await, "good");
    for jti in [json!(""), json!("j".repeat(MAX_JTI + 1)), json!("j".repeat(5000)), json!(1), json!(null)] {
        assert_eq!(reason(&checker, &proof(&with("jti", jti))).await, "proof_malformed");
    }
}

#[tokio::test]
async fn one_key_does_not_fill_the_memory_of_all() {
    // A-DPOPX-17
    let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay).with_max_proofs(3);
    for n in 0..3 {
        assert_eq!(reason(&checker, &proof(&with("jti", format!("{n}")))).await, "good");
    }
    let fault = check(&checker, &proof(&with("jti", "3"))).await.unwrap_err();
    assert_eq!((fault.reason(), fault.code()), ("proof_too_many", ErrorCode::TooManyRequests));
    // Not even a replay, and nobody else is bothered.
    let other = SigningKey::generate_es256();
    let by_other = HeaderValue::try_from(other.sign_under(&header(&other), &claims()).unwrap()).unwrap();
    let home = target();
    assert!(checker.check([&by_other], Asked::new("POST", &home), now()).await.is_ok());
    let later = now() + Duration::from_secs(300);
    assert!(check_at(&checker, &proof(&with("jti", "4")), later).await.is_ok());
}

struct Down;

#[async_trait]
impl ReplayGuard for Down {
    async fn first_use(&self, _: &TokenHash, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
        Err(StoreError::unavailable("down"))
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_store_that_cannot_tell_is_an_outage() {
    let checker = ProofChecker::new().with_replay_guard(Arc::new(Down));
    let fault = check(&checker, &proof(&claims())).await.unwrap_err();
    assert_eq!(fault.code(), ErrorCode::TemporarilyUnavailable);
}

#[tokio::test]
async fn a_proof_is_remembered_for_as_long_as_it_is_good() {
    // DPOP-6
    let store = Stores::memory().replay;
    let checker = ProofChecker::new().with_replay_guard(store.clone());
    let ahead = proof(&with("iat", NOW + 300));
    assert_eq!(reason(&checker, &ahead).await, "good");
    let last = now() + Duration::from_millis(600_999);
    store.purge(last).await.unwrap();
    assert!(matches!(check_at(&checker, &ahead, last).await, Err(ProofFault::Replayed)));
    assert!(matches!(
        check_at(&checker, &ahead, now() + Duration::from_secs(601)).await,
        Err(ProofFault::Time)
    ));
}

fn nonces(key: u8) -> Arc<Nonces> {
    Arc::new(Nonces::of_resource(Arc::new(Sealer::new(&[key; 32])), &URL.parse().unwrap()))
}

#[tokio::test]
async fn a_nonce_is_ours_and_of_late() {
    // DPOP-8, DPOP-9, DPOP-10
    let nonces = nonces(7);
    let checker = ProofChecker::new().with_required_nonces(nonces.clone());
    let fault = check(&checker, &proof(&claims())).await.unwrap_err();
    assert_eq!((fault.code(), fault.reason()), (ErrorCode::UseDpopNonce, "proof_nonce"));
    let nonce = checker.nonce(now(), &OsEntropy).unwrap();
    assert!(nonce.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    assert_eq!(checker.nonce(now() + Duration::from_secs(1), &OsEntropy).unwrap(), nonce);
    for (after, expected) in [(0, "good"), (299, "good"), (601, "proof_nonce")] {
        let later = now() + Duration::from_secs(after);
        let mut claims = with("nonce", &*nonce);
        claims["iat"] = json!(NOW + after);
        let answer = check_at(&checker, &proof(&claims), later).await;
        assert_eq!(answer.map_or_else(|fault| fault.reason(), |()| "good"), expected, "{after}");
    }
    // Of another server with the same key: good; with another key, or of the authorization server: not.
    let twin = ProofChecker::new().with_required_nonces(self::nonces(7));
    assert_eq!(reason(&twin, &proof(&with("nonce", &*nonce))).await, "good");
    let stranger = ProofChecker::new().with_required_nonces(self::nonces(8));
    assert_eq!(reason(&stranger, &proof(&with("nonce", &*nonce))).await, "proof_nonce");
    let server = Nonces::of_server(Arc::new(Sealer::new(&[7; 32])), &"https://as.example".parse().unwrap());
    let foreign = server.current(now(), &OsEntropy);
    for bad in [json!(&*foreign), json!(""), json!("x"), json!("n".repeat(4000)), json!(1), json!(null)] {
        assert_eq!(reason(&checker, &proof(&with("nonce", bad))).await, "proof_nonce");
    }
    // Offered, not required: none is good, a bad one is not.
    let offers = ProofChecker::new().with_nonces(nonces);
    assert_eq!(reason(&offers, &proof(&claims())).await, "good");
    assert_eq!(reason(&offers, &proof(&with("nonce", "x"))).await, "proof_nonce");
    // Without nonces here, nobody asks.
    assert_eq!(reason(&ProofChecker::new(), &proof(&with("nonce", "x"))).await, "good");
}

#[tokio::test]
async fn the_digest_of_a_body_counts_only_where_that_is_asked_for() {
    // DPOP-20
    let (checker, target, body) = (ProofChecker::new(), target(), b"{\"jsonrpc\":\"2.0\"}");
    let digest = |body: &[u8]| format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
    let asked = Asked::new("POST", &target).with_token(TOKEN);
    let strict = asked.with_content(body);
    let header = |claims: &Value| HeaderValue::try_from(proof(claims)).unwrap();
    let wrong = header(&with("content_digest", digest(b"other")));
    assert!(checker.check([&wrong], asked, now()).await.is_ok());
    assert!(matches!(checker.check([&wrong], strict, now()).await, Err(ProofFault::Content)));
    let right = header(&with("content_digest", digest(body)));
    assert!(checker.check([&right], strict, now()).await.is_ok());
    assert!(checker.check([&header(&claims())], strict, now()).await.is_ok());
}
