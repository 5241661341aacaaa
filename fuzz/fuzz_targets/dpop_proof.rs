//! A proof that is signed as it should be is good only if its claims are those of this request, whatever else it says.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use oauth_core::dpop::{Asked, MAX_JTI, ProofChecker, Target};
use oauth_core::jose::SigningKey;
use oauth_core::{Timestamp, TokenHash};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const NOW: u64 = 1_700_000_000;
const TOKEN: &str = "token";

static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate_ed25519);
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a thread can have one"));

fuzz_target!(|text: &str| {
    let target: Target = "https://mcp.example/mcp".parse().expect("it is a url");
    let check = |proof: &str| {
        let Ok(header) = HeaderValue::try_from(proof) else { return false };
        let asked = Asked::new("POST", &target).with_token(TOKEN);
        RUNTIME.block_on(ProofChecker::new().check([&header], asked, Timestamp::from_secs(NOW))).is_ok()
    };
    assert!(!check(text), "nobody has the key");
    // The same text as claims, signed.
    let Ok(claims) = RawValue::from_string(text.to_owned()) else { return };
    let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": KEY.public_jwk().to_json()});
    let Ok(proof) = KEY.sign_under(&header, &claims) else { return };
    if !check(&proof) {
        return;
    }
    let plain: Value = serde_json::from_str(text).expect("it was read as json");
    assert_eq!(plain["htm"], "POST");
    assert_eq!(plain["ath"], URL_SAFE_NO_PAD.encode(TokenHash::of(TOKEN).as_bytes()));
    assert!(plain["iat"].as_u64().expect("a whole number").abs_diff(NOW) <= 300);
    assert!((1..=MAX_JTI).contains(&plain["jti"].as_str().expect("a text").len()));
    let htu = plain["htu"].as_str().expect("a text").to_ascii_lowercase();
    assert!(htu.starts_with("https:") && htu.contains("mcp.example"), "{htu}");
});
