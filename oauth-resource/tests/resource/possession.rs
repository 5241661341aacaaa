//! Tokens that are bound to a key, and requests that prove to have it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_core::dpop::{Nonces, ProofChecker};
use oauth_core::jose::SigningKey;
use oauth_core::{Binding, Clock as _, Sealer, Stores};
use oauth_resource::Dpop;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use crate::fixture::{Bench, NOW, RESOURCE, Reply, claims, method, rules};

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_es256);

pub(crate) fn bench(dpop: Dpop) -> Bench {
    let bench = Bench::with(|builder| builder.scopes(rules()).dpop(dpop).allow_origin("https://app.example"));
    let mut bound = claims("alice", "notes:read");
    bound.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
    bench.tokens.put("bound", bound);
    bench
}

pub(crate) fn optional() -> Bench {
    bench(Dpop::optional(ProofChecker::new().with_replay_guard(Stores::memory().replay)))
}

/// A proof for a `POST` to the resource with the bound token.
pub(crate) fn proof_with(key: &SigningKey, change: &[(&str, Value)]) -> String {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let ath = ath("bound");
    let mut claims = json!({
        "jti": NEXT.fetch_add(1, Ordering::SeqCst).to_string(), "htm": "POST", "htu": RESOURCE, "iat": NOW, "ath": ath,
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    key.sign_under(&header(key), &claims).unwrap()
}

/// What stands before a proof by this key.
pub(crate) fn header(key: &SigningKey) -> Value {
    json!({"typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": key.public_jwk().to_json()})
}

/// How a proof names a token.
pub(crate) fn ath(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(token))
}

fn sha256(text: &str) -> Vec<u8> {
    oauth_core::TokenHash::of(text).as_bytes().to_vec()
}

pub(crate) fn proof() -> String {
    proof_with(&KEY, &[])
}

pub(crate) fn request(authorization: &[&str], proofs: &[&str]) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    request.body(Full::from(method("tools/list"))).unwrap()
}

pub(crate) async fn send(bench: &Bench, authorization: &str, proof: &str) -> Reply {
    bench.send(request(&[authorization], &[proof])).await
}

