//! Attacks on signed tokens, each under its id: what is forged, and that nobody takes it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::Timestamp;
use oauth_core::fetch::{Fetched, StaticFetch};
use oauth_core::jose::{HmacAlgorithm, HmacKey, SigningKey};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use serde_json::{Value, json};

use crate::fixture::{
    ISSUER, JWKS, KEY, NOW, RESOURCE, RSA, accepts, ask, claims, jwks, refused, sign, trusted, verifier,
    with, without,
};

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// Refuses all of them, and still takes a good one.
async fn refuses(tokens: impl IntoIterator<Item = String>) {
    let verifier = verifier(trusted());
    for token in tokens {
        assert!(refused(&ask(&verifier, &token).await), "{token:.200}");
    }
    assert!(accepts(&verifier, &claims()).await);
}

#[tokio::test]
async fn a_jwt_1_no_spelling_of_none_is_an_algorithm() {
    // RS-42
    let unsigned = ["none", "None", "NONE", "nOnE", "", "null"].map(|alg| {
        let header = encode(&json!({"alg": alg, "typ": "at+jwt"}));
        format!("{header}.{}.", encode(&claims()))
    });
    refuses(unsigned).await;
    let signed =
        ["none", "noNE"].map(|alg| KEY.sign_under(&json!({"alg": alg, "typ": "at+jwt"}), &claims()).unwrap());
    refuses(signed).await;
}

#[tokio::test]
async fn a_jwt_2_a_public_key_is_no_shared_secret() {
    // RS-42
    let published = jwks(&[&RSA]);
    let modulus =
        serde_json::from_str::<Value>(&published).unwrap()["keys"][0]["n"].as_str().unwrap().to_owned();
    let forged = [published.into_bytes(), modulus.into_bytes()].map(|secret| {
        HmacKey::new(HmacAlgorithm::Hs256, &secret).unwrap().sign("at+jwt", &claims()).unwrap()
    });
    refuses(forged).await;
}

#[tokio::test]
async fn a_jwt_3_a_key_verifies_with_its_own_algorithms_alone() {
    // RS-42, RS-43
    let header = |alg: &str, key: &SigningKey| json!({"alg": alg, "typ": "at+jwt", "kid": key.kid()});
    let mut tokens = Vec::new();
    for alg in ["ES384", "RS256", "PS256", "EdDSA", "ES256K", "es256", "ES512"] {
        tokens.push(KEY.sign_under(&header(alg, &KEY), &claims()).unwrap());
    }
    // The key says RS256: with PSS or another hash it is not used, though it could be.
    for alg in ["PS256", "RS384", "RS512", "RS1", "HS256"] {
        tokens.push(RSA.sign_under(&header(alg, &RSA), &claims()).unwrap());
    }
    refuses(tokens).await;
    let only_rsa = verifier(trusted().with_algorithms([oauth_core::jose::Algorithm::Rs256]));
    assert!(!accepts(&only_rsa, &claims()).await);
    assert!(ask(&only_rsa, &RSA.sign("at+jwt", &claims()).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_jwt_3_both_names_of_ed25519_are_read() {
    // RS-59
    let key = SigningKey::generate_ed25519();
    let verifier = verifier(TrustedIssuer::new(ISSUER).with_jwks(&jwks(&[&key])));
    for alg in ["EdDSA", "Ed25519"] {
        let token = key.sign_under(&json!({"alg": alg, "typ": "at+jwt"}), &claims()).unwrap();
        assert!(ask(&verifier, &token).await.is_ok(), "{alg}");
    }
}

#[tokio::test]
async fn a_jwt_6_a_kid_is_a_name_and_nothing_else() {
    let long = "k".repeat(600);
    let kids = [
        json!("../../dev/null"),
        json!("' OR 1=1--"),
        json!("|id"),
        json!(""),
        json!(7),
        json!(null),
        json!(["a"]),
        json!(long),
    ];
    let tokens = kids
        .map(|kid| KEY.sign_under(&json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}), &claims()).unwrap());
    refuses(tokens).await;
}

#[tokio::test]
async fn a_jwt_8_critical_extensions_are_refused() {
    // RS-44
    let tokens = [
        json!({"crit": ["x"], "x": 1}),
        json!({"crit": []}),
        json!({"crit": ["alg"]}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"b64": false}),
    ]
    .map(|mut header| {
        header["alg"] = "ES256".into();
        header["typ"] = "at+jwt".into();
        KEY.sign_under(&header, &claims()).unwrap()
    });
    refuses(tokens).await;
}

