//! The same tokens, read by another library: whatever we accept it accepts, and what we sign it verifies.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use std::sync::LazyLock;

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use oauth_core::jose::{Algorithm, ClaimSet, ClaimsFault, HmacAlgorithm, HmacKey, JwkSet, Jws, SigningKey};
use proptest::prelude::*;
use serde_json::{Map, Value};

struct Pair {
    ours: SigningKey,
    set: JwkSet,
    algorithm: jsonwebtoken::Algorithm,
    signs: EncodingKey,
    verifies: DecodingKey,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let keys = [SigningKey::generate_es256(), SigningKey::generate_ed25519(), SigningKey::generate_rs256()];
    keys.into_iter()
        .map(|ours| {
            let der = ours.to_pkcs8().unwrap();
            let jwk: jsonwebtoken::jwk::Jwk =
                serde_json::from_value(ours.public_jwk().to_json().into()).unwrap();
            let (algorithm, signs) = match ours.algorithm() {
                Algorithm::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_der(&der)),
                Algorithm::EdDsa => (jsonwebtoken::Algorithm::EdDSA, EncodingKey::from_ed_der(&der)),
                // It wants the key without its wrapping of PKCS#8: 26 bytes for 2048 bits.
                _ => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_der(&der[26..])),
            };
            let set = JwkSet::of([ours.public_jwk().clone()], &Algorithm::ALL);
            Pair { set, algorithm, signs, verifies: DecodingKey::from_jwk(&jwk).unwrap(), ours }
        })
        .collect()
});

fn lenient(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let texts = prop::collection::btree_map("[a-z_]{1,8}", "\\PC{0,24}", 0..8);
    (texts, prop::option::of(0..i64::MAX as u64), prop::option::of("\\PC{0,24}")).prop_map(
        |(texts, exp, sub)| {
            let mut claims: Map<String, Value> = texts
                .into_iter()
                // Those that must not be texts.
                .filter(|(name, _)| !["exp", "nbf", "iat", "auth_time"].contains(&name.as_str()))
                .map(|(name, text)| (name, text.into()))
                .collect();
            claims.extend(exp.map(|exp| ("exp".to_owned(), exp.into())));
            claims.extend(sub.map(|sub| ("sub".to_owned(), sub.into())));
            claims
        },
    )
}

/// Members of payloads, good ones and bad ones, each as it may stand there.
fn any_member() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "iss",
        "sub",
        "jti",
        "client_id",
        "exp",
        "nbf",
        "iat",
        "auth_time",
        "aud",
        "scope",
        "x",
        "",
        r"s\u0075b",
        "ö",
    ];
    #[rustfmt::skip]
    const VALUES: &[&str] = &[
        r#""a""#, "\"\"", r#""a b""#, r#""ö""#, r#""a\"b""#, r#""\u0061""#, r#""\ud800""#, "\"\t\"", "\"\u{7f}\"", "\"a", "\"a\\",
        "0", "1", "01", "-1", "1.5", "1e3", "1700000000", "999999999999999999", "9223372036854775807", "9223372036854775808", "1 ",
        "true", "false", "null", "tru", "truer", "[]", r#"["a"]"#, r#"["a","b"]"#, r#"["a",]"#, r#"["a" ,"b"]"#, r#"["a",1]"#,
        r#"["a""b"]"#, r#"["a" "b"]"#, "[\"a\"", r#"[["a"]]"#, "[1]", "{}", r#"{"a":1}"#, "",
    ];
    const COLONS: &[&str] = &[":", ":", ":", ":", ":", ":", " :", ": ", "", ","];
    const COMMAS: &[&str] = &[",", ",", ",", ",", ",", ",", " ,", ", ", " ", ""];
    let [names, colons, values, commas] = [NAMES, COLONS, VALUES, COMMAS].map(prop::sample::select);
    (commas, names, colons, values)
        .prop_map(|(comma, name, colon, value)| format!("{comma}\"{name}\"{colon}{value}"))
}

