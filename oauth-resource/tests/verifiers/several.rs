//! Verifiers beside each other, and those without public keys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oauth_core::jose::{HmacAlgorithm, HmacKey};
use oauth_core::{
    Claims, OsEntropy, Secret, SourceNetwork, SubjectKind, Timestamp, TokenVerifier, VerifyFault, async_trait,
};
use oauth_resource::{AnyOf, ApiKey, ApiKeys, ByIssuer, HmacVerifier, TrustedIssuer, VerifyFn, verify_fn};

use crate::fixture::{
    ISSUER, KEY, RESOURCE, ask, claims, now, refused, sign, trusted, unavailable, verifier, with,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn hmac() -> HmacVerifier {
    HmacVerifier::new(RESOURCE, TrustedIssuer::new(ISSUER), &secret(SECRET)).unwrap()
}

fn shared(algorithm: HmacAlgorithm, key: &str) -> String {
    HmacKey::new(algorithm, key.as_bytes()).unwrap().sign("at+jwt", &claims()).unwrap()
}

#[tokio::test]
async fn a_shared_secret_verifies_what_was_signed_with_it_and_no_public_key() {
    // RS-42
    let verifier = hmac();
    assert!(ask(&verifier, &shared(HmacAlgorithm::Hs256, SECRET)).await.is_ok());
    let other = SECRET.replace('0', "z");
    let double = SECRET.repeat(2);
    for bad in [
        shared(HmacAlgorithm::Hs256, &other),
        shared(HmacAlgorithm::Hs384, &double),
        shared(HmacAlgorithm::Hs512, &double),
        sign(&claims()),
        KEY.sign_under(&serde_json::json!({"alg": "HS256", "typ": "at+jwt"}), &claims()).unwrap(),
        HmacKey::new(HmacAlgorithm::Hs256, SECRET.as_bytes()).unwrap().sign("JWT", &claims()).unwrap(),
    ] {
        assert!(refused(&ask(&verifier, &bad).await), "{bad}");
    }
    let replaced = HmacVerifier::new(RESOURCE, TrustedIssuer::new(ISSUER), &secret(&other)).unwrap();
    assert!(refused(&ask(&replaced, &shared(HmacAlgorithm::Hs256, SECRET)).await));
    let replaced = replaced.with_earlier(&secret(SECRET)).unwrap();
    assert!(ask(&replaced, &shared(HmacAlgorithm::Hs256, SECRET)).await.is_ok());
    assert!(ask(&replaced, &shared(HmacAlgorithm::Hs256, &other)).await.is_ok());
}

#[test]
fn a_short_secret_is_a_configuration_error() {
    for short in ["", "hunter2", &SECRET[..31]] {
        let error = HmacVerifier::new(RESOURCE, TrustedIssuer::new(ISSUER), &secret(short)).unwrap_err();
        assert!(error.to_string().contains("32 bytes"));
        assert!(short.is_empty() || !error.to_string().contains(short), "the secret is not in it");
    }
    assert_eq!(
        HmacVerifier::new("mcp", TrustedIssuer::new("as"), &secret("")).unwrap_err().iter().count(),
        3
    );
}

#[tokio::test]
async fn several_keys_live_at_once_until_each_expires() {
    let (old, new) = (ApiKey::generate(&OsEntropy), ApiKey::generate(&OsEntropy));
    let keys = ApiKeys::new(&ISSUER.parse().unwrap(), &RESOURCE.parse().unwrap())
        .with(ApiKey::new("reports", old.hash()).unwrap().with_expiry(now() + Duration::from_secs(60)))
        .with(ApiKey::new("reports", new.hash()).unwrap().with_scopes("notes:read".parse().unwrap()));
    for key in [&old, &new] {
        let claims = ask(&keys, key.expose()).await.unwrap();
        assert_eq!((claims.subject_kind, &*claims.audience[0]), (SubjectKind::Client, RESOURCE));
    }
    let later = now() + Duration::from_secs(60);
    assert!(matches!(keys.verify(old.expose(), later).await, Err(VerifyFault::Expired)));
    assert_eq!(keys.verify(new.expose(), later).await.unwrap().scopes.as_str(), "notes:read");
    assert!(refused(&ask(&keys, "mcp_key_other").await));
    assert!(!format!("{keys:?}").contains(new.expose()));
}

/// A verifier that always says the same.
struct Says(fn() -> VerifyFault);

#[async_trait]
impl TokenVerifier for Says {
    async fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        Err(self.0())
    }
}

