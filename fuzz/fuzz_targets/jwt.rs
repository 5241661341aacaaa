//! What is read of a token is what any reader of JSON reads of it; what is changed in a signed one is noticed.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use oauth_core::jose::{Algorithm, ClaimSet, JwkSet, Jws, MAX_KID, SigningKey};
use serde_json::Value;

static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_ed25519);
static SET: LazyLock<JwkSet> = LazyLock::new(|| JwkSet::of([KEY.public_jwk().clone()], &Algorithm::ALL));

// A header, a line break, a payload; and the same text as a token.
fuzz_target!(|text: &str| {
    if let Ok(jws) = Jws::parse(text) {
        assert_eq!(text.split('.').count(), 3);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let (header, rest) = text.split_once('.').expect("it has three");
        assert!(rest.bytes().all(plain));
        // The header is decoded once it is asked for.
        assert!(jws.header().is_err() || header.bytes().all(plain));
        let encoded = text.split('.').nth(1).expect("it has three");
        assert_eq!(URL_SAFE_NO_PAD.encode(jws.payload()), encoded, "one text for each payload");
        assert!(SET.verify(&jws, |_| true).is_err(), "nobody has the key");
    }
    let (header, payload) = text.split_once('\n').unwrap_or((r#"{"alg":"EdDSA"}"#, text));
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let token = format!("{}.{}.AA", encode(header), encode(payload));
    let Ok(jws) = Jws::parse(&token) else { return };
    if let Ok(read) = jws.header() {
        let plain: Value = serde_json::from_str(header).expect("it was read as json");
        assert_eq!(plain["alg"], *read.alg);
        assert_eq!(plain.get("kid").and_then(Value::as_str), read.kid.as_deref());
        assert_eq!(plain.get("typ").and_then(Value::as_str), read.typ.as_deref());
        assert!(read.kid.is_none_or(|kid| kid.len() <= MAX_KID));
        for refused in ["crit", "b64", "zip", "enc"] {
            assert!(plain.get(refused).is_none());
        }
    }
    // With a space in front it is read by serde_json, whatever it is.
    let spaced = format!(" {payload}");
    assert_eq!(jws.claims().is_ok(), ClaimSet::parse(spaced.as_bytes()).is_ok());
    if let Ok(claims) = jws.claims() {
        let plain: Value = serde_json::from_str(payload).expect("it was read as json");
        let members = plain.as_object().expect("claims are an object");
        assert_eq!(plain.get("sub").and_then(Value::as_str), claims.subject.as_deref());
        assert_eq!(plain.get("iss").and_then(Value::as_str), claims.issuer.as_deref());
        for (name, date) in
            [("exp", claims.expires_at), ("nbf", claims.not_before), ("iat", claims.issued_at)]
        {
            assert_eq!(plain.get(name).is_some(), date.is_some());
            assert!(date.is_none_or(|date| date.secs() <= i64::MAX as u64));
        }
        let audience: Vec<&str> = match plain.get("aud") {
            Some(Value::Array(all)) => all.iter().map(|one| one.as_str().expect("only texts")).collect(),
            Some(one) => vec![one.as_str().expect("a text")],
            None => Vec::new(),
        };
        assert_eq!(claims.audience, audience);
        for name in claims.others() {
            if let Some(Ok(value)) = claims.value(name) {
                assert_eq!(members.get(name), Some(&value));
            }
        }
    }
});