#[tokio::test]
async fn a_jwt_11_a_member_stands_once() {
    // RS-55
    let good = json!({"alg": "ES256", "typ": "at+jwt"}).to_string();
    let payload = claims().to_string();
    let doubled = |text: &str, more: &str| format!("{{{more},{}", &text[1..]);
    let texts = [
        (doubled(&good, r#""alg":"none""#), payload.clone()),
        (doubled(&good, r#""kid":"a","kid":"b""#), payload.clone()),
        (good.clone(), doubled(&payload, r#""aud":"https://other.example""#)),
        (good.clone(), doubled(&payload, r#""exp":1"#)),
        (good.clone(), doubled(&payload, r#""\u0073ub":"root""#)),
        (good.clone(), doubled(&payload, r#""other":1,"other":2"#)),
        (good.clone(), doubled(&payload, r#""cnf":{"jkt":"a","jkt":"b"}"#)),
    ];
    refuses(texts.map(|(header, payload)| KEY.sign_texts(&header, &payload))).await;
    let sane = KEY.sign_texts(&good, &payload);
    assert!(ask(&verifier(trusted()), &sane).await.is_ok());
}

/// Signs texts as they stand.
trait SignTexts {
    fn sign_texts(&self, header: &str, payload: &str) -> String;
}

impl SignTexts for SigningKey {
    fn sign_texts(&self, header: &str, payload: &str) -> String {
        let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        self.sign_under(&raw(header), &raw(payload)).unwrap()
    }
}

#[tokio::test]
async fn a_jwt_12_whoever_forges_a_signature_forges_nothing() {
    let token = sign(&claims());
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let header = rest.split_once('.').unwrap().0;
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    let other = sign(&with("sub", "root"));
    refuses([
        format!("{rest}."),
        format!("{rest}.{zeros}"),
        format!("{rest}.{}", URL_SAFE_NO_PAD.encode(flipped)),
        format!("{rest}.{}", &signature[..40]),
        format!("{header}.{}.{signature}", encode(&with("sub", "root"))),
        format!("{rest}.{}", other.rsplit_once('.').unwrap().1),
        SigningKey::generate_es256().sign("at+jwt", &claims()).unwrap(),
    ])
    .await;
}

trait Twist {
    fn pop_and_twist(&self) -> String;
}

impl Twist for String {
    fn pop_and_twist(&self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (rest, last) = self.split_at(self.len() - 1);
        let at = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).unwrap();
        format!("{rest}{}", char::from(ALPHABET[at ^ 1]))
    }
}

#[tokio::test]
async fn a_jwt_17_size_is_bounded_before_anything_is_decoded() {
    let many: serde_json::Map<String, Value> = (0..100_000).map(|n| (format!("c{n}"), json!(1))).collect();
    let members = with("x", Value::Object((0..200).map(|n| (format!("c{n}"), json!(1))).collect()));
    let wide: Value = members["x"]
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .chain(claims().as_object().unwrap().clone())
        .collect::<serde_json::Map<_, _>>()
        .into();
    refuses([
        "a".repeat(10 * 1024 * 1024),
        sign(&with("x", "a".repeat(10 * 1024 * 1024))),
        sign(&Value::Object(many)),
        sign(&wide),
    ])
    .await;
    // Depth within the size: no stack is overrun, and what nobody reads harms nobody.
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    let payload = claims().to_string().replace("{\"", &format!("{{\"x\":{deep},\""));
    let token = KEY.sign_texts(r#"{"alg":"ES256","typ":"at+jwt"}"#, &payload);
    assert!(ask(&verifier(trusted()), &token).await.is_ok());
    let read = verifier(trusted().with_kept_claims(["x"]));
    assert!(refused(&ask(&read, &token).await), "where it is read, its depth is bounded");
}

#[tokio::test]
async fn a_jwt_23_a_key_of_one_issuer_vouches_for_no_other() {
    // RS-46
    let theirs = SigningKey::generate_es256();
    let mut stolen = theirs.public_jwk().to_json();
    // They publish a key under our key's name.
    stolen.insert("kid".to_owned(), KEY.kid().into());
    let both = JwtVerifier::builder(RESOURCE)
        .issuer(trusted())
        .issuer(TrustedIssuer::new("https://other.example").with_jwks(&json!({"keys": [stolen]}).to_string()))
        .build()
        .unwrap();
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid()});
    assert!(refused(&ask(&both, &theirs.sign_under(&header, &claims()).unwrap()).await));
    let own = theirs.sign_under(&header, &with("iss", "https://other.example")).unwrap();
    assert_eq!(&*ask(&both, &own).await.unwrap().issuer, "https://other.example");
    assert!(accepts(&both, &claims()).await);
}

/// A token that brings this header along, signed by a key of the attacker's.
fn by_a_key_of_ones_own(own: &SigningKey, mut header: Value) -> String {
    header["alg"] = "ES256".into();
    header["typ"] = "at+jwt".into();
    own.sign_under(&header, &claims()).unwrap()
}

#[tokio::test]
async fn a_jwt_4_a_key_in_the_header() {
    // RS-45
    let own = SigningKey::generate_es256();
    let jwk = own.public_jwk().to_json();
    let headers =
        [json!({"jwk": jwk}), json!({"kid": own.kid(), "jwk": jwk}), json!({"kid": KEY.kid(), "jwk": jwk})];
    refuses(headers.map(|header| by_a_key_of_ones_own(&own, header))).await;
}

#[tokio::test]
async fn a_jwt_5_the_address_of_a_key() {
    // RS-45
    let own = SigningKey::generate_es256();
    let evil = "https://evil.example/jwks";
    // The attacker's key is where the header says: nobody goes there.
    let fetch = Arc::new(
        StaticFetch::new().with(JWKS, Fetched::json(jwks(&[&KEY]))).with(evil, Fetched::json(jwks(&[&own]))),
    );
    let issuer = TrustedIssuer::new(ISSUER).with_jwks_url(JWKS);
    let verifier = JwtVerifier::builder(RESOURCE).issuer(issuer).fetch(fetch.clone()).build().unwrap();
    for header in [
        json!({"jku": evil}),
        json!({"jku": evil, "kid": own.kid()}),
        json!({"jku": evil, "kid": KEY.kid()}),
        json!({"x5u": "http://169.254.169.254/"}),
    ] {
        assert!(refused(&ask(&verifier, &by_a_key_of_ones_own(&own, header)).await));
    }
    assert!(fetch.requests().iter().all(|request| request.url.as_str() == JWKS));
    // Beside a good signature it says nothing.
    let ignored = json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid(), "jku": evil});
    assert!(ask(&verifier, &KEY.sign_under(&ignored, &claims()).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_jwt_7_a_certificate_of_ones_own() {
    // RS-45
    let own = SigningKey::generate_es256();
    let headers = [
        json!({"x5c": ["MIIB"]}),
        json!({"x5c": ["MIIB"], "kid": KEY.kid()}),
        json!({"x5c": [], "x5t": "AA"}),
    ];
    refuses(headers.map(|header| by_a_key_of_ones_own(&own, header))).await;
}

#[tokio::test]
async fn a_jwt_9_an_id_token_is_no_access_token() {
    // RS-41
    let id_tokens = |audience: Value| {
        ["JWT", "id_token", ""].map(|typ| KEY.sign(typ, &with("aud", audience.clone())).unwrap())
    };
    refuses(id_tokens(json!("app"))).await;
    refuses(id_tokens(json!(RESOURCE))).await;
    refuses(id_tokens(json!(["app", RESOURCE]))).await;
    refuses([KEY.sign_under(&json!({"alg": "ES256", "kid": KEY.kid()}), &claims()).unwrap()]).await;
    // Where an issuer has no type of its own for access tokens, the audience tells it apart even so.
    let plain = verifier(trusted().with_plain_jwt_type());
    for (audience, good) in
        [(json!(RESOURCE), true), (json!("app"), false), (json!(["app", RESOURCE]), false)]
    {
        let token = KEY.sign("JWT", &with("aud", audience.clone())).unwrap();
        assert_eq!(ask(&plain, &token).await.is_ok(), good, "{audience}");
    }
}

#[tokio::test]
async fn a_jwt_10_tokens_of_other_kinds() {
    // RS-41
    let kinds = [
        "oauth-id-jag+jwt",
        "logout+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "text/at+jwt",
    ];
    refuses(kinds.map(|typ| KEY.sign(typ, &claims()).unwrap())).await;
    let plain = verifier(trusted().with_plain_jwt_type());
    for typ in kinds {
        assert!(refused(&ask(&plain, &KEY.sign(typ, &claims()).unwrap()).await), "{typ}");
    }
    for typ in ["JWT", "application/jwt", "at+jwt", "Application/AT+JWT"] {
        assert!(ask(&plain, &KEY.sign(typ, &claims()).unwrap()).await.is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn a_jwt_13_a_token_for_ever() {
    // RS-50
    let strict = verifier(trusted());
    for exp in [
        "9223372036854775808",
        "18446744073709551616",
        "1e400",
        "-1",
        "\"9999999999\"",
        "1700000600.5",
        "1.7e9",
        "null",
        "[1]",
    ] {
        let payload =
            claims().to_string().replace(&format!("\"exp\":{}", NOW + 600), &format!("\"exp\":{exp}"));
        let token = KEY.sign_texts(r#"{"alg":"ES256","typ":"at+jwt"}"#, &payload);
        assert!(payload.contains(exp) && refused(&ask(&strict, &token).await), "{exp}");
    }
    // No overflow; the lifetime is bounded where that is asked for.
    let forever = with("exp", i64::MAX);
    assert_eq!(ask(&strict, &sign(&forever)).await.unwrap().expires_at, Timestamp::MAX);
    let bounded = verifier(trusted().with_max_lifetime(Duration::from_secs(3600)));
    assert!(!accepts(&bounded, &forever).await && accepts(&bounded, &claims()).await);
}

#[tokio::test]
async fn a_jwt_14_dates_that_are_none_or_to_come() {
    // RS-50, RS-51
    let strict = verifier(trusted());
    for (name, value) in [
        ("iat", json!(-1)),
        ("iat", json!(NOW + 3600)),
        ("iat", json!("1700000000")),
        ("nbf", json!(NOW + 3600)),
        ("nbf", json!("1")),
        ("auth_time", json!("yesterday")),
        ("exp", json!(NOW - 3600)),
    ] {
        assert!(!accepts(&strict, &with(name, value.clone())).await, "{name} {value}");
    }
    let fractional = verifier(trusted().with_fractional_dates());
    assert!(accepts(&fractional, &with("iat", NOW as f64 - 0.5)).await);
}

#[tokio::test]
async fn a_jwt_15_no_end() {
    // RS-50: whatever else need not be there.
    use oauth_resource::RequiredClaim::{ClientId, IssuedAt, TokenId};
    for trusted in
        [trusted(), trusted().with_plain_jwt_type().without_required([ClientId, IssuedAt, TokenId])]
    {
        let verifier = verifier(trusted);
        assert!(!accepts(&verifier, &without("exp")).await);
        assert!(accepts(&verifier, &claims()).await);
    }
}

#[tokio::test]
async fn a_jwt_16_tokens_in_tokens_and_what_is_to_be_unpacked() {
    // RS-56
    let bomb = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_648_u64});
    let header = |more: Value| {
        let mut header = json!({"alg": "ES256", "typ": "at+jwt"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        KEY.sign_under(&header, &claims()).unwrap()
    };
    refuses([
        format!("{}.a.b.c.d", encode(&bomb)),
        format!("{}.a.b.c.d", encode(&json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}))),
        header(json!({"cty": "JWT"})),
        header(json!({"zip": "DEF"})),
        // One in the other.
        KEY.sign_under(
            &json!({"alg": "ES256", "typ": "at+jwt", "cty": "JWT"}),
            &json!({"token": sign(&claims())}),
        )
        .unwrap(),
    ])
    .await;
}

#[tokio::test]
async fn a_jwt_18_signatures_as_json() {
    // RS-54
    let token = sign(&claims());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let flattened = json!({"payload": payload, "protected": header, "signature": signature});
    let general = json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});
    refuses([flattened.to_string(), general.to_string(), URL_SAFE_NO_PAD.encode(flattened.to_string())])
        .await;
}

#[tokio::test]
async fn a_jwt_19_other_spellings_of_one_token() {
    // RS-54
    let token = sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    refuses([
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}="),
        format!("{token}=="),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{}+", &token[..token.len() - 1]),
        format!("{}.\n{}.{}", parts[0], parts[1], parts[2]),
        parts[..2].join("."),
        String::new(),
    ])
    .await;
    // The last character of a signature has two bits that stand for nothing: only one spelling is a token.
    let last = token.pop_and_twist();
    assert_ne!(last, token);
    refuses([last]).await;
}

#[tokio::test]
async fn a_jwt_21_keys_for_something_else() {
    // RS-43
    let token = sign(&claims());
    for (member, value, good) in [
        ("use", json!("enc"), false),
        ("use", json!("sig"), true),
        ("key_ops", json!(["encrypt"]), false),
        ("key_ops", json!(["verify"]), true),
        ("alg", json!("ES384"), false),
        ("alg", json!("RS256"), false),
        ("alg", json!("ES256"), true),
        ("crv", json!("P-384"), false),
        ("kty", json!("RSA"), false),
    ] {
        let mut key = KEY.public_jwk().to_json();
        key.insert(member.to_owned(), value.clone());
        // Beside another, so that the set has a key in any case.
        let set = json!({"keys": [key, RSA.public_jwk().to_json()]}).to_string();
        let verifier = verifier(TrustedIssuer::new(ISSUER).with_jwks(&set));
        assert_eq!(ask(&verifier, &token).await.is_ok(), good, "{member} {value}");
    }
}