/// All that is told of claims.
fn told(read: Result<ClaimSet<'_>, ClaimsFault>) -> Option<String> {
    let claims = read.ok()?;
    let dates = [claims.expires_at, claims.not_before, claims.issued_at, claims.auth_time];
    let texts = [&claims.issuer, &claims.subject, &claims.id, &claims.client_id, &claims.scope];
    let others: Vec<_> = claims.others().map(|name| (name, claims.value(name), claims.text(name))).collect();
    Some(format!("{dates:?} {texts:?} {:?} {others:?}", claims.audience))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// With white space in front a text is read by serde_json, without it what is plain is read the short way.
    #[test]
    fn what_is_written_plainly_is_read_as_serde_json_reads_it(
        members in prop::collection::vec(any_member(), 0..5),
        end in prop::sample::select(&["}", "}", "}", "}", "}", "", "]", "} ", "}}", ",}", "}\0"][..]),
    ) {
        // RS-47, RS-50, RS-55
        let members = members.concat();
        let text = format!("{{{}{end}", members.strip_prefix(',').unwrap_or(&members));
        let spaced = format!(" {text}");
        prop_assert_eq!(told(ClaimSet::parse(text.as_bytes())), told(ClaimSet::parse(spaced.as_bytes())), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_we_sign_others_verify_and_read_alike(claims in any_claims(), which in 0..3_usize) {
        let pair = &PAIRS[which];
        let token = pair.ours.sign("at+jwt", &claims).unwrap();
        let read = jsonwebtoken::decode::<Map<String, Value>>(&token, &pair.verifies, &lenient(pair.algorithm)).unwrap();
        prop_assert_eq!(&read.claims, &claims);
        let jws = Jws::parse(&token).unwrap();
        let said = jws.claims().unwrap();
        prop_assert_eq!(said.subject.as_deref(), claims.get("sub").and_then(Value::as_str));
    }

    #[test]
    fn what_others_sign_we_verify_and_read_alike(claims in any_claims(), which in 0..3_usize) {
        let pair = &PAIRS[which];
        let mut header = Header::new(pair.algorithm);
        header.kid = Some(pair.ours.kid().to_owned());
        let token = jsonwebtoken::encode(&header, &claims, &pair.signs).unwrap();
        let jws = Jws::parse(&token).unwrap();
        prop_assert!(pair.set.verify(&jws, |typ| typ == Some("JWT")).is_ok());
        let said = jws.claims().unwrap();
        prop_assert_eq!(said.expires_at.map(|date| date.secs()), claims.get("exp").and_then(Value::as_u64));
        for name in said.others() {
            let text = said.text(name).unwrap().unwrap();
            prop_assert_eq!(Some(&*text), claims[name].as_str());
        }
    }

    #[test]
    fn what_is_changed_anywhere_nobody_accepts(claims in any_claims(), which in 0..3_usize, at in any::<prop::sample::Index>(), byte in b'!'..b'~') {
        let pair = &PAIRS[which];
        let mut token = pair.ours.sign("at+jwt", &claims).unwrap().into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != byte);
        token[at] = byte;
        let token = String::from_utf8(token).unwrap();
        let accepted = Jws::parse(&token).is_ok_and(|jws| pair.set.verify(&jws, |_| true).is_ok());
        prop_assert!(!accepted, "{}", token);
    }

    #[test]
    fn shared_secrets_are_shared(claims in any_claims(), secret in prop::array::uniform32(any::<u8>())) {
        let key = HmacKey::new(HmacAlgorithm::Hs256, &secret).unwrap();
        let token = key.sign("at+jwt", &claims).unwrap();
        let other = DecodingKey::from_secret(&secret);
        prop_assert!(jsonwebtoken::decode::<Value>(&token, &other, &lenient(jsonwebtoken::Algorithm::HS256)).is_ok());
        let theirs = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &claims, &EncodingKey::from_secret(&secret)).unwrap();
        prop_assert!(key.verify(&Jws::parse(&theirs).unwrap(), |_| true).is_ok());
    }
}
