//! One token after the other: what is not exactly an access token of the issuer is refused.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::jose::{HmacAlgorithm, HmacKey, SigningKey};
use oauth_core::{Binding, SubjectKind, Timestamp, TokenVerifier as _, VerifyFault};
use oauth_resource::{JwtVerifier, RequiredClaim, TrustedIssuer};
use serde_json::{Value, json};

use crate::fixture::{
    ISSUER, KEY, NOW, RESOURCE, RSA, accepts, ask, claims, jwks, now, refused, sign, trusted, verifier, with,
    without,
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
async fn jwt_1_no_spelling_of_none_is_an_algorithm() {
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
async fn jwt_2_a_public_key_is_no_shared_secret() {
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
async fn jwt_3_a_key_verifies_with_its_own_algorithms_alone() {
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
async fn jwt_3_both_names_of_ed25519_are_read() {
    // RS-59
    let key = SigningKey::generate_ed25519();
    let verifier = verifier(TrustedIssuer::new(ISSUER).with_jwks(&jwks(&[&key])));
    for alg in ["EdDSA", "Ed25519"] {
        let token = key.sign_under(&json!({"alg": alg, "typ": "at+jwt"}), &claims()).unwrap();
        assert!(ask(&verifier, &token).await.is_ok(), "{alg}");
    }
}

#[tokio::test]
async fn jwt_4_5_7_keys_and_addresses_in_the_header_are_not_used() {
    // RS-45. Nothing is fetched: the verifier has nothing to fetch with.
    let own = SigningKey::generate_es256();
    let tokens = [
        json!({"jwk": own.public_jwk().to_json()}),
        json!({"jku": "https://evil.example/jwks"}),
        json!({"x5u": "http://169.254.169.254/"}),
        json!({"x5c": ["MIIB"]}),
        json!({"kid": own.kid(), "jwk": own.public_jwk().to_json()}),
        json!({"kid": KEY.kid(), "jwk": own.public_jwk().to_json()}),
    ]
    .map(|mut header| {
        header["alg"] = "ES256".into();
        header["typ"] = "at+jwt".into();
        own.sign_under(&header, &claims()).unwrap()
    });
    refuses(tokens).await;
    let ignored = json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid(), "jku": "https://evil.example/"});
    assert!(ask(&verifier(trusted()), &KEY.sign_under(&ignored, &claims()).unwrap()).await.is_ok());
}

#[tokio::test]
async fn jwt_6_a_kid_is_a_name_and_nothing_else() {
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
async fn jwt_8_critical_extensions_are_refused() {
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
async fn jwt_9_10_a_token_of_another_kind_is_no_access_token() {
    // RS-41
    let kinds = [
        "JWT",
        "id_token",
        "oauth-id-jag+jwt",
        "logout+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "text/at+jwt",
        "",
    ];
    refuses(kinds.map(|typ| KEY.sign(typ, &claims()).unwrap())).await;
    refuses([KEY.sign_under(&json!({"alg": "ES256", "kid": KEY.kid()}), &claims()).unwrap()]).await;
    let plain = verifier(trusted().with_plain_jwt_type());
    for (typ, good) in [
        ("JWT", true),
        ("application/jwt", true),
        ("at+jwt", true),
        ("Application/AT+JWT", true),
        ("dpop+jwt", false),
    ] {
        assert_eq!(ask(&plain, &KEY.sign(typ, &claims()).unwrap()).await.is_ok(), good, "{typ}");
    }
    // An ID token, for the client: its audience tells it apart even so.
    let mut id_token = with("aud", "app");
    assert!(refused(&ask(&plain, &KEY.sign("JWT", &id_token).unwrap()).await));
    id_token["aud"] = json!(["app", RESOURCE]);
    assert!(refused(&ask(&plain, &KEY.sign("JWT", &id_token).unwrap()).await));
}

#[tokio::test]
async fn jwt_11_a_member_stands_once() {
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
async fn jwt_12_whoever_forges_a_signature_forges_nothing() {
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

#[tokio::test]
async fn jwt_13_14_15_dates_are_numbers_and_within_reason() {
    // RS-50, RS-51
    let verifier = verifier(trusted());
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
        assert!(payload.contains(exp) && refused(&ask(&verifier, &token).await), "{exp}");
    }
    assert!(!accepts(&verifier, &without("exp")).await);
    for (name, value) in [
        ("iat", json!(-1)),
        ("iat", json!(NOW + 3600)),
        ("iat", json!("1700000000")),
        ("nbf", json!(NOW + 600)),
        ("nbf", json!("1")),
        ("auth_time", json!("yesterday")),
        ("exp", json!(NOW - 3600)),
    ] {
        assert!(!accepts(&verifier, &with(name, value.clone())).await, "{name} {value}");
    }
    // No overflow; the lifetime is bounded where that is asked for.
    let forever = with("exp", i64::MAX);
    assert_eq!(ask(&verifier, &sign(&forever)).await.unwrap().expires_at, Timestamp::MAX);
    let bounded = crate::fixture::verifier(trusted().with_max_lifetime(Duration::from_secs(3600)));
    assert!(!accepts(&bounded, &forever).await && accepts(&bounded, &claims()).await);
    let fractional = crate::fixture::verifier(trusted().with_fractional_dates());
    assert!(accepts(&fractional, &with("iat", NOW as f64 - 0.5)).await);
}

#[tokio::test]
async fn the_leeway_ends_at_its_edge() {
    // RS-52
    for (trusted, leeway) in [
        (trusted(), 60),
        (trusted().with_leeway(Duration::from_secs(5)), 5),
        (trusted().with_leeway(Duration::from_secs(600)), 60),
    ] {
        let verifier = verifier(trusted);
        for (name, at, good) in [
            ("exp", NOW - leeway + 1, true),
            ("exp", NOW - leeway, false),
            ("exp", NOW - leeway - 1, false),
            ("nbf", NOW + leeway, true),
            ("nbf", NOW + leeway + 1, false),
            ("iat", NOW + leeway, true),
            ("iat", NOW + leeway + 1, false),
        ] {
            assert_eq!(accepts(&verifier, &with(name, at)).await, good, "{name} {at} leeway {leeway}");
        }
        let expired = verifier.verify(&sign(&with("exp", NOW - leeway)), now()).await;
        assert!(matches!(expired, Err(VerifyFault::Expired)));
    }
}

#[tokio::test]
async fn jwt_16_18_19_only_the_compact_form_is_read() {
    // RS-54, RS-56
    let token = sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let json = json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]}).to_string();
    let jwe = format!(
        "{}.a.b.c.d",
        encode(&json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_648_u64}))
    );
    let nested = KEY.sign_under(&json!({"alg": "ES256", "typ": "at+jwt", "cty": "JWT"}), &claims()).unwrap();
    let zipped = KEY.sign_under(&json!({"alg": "ES256", "typ": "at+jwt", "zip": "DEF"}), &claims()).unwrap();
    refuses([
        json,
        jwe,
        nested,
        zipped,
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}="),
        format!("{token}=="),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{}+", &token[..token.len() - 1]),
        parts[..2].join("."),
        String::new(),
    ])
    .await;
    // The last character of a signature has two bits that stand for nothing: only one spelling is a token.
    let last = token.pop_and_twist();
    assert_ne!(last, token);
    refuses([last]).await;
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
async fn jwt_17_size_is_bounded_before_anything_is_decoded() {
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
    let _ = ask(&verifier(trusted()), &KEY.sign_texts(r#"{"alg":"ES256","typ":"at+jwt"}"#, &payload)).await;
}

#[tokio::test]
async fn jwt_23_a_key_of_one_issuer_vouches_for_no_other() {
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

#[tokio::test]
async fn what_an_own_token_must_say_is_required_one_by_one() {
    // RS-53
    let strict = verifier(trusted());
    for name in ["sub", "client_id", "iat", "jti", "exp", "iss", "aud"] {
        assert!(!accepts(&strict, &without(name)).await, "{name}");
    }
    for (name, claim) in [
        ("client_id", RequiredClaim::ClientId),
        ("iat", RequiredClaim::IssuedAt),
        ("jti", RequiredClaim::TokenId),
    ] {
        let relaxed = verifier(trusted().without_required([claim]));
        assert!(accepts(&relaxed, &without(name)).await, "{name}");
    }
    assert!(accepts(&strict, &without("scope")).await, "a token without scopes is one");
}

#[tokio::test]
async fn an_issuer_is_named_letter_by_letter() {
    // RS-46, A-AUD-6
    let verifier = verifier(trusted());
    for other in
        ["https://as.example/", "https://AS.example", "http://as.example", "https://as.example.evil", ""]
    {
        assert!(!accepts(&verifier, &with("iss", other)).await, "{other}");
    }
}

#[tokio::test]
async fn a_token_says_who_stands_behind_it() {
    // RS-57
    let verifier = verifier(trusted());
    let user = ask(&verifier, &sign(&claims())).await.unwrap();
    assert_eq!(
        (user.subject.as_str(), user.client_id.as_str(), user.subject_kind),
        ("alice", "app", SubjectKind::User)
    );
    let client = ask(&verifier, &sign(&with("sub", "app"))).await.unwrap();
    assert_eq!(client.subject_kind, SubjectKind::Client);
}

#[tokio::test]
async fn a_confirmation_is_a_key_or_the_token_is_refused() {
    // DPOP-11
    let verifier = verifier(trusted());
    let jkt = KEY.public_jwk().thumbprint();
    let bound = ask(&verifier, &sign(&with("cnf", json!({"jkt": jkt.to_string()})))).await.unwrap();
    assert_eq!(bound.binding, Binding::Dpop(jkt));
    for cnf in [
        json!({}),
        json!(null),
        json!("x"),
        json!({"jkt": 1}),
        json!({"jkt": "short"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": jkt.to_string(), "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jwk": KEY.public_jwk().to_json()}),
    ] {
        assert!(!accepts(&verifier, &with("cnf", cnf.clone())).await, "{cnf}");
    }
}

#[tokio::test]
async fn scopes_are_read_where_an_issuer_writes_them() {
    let scopes = async |trusted: TrustedIssuer, claims: Value| {
        ask(&verifier(trusted), &sign(&claims)).await.map(|claims| claims.scopes.as_str().to_owned()).ok()
    };
    assert_eq!(scopes(trusted(), with("scope", "b a b")).await.as_deref(), Some("a b"));
    assert_eq!(scopes(trusted(), with("scope", json!(["a", "b"]))).await.as_deref(), Some("a b"));
    for bad in [json!(1), json!([1]), json!(["a b"]), json!("a\tb"), json!({"a": 1}), json!("\"")] {
        assert_eq!(scopes(trusted(), with("scope", bad.clone())).await, None, "{bad}");
    }
    let mapped = trusted().with_scope_claims(["scp", "permissions"]).with_scope_prefix_removed("api/");
    let mut claims = with("scp", json!(["api/a", "b"]));
    claims["permissions"] = json!("api/c d");
    assert_eq!(scopes(mapped, claims).await.as_deref(), Some("a b c d"));
}
