//! A key that is used is public, of good quality, for signatures, and reads what it writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::jose::{Algorithm, Jwk, JwkSet, MAX_KEYS};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(set) = JwkSet::parse(bytes, &Algorithm::ALL) else { return };
    let plain: Value = serde_json::from_slice(bytes).expect("it was read as json");
    let count = plain["keys"].as_array().expect("keys is an array").len();
    assert!(count <= MAX_KEYS && set.len() + set.skipped().len() == count);
    for jwk in set.iter() {
        assert!(!jwk.algorithms().is_empty());
        let written = jwk.to_json();
        assert!(
            ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
                .iter()
                .all(|private| !written.contains_key(*private))
        );
        let again = Jwk::parse(Value::from(written).to_string().as_bytes()).expect("it is a key");
        assert_eq!(
            (again.thumbprint(), again.kid(), again.algorithms()),
            (jwk.thumbprint(), jwk.kid(), jwk.algorithms())
        );
        assert!(jwk.verifying_key(&Algorithm::ALL).is_some());
    }
});
