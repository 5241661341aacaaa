//! Signed tokens: what a token costs that was seen before, what one that was not costs beside verifying its signature, and whether many
//! of them slow anything down.

use std::convert::Infallible;
use std::hint::black_box;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body_util::Empty;
use oauth_core::TokenVerifier as _;
use oauth_core::jose::{Algorithm, SigningKey};
use oauth_resource::{JwtVerifier, RequireBearerLayer};
use tower::{Layer as _, service_fn};

use benches::fixture::{Body, NOW, RESOURCE, answer, call};
use benches::jwt::{Clocked, access_token, verifier};
use benches::rounds::{Compared, by_turns, median, nanoseconds};
use benches::table::Row;

const REQUESTS: u32 = 100;

pub(crate) fn measure() -> Vec<Row> {
    let mut rows = vec![seen_before()];
    for (key, limit) in [
        (SigningKey::generate_es256(), 103.0),
        (SigningKey::generate_ed25519(), 103.0),
        (SigningKey::generate_rs256(), 106.0),
    ] {
        rows.push(not_seen_before(&key, limit));
    }
    rows.push(refused());
    rows.extend(crowds());
    rows
}

type Layered = oauth_resource::RequireBearer<Inner, JwtVerifier>;
type Answered = std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;
type Inner = tower::util::ServiceFn<fn(Request<Body>) -> Answered>;

fn inner() -> Inner {
    fn plain(_: Request<Body>) -> Answered {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
    service_fn(plain)
}

fn layered(key: &SigningKey, capacity: usize) -> Layered {
    RequireBearerLayer::new(RESOURCE.parse().expect("it is a resource"), verifier(key))
        .with_clock(std::sync::Arc::new(Clocked))
        .with_cache(capacity, std::time::Duration::from_secs(3600))
        .layer(inner())
}

fn seen_before() -> Row {
    let key = SigningKey::generate_es256();
    let token = access_token(&key, "alice");
    let (mut bare, mut layered) = (inner(), layered(&key, 10_000));
    assert!(answer(&mut layered, call(&token)).status().is_success());
    let compared = by_turns(
        2001,
        || nanoseconds(REQUESTS, || call(&token), |request| answer(&mut bare, request)),
        || nanoseconds(REQUESTS, || call(&token), |request| answer(&mut layered, request)),
    );
    let detail = format!("{:.0} ns over {:.0} ns, {} bytes", compared.ours, compared.floor, token.len());
    Row::at_most("A JWT seen before, RequireBearer: added", compared.difference, 400.0, "ns", &detail)
}

fn not_seen_before(key: &SigningKey, limit: f64) -> Row {
    let (verifier, token) = (verifier(key), access_token(key, "alice"));
    let (public, message, signature) = raw(key, &token);
    let verify =
        || verifier.verify(&token, NOW).now_or_never().expect("nothing waits here").expect("it is good");
    let compared = by_turns(
        301,
        || {
            nanoseconds(
                20,
                || (),
                |()| public.verify_sig(black_box(&message), &signature).expect("it is good"),
            )
        },
        || nanoseconds(20, || (), |()| verify()),
    );
    let what = format!("A JWT not seen before, {}: of raw verification", key.algorithm());
    Row::at_most(what, compared.percent, limit, "%", &micros(&compared))
}

fn micros(compared: &Compared) -> String {
    format!("{:.1} µs over {:.1} µs", compared.ours / 1000.0, compared.floor / 1000.0)
}

/// The key, parsed, and what it verifies, decoded.
fn raw(key: &SigningKey, token: &str) -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let jwk = key.public_jwk().to_json();
    let bytes = |name: &str| {
        let text = jwk[name].as_str().expect("it is text");
        URL_SAFE_NO_PAD.decode(text).expect("it is base64url")
    };
    let parse =
        |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| ParsedPublicKey::new(algorithm, bytes);
    let public = match key.algorithm() {
        Algorithm::Es256 => parse(&ECDSA_P256_SHA256_FIXED, &[&[4], &*bytes("x"), &*bytes("y")].concat()),
        Algorithm::EdDsa => parse(&ED25519, &bytes("x")),
        _ => aws_lc_rs::rsa::PublicKeyComponents { n: bytes("n"), e: bytes("e") }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
    };
    let (message, signature) = token.rsplit_once('.').expect("it has three segments");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64url");
    (public.expect("it is a key"), message.as_bytes().to_vec(), signature)
}

fn refused() -> Row {
    let key = SigningKey::generate_es256();
    let (verifier, good) = (verifier(&key), access_token(&key, "alice"));
    let other = access_token(&key, "mallory");
    let (message, _) = good.rsplit_once('.').expect("it has three segments");
    let forged = format!("{message}.{}", other.rsplit_once('.').expect("it has three segments").1);
    let ask = |token: &str| verifier.verify(token, NOW).now_or_never().expect("nothing waits here").is_ok();
    assert!(ask(&good) && !ask(&forged));
    let compared = by_turns(
        301,
        || nanoseconds(20, || (), |()| ask(&good)),
        || nanoseconds(20, || (), |()| ask(&forged)),
    );
    Row::at_most("A forged JWT: of accepting a good one", compared.percent, 105.0, "%", &micros(&compared))
}

/// From one token to a million, each seen once: the cache holds as many as it may. What the last of them cost that come again.
fn crowds() -> Vec<Row> {
    let key = SigningKey::generate_ed25519();
    let cost = |tokens: u32| {
        let mut service = layered(&key, 10_000);
        let mut ask = |token: &str| assert!(answer(&mut service, call(token)).status().is_success());
        let kept = tokens.saturating_sub(5_000);
        for n in 0..kept {
            ask(&access_token(&key, &format!("user-{n}")));
        }
        let last: Vec<String> = (kept..tokens).map(|n| access_token(&key, &format!("user-{n}"))).collect();
        for _ in 0..2 {
            last.iter().for_each(|token| ask(token));
        }
        let mut again = last.iter().cycle();
        let mut next = || call(again.next().expect("it goes round"));
        median(
            (0..301)
                .map(|_| nanoseconds(REQUESTS, &mut next, |request| answer(&mut service, request)))
                .collect(),
        )
    };
    let one = cost(1);
    [1_000, 1_000_000]
        .into_iter()
        .map(|tokens| {
            let many = cost(tokens);
            let what = format!("A JWT seen before, of {tokens} distinct ones: of one alone");
            Row::told(what, 100.0 * many / one, "%", &format!("{many:.0} ns over {one:.0} ns"))
        })
        .collect()
}