fn down() -> VerifyFault {
    VerifyFault::Unavailable { retry_after: Duration::from_secs(2), source: "down".into() }
}

#[tokio::test]
async fn an_outage_of_one_refuses_nothing_that_another_accepts_and_is_not_hidden_by_a_refusal() {
    let token = sign(&claims());
    let good = || verifier(trusted());
    assert!(ask(&AnyOf::new().or(Says(down)).or(good()), &token).await.is_ok());
    assert!(ask(&AnyOf::new().or(Says(|| VerifyFault::Invalid)).or(good()), &token).await.is_ok());
    let refuses: fn() -> VerifyFault = || VerifyFault::Invalid;
    for chain in
        [AnyOf::new().or(Says(down)).or(Says(refuses)), AnyOf::new().or(Says(refuses)).or(Says(down))]
    {
        assert!(unavailable(&ask(&chain, &token).await));
    }
    // Whoever recognises its own token has the last word.
    let expired = sign(&with("exp", now().as_secs() - 100));
    let chain = AnyOf::new().or(good()).or(Says(down));
    assert!(matches!(ask(&chain, &expired).await, Err(VerifyFault::Expired)));
    assert!(refused(&ask(&AnyOf::new(), &token).await), "nobody accepts nothing");
}

/// A verifier that keeps from where those came whom it was asked about.
#[derive(Clone, Default)]
struct Whence(Arc<Mutex<Vec<Option<SourceNetwork>>>>);

#[async_trait]
impl TokenVerifier for Whence {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.verify_from(token, now, None).await
    }

    async fn verify_from(
        &self,
        _: &str,
        _: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        self.0.lock().unwrap().push(source);
        Err(VerifyFault::Invalid)
    }
}

#[tokio::test]
async fn from_where_a_token_came_is_handed_on_by_whoever_asks_others() {
    // A-INTRO-3
    let whence = Whence::default();
    let chain = AnyOf::new()
        .or(whence.clone())
        .or(ByIssuer::new().with(&ISSUER.parse().unwrap(), whence.clone()))
        .or(Arc::new(whence.clone()));
    let source = Some(SourceNetwork::of([192, 0, 2, 7].into()));
    assert!(chain.verify_from(&sign(&claims()), now(), source).await.is_err());
    assert_eq!(*whence.0.lock().unwrap(), [source; 3]);
    // Whom it does not matter to is asked all the same.
    assert!(verifier(trusted()).verify_from(&sign(&claims()), now(), source).await.is_ok());
}

#[tokio::test]
async fn a_refusal_does_not_say_who_refused() {
    let one = AnyOf::new().or(Says(|| VerifyFault::Unrecognized)).or(Says(|| VerifyFault::Invalid));
    let other = AnyOf::new().or(Says(|| VerifyFault::Invalid)).or(Says(|| VerifyFault::Unrecognized));
    for chain in [one, other] {
        assert!(matches!(ask(&chain, "x").await, Err(VerifyFault::Invalid)));
    }
}

fn says_issuer(
    issuer: &'static str,
) -> VerifyFn<impl Fn(Secret, Timestamp) -> std::future::Ready<Result<Claims, VerifyFault>>> {
    verify_fn(move |_: Secret, now: Timestamp| {
        let claims = Claims::new(
            issuer,
            "alice".parse().unwrap(),
            "app".parse().unwrap(),
            now + Duration::from_secs(60),
        );
        std::future::ready(Ok(claims))
    })
}

#[tokio::test]
async fn the_issuer_that_a_token_names_chooses_who_verifies_it_and_is_held_to_it() {
    // RS-46
    let other = "https://other.example";
    let (own, others) = (ISSUER.parse().unwrap(), other.parse().unwrap());
    let router = ByIssuer::new().with(&own, hmac()).with(&others, says_issuer(other));
    assert!(ask(&router, &shared(HmacAlgorithm::Hs256, SECRET)).await.is_ok());
    assert_eq!(&*ask(&router, &sign(&with("iss", other))).await.unwrap().issuer, other);
    assert!(refused(&ask(&router, &sign(&with("iss", "https://evil.example"))).await));
    assert!(refused(&ask(&router, &sign(&claims())).await), "not by our secret");
    assert!(matches!(ask(&router, "opaque").await, Err(VerifyFault::Unrecognized)));
    // A verifier that finds another issuer than the one that chose it.
    let liar = ByIssuer::new().with(&own, says_issuer(other));
    assert!(refused(&ask(&liar, &sign(&claims())).await));
}
