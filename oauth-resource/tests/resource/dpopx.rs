//! Attacks on proofs of possession, each under its id, as the resource sees them.

use oauth_core::Stores;
use oauth_core::dpop::ProofChecker;
use oauth_core::jose::{HmacAlgorithm, HmacKey, SigningKey};
use oauth_resource::Dpop;
use serde_json::{Value, json};

use crate::fixture::{NOW, RESOURCE, claims};
use crate::possession::{KEY, ath, bench, header, optional, proof, proof_with, request, send};

/// Whoever sends one of these is refused, and told what by; and a good one is taken all the same.
async fn refuses(proofs: impl IntoIterator<Item = (&'static str, String)>) {
    let bench = optional();
    for (what, proof) in proofs {
        let reply = send(&bench, "DPoP bound", &proof).await;
        assert_eq!(reply.status, 401, "{what}");
        assert!(reply.challenge().contains(r#"error="invalid_dpop_proof""#), "{what}: {}", reply.challenge());
    }
    assert_eq!(bench.inner.count(), 0);
    assert_eq!(send(&bench, "DPoP bound", &proof()).await.status, 200);
}

#[tokio::test]
async fn a_dpopx_2_a_proof_for_something_else() {
    // DPOP-3
    let to = |htu: &str| proof_with(&KEY, &[("htu", json!(htu))]);
    refuses([
        ("another method", proof_with(&KEY, &[("htm", json!("GET"))])),
        ("another case", proof_with(&KEY, &[("htm", json!("post"))])),
        ("another path", to("https://mcp.example/other")),
        ("a path below", to("https://mcp.example/mcp/x")),
        ("a slash more", to("https://mcp.example/mcp/")),
        ("another host", to("https://evil.example/mcp")),
        ("in the clear", to("http://mcp.example/mcp")),
        ("another port", to("https://mcp.example:8443/mcp")),
        ("no place", proof_with(&KEY, &[("htu", Value::Null)])),
        ("a list of places", proof_with(&KEY, &[("htu", json!([RESOURCE]))])),
    ])
    .await;
    // Query and fragment say nothing by the rule, and the spelling of a host neither.
    for same in ["https://mcp.example/mcp?a=b", "https://mcp.example/mcp#x", "HTTPS://MCP.example:443/mcp"] {
        assert_eq!(send(&optional(), "DPoP bound", &to(same)).await.status, 200, "{same}");
    }
}

#[tokio::test]
async fn a_dpopx_4_a_proof_of_another_time() {
    // DPOP-4
    let at = |iat: Value| proof_with(&KEY, &[("iat", iat)]);
    refuses([
        ("old", at(json!(NOW - 301))),
        ("of the day before", at(json!(NOW - 86_400))),
        ("to come", at(json!(NOW + 301))),
        ("of tomorrow", at(json!(NOW + 86_400))),
        ("a text", at(json!(NOW.to_string()))),
        ("none", at(Value::Null)),
        ("before the beginning", at(json!(-1))),
    ])
    .await;
    for good in [NOW - 299, NOW + 299] {
        assert_eq!(send(&optional(), "DPoP bound", &at(json!(good))).await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn a_dpopx_6_a_token_that_is_bound_to_nobody() {
    // DPOP-11
    let bench = optional();
    let good_for_it = proof_with(&KEY, &[("ath", json!(ath("reader")))]);
    let reply = send(&bench, "DPoP reader", &good_for_it).await;
    assert_eq!((reply.status, bench.inner.count()), (401, 0));
    assert!(reply.challenge().contains(r#"error="invalid_token""#));
}

#[tokio::test]
async fn a_dpopx_7_a_proof_by_another_key() {
    // DPOP-5
    let bench = optional();
    for thief in [SigningKey::generate_es256(), SigningKey::generate_ed25519()] {
        let reply = send(&bench, "DPoP bound", &proof_with(&thief, &[])).await;
        assert_eq!((reply.status, bench.inner.count()), (401, 0));
        // To whose key the token is bound is not told.
        assert!(reply.challenge().contains(r#"error="invalid_token""#));
    }
}

#[tokio::test]
async fn a_dpopx_8_a_proof_that_anybody_can_make() {
    // DPOP-2
    let body = json!({"jti": "x", "htm": "POST", "htu": RESOURCE, "iat": NOW, "ath": ath("bound")});
    let secret = HmacKey::new(HmacAlgorithm::Hs256, &[7; 32]).unwrap();
    let unsigned = |alg: &str| {
        let mut header = header(&KEY);
        header["alg"] = alg.into();
        KEY.sign_under(&header, &body).unwrap()
    };
    let without_signature = |proof: String| format!("{}.", proof.rsplit_once('.').unwrap().0);
    refuses([
        ("a shared secret", secret.sign("dpop+jwt", &body).unwrap()),
        ("HS256 in name", unsigned("HS256")),
        ("none", without_signature(unsigned("none"))),
        ("None", without_signature(unsigned("None"))),
        ("no signature", without_signature(proof())),
    ])
    .await;
}

#[tokio::test]
async fn a_dpopx_9_a_private_key_in_the_open() {
    // DPOP-2
    let with = |member: &str, value: Value| {
        let mut header = header(&KEY);
        header["jwk"][member] = value;
        let body = json!({"jti": member, "htm": "POST", "htu": RESOURCE, "iat": NOW, "ath": ath("bound")});
        KEY.sign_under(&header, &body).unwrap()
    };
    refuses([
        ("d", with("d", json!("AAAA"))),
        ("an empty d", with("d", json!(""))),
        ("oct", with("kty", json!("oct"))),
        ("k", with("k", json!("AAAA"))),
    ])
    .await;
}

#[tokio::test]
async fn a_dpopx_10_two_proofs() {
    // DPOP-1
    let bench = optional();
    let (good, evil) = (proof(), proof_with(&SigningKey::generate_es256(), &[]));
    for pair in [[&*good, &*evil], [&*evil, &*good], [&*good, &*good]] {
        assert_eq!(bench.send(request(&["DPoP bound"], &pair)).await.status, 400);
        let joined = send(&bench, "DPoP bound", &pair.join(",")).await;
        assert_eq!(joined.status, 401);
    }
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_dpopx_11_something_else_that_the_key_signed() {
    let body = json!({"jti": "x", "htm": "POST", "htu": RESOURCE, "iat": NOW, "ath": ath("bound")});
    let typed = |typ: &str| {
        let mut header = header(&KEY);
        header["typ"] = typ.into();
        KEY.sign_under(&header, &body).unwrap()
    };
    refuses([
        ("an access token", typed("at+jwt")),
        ("an id token", typed("JWT")),
        ("an assertion", typed("client-authentication+jwt")),
        ("another case", typed("application/dpop+json")),
        ("no type", {
            let mut header = header(&KEY);
            header.as_object_mut().unwrap().remove("typ");
            KEY.sign_under(&header, &body).unwrap()
        }),
    ])
    .await;
}

#[tokio::test]
async fn a_dpopx_16_a_place_that_the_client_names() {
    // RS-80
    let bench = optional();
    let evil = || proof_with(&KEY, &[("htu", json!("https://evil.example/mcp"))]);
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "https://evil.example/mcp"),
    ] {
        let mut request = request(&["DPoP bound"], &[&evil()]);
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(bench.send(request).await.status, 401, "{name}");
    }
    let mut absolute = request(&["DPoP bound"], &[&evil()]);
    *absolute.uri_mut() = "https://evil.example/mcp".parse().unwrap();
    assert_eq!(bench.send(absolute).await.status, 401);
    assert_eq!(bench.inner.count(), 0);
}

#[tokio::test]
async fn a_dpopx_17_a_memory_that_is_filled_up() {
    // DPOP-6
    let checker = ProofChecker::new().with_replay_guard(Stores::memory().replay).with_max_proofs(5);
    let bench = bench(Dpop::optional(checker));
    let first = proof();
    assert_eq!(send(&bench, "DPoP bound", &first).await.status, 200);
    let mut outcomes = Vec::new();
    for n in 0..20 {
        let long = json!(format!("{n}{}", "x".repeat(200)));
        outcomes.push(send(&bench, "DPoP bound", &proof_with(&KEY, &[("jti", long)])).await.status);
    }
    assert_eq!(outcomes.iter().filter(|status| **status == 200).count(), 4, "{outcomes:?}");
    assert!(outcomes[4..].iter().all(|status| *status == 429), "{outcomes:?}");
    // What was used before stays used: a full memory forgets nothing.
    assert_ne!(send(&bench, "DPoP bound", &first).await.status, 200);
    // A name of 1 KiB is none; and whoever has another key goes on.
    let other = SigningKey::generate_es256();
    let mut theirs = claims("bob", "notes:read");
    theirs.binding = oauth_core::Binding::Dpop(other.public_jwk().thumbprint());
    bench.tokens.put("theirs", theirs);
    let of_theirs = |jti: &str| proof_with(&other, &[("ath", json!(ath("theirs"))), ("jti", json!(jti))]);
    assert_eq!(send(&bench, "DPoP theirs", &of_theirs(&"x".repeat(1024))).await.status, 401);
    assert_eq!(send(&bench, "DPoP theirs", &of_theirs("short")).await.status, 200);
}