#[tokio::test]
async fn whoever_proves_to_have_the_key_is_let_in_each_time_anew() {
    // DPOP-5, DPOP-6
    let bench = optional();
    assert_eq!(send(&bench, "DPoP bound", &proof()).await.status, 200);
    let seen = bench.inner.last();
    assert!(seen.headers.get("dpop").is_none() && seen.headers.get("authorization").is_none());
    assert_eq!(seen.caller.unwrap().subject().as_str(), "alice");
    // The token was seen before: it is not verified again, its proof is.
    let asked = bench.tokens.asked.load(Ordering::SeqCst);
    let again = proof();
    assert_eq!(send(&bench, "dpop bound", &again).await.status, 200);
    assert_eq!(bench.tokens.asked.load(Ordering::SeqCst), asked);
    let replayed = send(&bench, "DPoP bound", &again).await;
    assert_eq!(replayed.status, 401);
    assert!(replayed.challenge().contains(r#"error="invalid_dpop_proof""#));
    assert_eq!(
        bench.send(request(&["DPoP bound"], &[])).await.status,
        401,
        "and without one there is no way in"
    );
}

#[tokio::test]
async fn a_bad_proof_is_told_from_a_bad_token() {
    // DPOP-7, A-DPOPX-2, A-DPOPX-4, A-DPOPX-7, A-DPOPX-16
    let bench = optional();
    let other = SigningKey::generate_es256();
    for (bad, error) in [
        (proof_with(&KEY, &[("htm", json!("GET"))]), "invalid_dpop_proof"),
        (proof_with(&KEY, &[("htu", json!("https://evil.example/mcp"))]), "invalid_dpop_proof"),
        (proof_with(&KEY, &[("iat", json!(NOW - 301))]), "invalid_dpop_proof"),
        (proof_with(&KEY, &[("ath", json!("x"))]), "invalid_dpop_proof"),
        ("x.y.z".to_owned(), "invalid_dpop_proof"),
        (format!("{0},{0}", proof()), "invalid_dpop_proof"),
        (proof_with(&other, &[]), "invalid_token"),
    ] {
        let reply = send(&bench, "DPoP bound", &bad).await;
        assert_eq!(reply.status, 401);
        let challenge = reply.challenge();
        // DPOP-7, RS-31
        assert!(challenge.starts_with(&format!("DPoP error=\"{error}\"")), "{challenge}");
        assert!(challenge.contains("algs=\"ES256 "), "{challenge}");
        assert!(challenge.contains("resource_metadata="), "{challenge}");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.json()["error"], error);
    }
    // A token that nobody knows, with a proof that is good for it.
    let ath = ath("unknown");
    let reply = send(&bench, "DPoP unknown", &proof_with(&KEY, &[("ath", json!(ath))])).await;
    assert!(reply.status == 401 && reply.challenge().contains(r#"DPoP error="invalid_token""#));
    let mut forwarded =
        request(&["DPoP bound"], &[&proof_with(&KEY, &[("htu", json!("https://evil.example/mcp"))])]);
    forwarded.headers_mut().insert("x-forwarded-host", "evil.example".parse().unwrap());
    forwarded.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert_eq!(bench.send(forwarded).await.status, 401);
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_bound_token_is_none_of_a_bearer_and_an_unbound_one_proves_nothing() {
    // DPOP-11, A-DPOPX-5, A-DPOPX-6
    let bench = optional();
    for _ in 0..2 {
        for authorization in ["Bearer bound", "DPoP reader"] {
            let ath = ath("reader");
            let reply = send(&bench, authorization, &proof_with(&KEY, &[("ath", json!(ath))])).await;
            assert_eq!(reply.status, 401, "{authorization}");
            assert!(
                reply.challenge().starts_with(r#"Bearer error="invalid_token""#),
                "{}",
                reply.challenge()
            );
        }
        // Once the token is remembered, as before.
        assert_eq!(send(&bench, "DPoP bound", &proof()).await.status, 200);
        assert_eq!(bench.post("reader", &method("tools/list")).await.status, 200);
    }
    // Without proofs at all, a bound token is refused, and the scheme is none.
    let plain = Bench::new();
    let mut bound = claims("alice", "notes:read");
    bound.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
    plain.tokens.put("bound", bound);
    for authorization in ["Bearer bound", "DPoP bound"] {
        let reply = send(&plain, authorization, &proof()).await;
        assert!(reply.status == 401 && !reply.challenge().contains("DPoP"), "{authorization}");
    }
}

#[tokio::test]
async fn more_than_one_way_at_once_is_none() {
    // DPOP-1, DPOP-12, A-DPOPX-10
    let bench = optional();
    let (one, two) = (proof(), proof());
    for (authorization, proofs) in [
        (&["Bearer reader", "DPoP bound"][..], &[&*one][..]),
        (&["DPoP bound", "DPoP bound"], &[&*one]),
        (&["DPoP bound"], &[&*one, &*two]),
        (&["DPoP bound"], &[&*one, &*one]),
    ] {
        let reply = bench.send(request(authorization, proofs)).await;
        assert_eq!(reply.status, 400, "{authorization:?}");
        assert_eq!(reply.json()["error"], "invalid_request");
    }
    let mut query = request(&["DPoP bound"], &[&one]);
    *query.uri_mut() = "/mcp?access_token=bound".parse().unwrap();
    assert_eq!(bench.send(query).await.status, 400);
}

#[tokio::test]
async fn challenges_name_both_schemes_or_the_one_that_is_accepted() {
    // RS-31, DPOP-13
    let bench = optional();
    let reply = bench.send(request(&[], &[])).await;
    let place = r#"resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;
    let algs = r#"algs="ES256 EdDSA ES384 PS256 RS256""#;
    assert_eq!(
        reply.challenge(),
        format!(r#"Bearer scope="notes:read", {place}, DPoP {algs}, scope="notes:read", {place}"#)
    );
    let strict = self::bench(Dpop::required(ProofChecker::new()));
    let reply = strict.send(request(&[], &[])).await;
    assert_eq!(reply.challenge(), format!(r#"DPoP {algs}, scope="notes:read", {place}"#));
    // A good token that is bound to nobody is not enough there.
    assert_eq!(strict.post("reader", &method("tools/list")).await.status, 401);
    assert_eq!(send(&strict, "DPoP bound", &proof()).await.status, 200);
}

#[tokio::test]
async fn metadata_says_what_proofs_are_signed_with() {
    // RS-11, DPOP-19
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = bench(Dpop::required(ProofChecker::new())).get(path).await.json();
    assert_eq!(document["dpop_bound_access_tokens_required"], true);
    let algorithms = document["dpop_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.iter().all(|name| name != "none" && !name.as_str().unwrap().starts_with("HS")));
    assert!(algorithms.iter().any(|name| name == "ES256"));
    let document = optional().get(path).await.json();
    assert!(document.get("dpop_bound_access_tokens_required").is_none());
    let document = Bench::new().get(path).await.json();
    assert!(document.get("dpop_signing_alg_values_supported").is_none());
}

#[tokio::test]
async fn the_audience_counts_with_a_proof_as_without() {
    // DPOP-19
    let bench = optional();
    let mut elsewhere = claims("alice", "notes:read").with_audience(["https://other.example"]);
    elsewhere.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
    bench.tokens.put("bound", elsewhere);
    assert_eq!(send(&bench, "DPoP bound", &proof()).await.status, 401);
}

#[tokio::test]
async fn a_nonce_is_asked_for_given_and_renewed() {
    // DPOP-8, DPOP-9, DPOP-10, DPOP-21, DPOP-22
    let sealer = Arc::new(Sealer::new(&[7; 32]));
    let nonces = || Arc::new(Nonces::of_resource(sealer.clone(), &RESOURCE.parse().unwrap()));
    let bench = self::bench(Dpop::optional(ProofChecker::new().with_required_nonces(nonces())));
    let reply = send(&bench, "DPoP bound", &proof()).await;
    assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("use_dpop_nonce")));
    assert!(
        reply.challenge().starts_with("DPoP ") && reply.challenge().contains(r#"error="use_dpop_nonce""#)
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let nonce = reply.header("dpop-nonce").to_owned();

    let reply = send(&bench, "DPoP bound", &proof_with(&KEY, &[("nonce", json!(nonce))])).await;
    assert_eq!(
        (reply.status, reply.header("dpop-nonce"), reply.header("cache-control")),
        (200, &*nonce, "no-store")
    );
    // Two periods later it is over, and the answer has the next.
    bench.clock.forward(Duration::from_secs(601));
    let later = json!(bench.clock.now().as_secs());
    let reply =
        send(&bench, "DPoP bound", &proof_with(&KEY, &[("nonce", json!(nonce)), ("iat", later.clone())]))
            .await;
    assert_eq!(reply.status, 401);
    let next = reply.header("dpop-nonce").to_owned();
    assert_ne!(next, nonce);
    let fresh = proof_with(&KEY, &[("nonce", json!(next)), ("iat", later.clone())]);
    assert_eq!(send(&bench, "DPoP bound", &fresh).await.status, 200);
    // A server beside it with the same key knows it too.
    let twin = self::bench(Dpop::optional(ProofChecker::new().with_required_nonces(nonces())));
    twin.clock.forward(Duration::from_secs(601));
    let fresh = proof_with(&KEY, &[("nonce", json!(next)), ("iat", later)]);
    assert_eq!(send(&twin, "DPoP bound", &fresh).await.status, 200);
    // Bearers are not bothered.
    assert!(bench.post("reader", &method("tools/list")).await.headers.get("dpop-nonce").is_none());
    // Pages of an allowed origin may read it.
    let mut from_page = request(&["DPoP bound"], &[&proof()]);
    from_page.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    let reply = bench.send(from_page).await;
    let exposed = reply.header("access-control-expose-headers");
    assert!(exposed.contains("DPoP-Nonce") && exposed.contains("WWW-Authenticate"), "{exposed}");
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_to_wait() {
    // A-DPOPX-17
    let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay).with_max_proofs(1);
    let bench = self::bench(Dpop::optional(checker));
    assert_eq!(send(&bench, "DPoP bound", &proof()).await.status, 200);
    let refused = send(&bench, "DPoP bound", &proof()).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    assert_eq!(bench.post("reader", &method("tools/list")).await.status, 200);
}

#[tokio::test]
async fn a_proof_names_the_url_that_is_configured() {
    // DPOP-3
    let to = |htu: &str| proof_with(&KEY, &[("htu", json!(htu))]);
    let elsewhere = "https://api.example/v1/mcp";
    let fixed = bench(Dpop::optional(ProofChecker::new()).with_target(elsewhere.parse().unwrap()));
    assert_eq!(send(&fixed, "DPoP bound", &to(elsewhere)).await.status, 200);
    assert_eq!(send(&fixed, "DPoP bound", &to(RESOURCE)).await.status, 401);
    let paths = bench(Dpop::optional(ProofChecker::new()).with_path_of_request());
    let at = |path: &str, htu: &str| {
        let mut request = request(&["DPoP bound"], &[&to(htu)]);
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    assert_eq!(
        paths.send(at("/mcp/messages?session=1", "https://mcp.example/mcp/messages")).await.status,
        200
    );
    assert_eq!(paths.send(at("/mcp/messages", RESOURCE)).await.status, 401);
    // Behind a proxy that rewrites paths, the identifier is still the one.
    let rewritten = optional();
    assert_eq!(rewritten.send(at("/", RESOURCE)).await.status, 200);
}

#[tokio::test]
async fn a_proof_that_names_a_body_is_for_no_other_where_that_is_asked_for() {
    // DPOP-20
    use base64::engine::general_purpose::STANDARD;
    let strict = |is_strict: bool| {
        let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay);
        let bench = Bench::with(|builder| {
            let builder = builder.scopes(rules()).dpop(Dpop::optional(checker));
            if is_strict { builder.strict_content_digest() } else { builder }
        });
        let mut bound = claims("alice", "notes:read");
        bound.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
        bench.tokens.put("bound", bound);
        bench
    };
    let body = method("tools/list");
    let digest = |of: &str| json!(format!("sha-256=:{}:", STANDARD.encode(sha256(of))));
    let (default, strict) = (strict(false), strict(true));
    for (what, said, body, good) in [
        ("its own", Some(digest(&body)), &*body, true),
        ("nothing", None, &body, true),
        ("another", Some(digest("another")), &body, false),
        ("no digest", Some(json!("sha-256=:AAAA:")), &body, false),
        ("another hash", Some(json!("sha-512=:AAAA:")), &body, false),
        ("no text", Some(json!(1)), &body, false),
        ("no body", Some(digest("")), "", true),
        ("another than none", Some(digest("x")), "", false),
    ] {
        for (bench, is_strict) in [(&default, false), (&strict, true)] {
            // At first, and when the token is known.
            for _ in 0..2 {
                let mut request = http::Request::post("/mcp").header("authorization", "DPoP bound");
                let change = said.clone().map(|said| ("content_digest", said));
                request = request.header("dpop", proof_with(&KEY, change.as_slice()));
                let reply = bench.send(request.body(Full::<Bytes>::from(body.to_owned())).unwrap()).await;
                if good || !is_strict {
                    // An empty body is let through here alone: it needs the strictest scopes.
                    assert_eq!(reply.status, if body.is_empty() { 403 } else { 200 }, "{what}");
                } else {
                    assert_eq!(reply.status, 401, "{what}");
                    assert!(reply.challenge().starts_with(r#"DPoP error="invalid_dpop_proof""#), "{what}");
                }
            }
        }
    }
    // Without a body there is one all the same: the empty one.
    let bare = |said: &str| {
        let proof = proof_with(&KEY, &[("htm", json!("GET")), ("content_digest", digest(said))]);
        http::Request::get("/mcp").header("authorization", "DPoP bound").header("dpop", proof)
    };
    for (said, status) in [("", 200), ("x", 401)] {
        let reply = strict.send(bare(said).body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(reply.status, status, "{said}");
    }
}

#[tokio::test]
async fn a_proof_that_names_a_body_proves_nothing_where_no_body_is_seen() {
    // DPOP-20, UP-16
    use crate::fixture::{ISSUER, StandingClock, Tokens};
    use oauth_core::PeerAddress;
    use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle};
    use tower::ServiceExt as _;

    let tokens = Tokens::default();
    let mut bound = claims("alice", "notes:read");
    bound.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
    tokens.put("bound", bound);
    let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay);
    let resource = ProtectedResource::builder(RESOURCE, ISSUER)
        .scopes(rules())
        .verifier(tokens)
        .clock(Arc::new(StandingClock::default()))
        .dpop(Dpop::optional(checker))
        .strict_content_digest()
        .build()
        .unwrap();
    let verify = ForwardAuth::builder(ProxyStyle::OriginalUrl)
        .trusted_proxy("127.0.0.1")
        .resource(&resource, PathRules::new("notes:read"))
        .build()
        .unwrap();
    for (change, status) in [(&[][..], 200), (&[("content_digest", json!("sha-256=:AAAA:"))], 401)] {
        let request = Request::get("/verify")
            .header("x-original-url", RESOURCE)
            .header("x-original-method", "POST")
            .header("authorization", "DPoP bound")
            .header("dpop", proof_with(&KEY, change))
            .extension(PeerAddress("127.0.0.1".parse().unwrap()));
        let answer = verify.clone().oneshot(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
    }
}
