//! Keys that are looked after although nobody comes with a token.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::{FetchError, Fetched};
use oauth_core::{Clock, Timestamp};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use tokio::time::{Instant, advance};

use crate::fixture::{ISSUER, JWKS, KEY, RESOURCE, RSA, claims, jwks, now, served};

/// Goes on as the timers of the test do.
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        now() + self.0.elapsed()
    }
}

/// Lets time pass, and everybody do what is due.
async fn pass(seconds: u64) {
    for _ in 0..seconds {
        advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_fresh_without_any_request() {
    // RS-63, RS-64
    let fetch = served(&[&KEY]);
    fetch.set_error(JWKS, FetchError::unreachable("as.example", "refused"));
    let verifier = JwtVerifier::builder(RESOURCE)
        .issuer(TrustedIssuer::new(ISSUER).with_jwks_url(JWKS))
        .fetch(fetch.clone())
        .build()
        .unwrap();
    let verifier = Arc::new(verifier);
    let clock = Ticking(Instant::now());
    let looked_after = verifier.clone();
    let began = clock.0;
    let looks = tokio::spawn(async move { looked_after.keep_fresh(&Ticking(began)).await });
    pass(1).await;
    assert_eq!((fetch.count(JWKS), verifier.is_ready(clock.now())), (1, false));

    // The issuer comes up: within ten seconds this resource is well.
    fetch.set(JWKS, Fetched::json(jwks(&[&KEY])));
    pass(10).await;
    assert_eq!((fetch.count(JWKS), verifier.is_ready(clock.now())), (2, true));

    // It changes its key. Within eleven minutes, a tenth more and the time between two looks, the new one is here.
    fetch.set(JWKS, Fetched::json(jwks(&[&RSA])));
    pass(530).await;
    assert_eq!(fetch.count(JWKS), 2, "not before nine minutes");
    pass(150).await;
    assert_eq!(fetch.count(JWKS), 3);
    let mut claims = claims();
    claims["exp"] = (clock.now().as_secs() + 600).into();
    let token = RSA.sign("at+jwt", &claims).unwrap();
    assert!(oauth_core::TokenVerifier::verify(&*verifier, &token, clock.now()).await.is_ok());
    assert_eq!(fetch.count(JWKS), 3, "nobody had to wait for it");

    // An hour of an outage: asked now and then, and the keys stay.
    fetch.set_error(JWKS, FetchError::unreachable("as.example", "refused"));
    pass(3600).await;
    let health = &verifier.health(clock.now())[0];
    assert!(health.ready && health.failure.is_some(), "{health:?}");
    // Once in the cool-down of half a minute, not at each look.
    assert!((60..=110).contains(&fetch.count(JWKS)), "{}", fetch.count(JWKS));

    looks.abort();
    let asked = fetch.count(JWKS);
    pass(700).await;
    assert_eq!(fetch.count(JWKS), asked, "who does not look asks nobody");
}
