//! What may be a credential of ours has one spelling, and what we mint is one.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use oauth_core::{CredentialKey, CredentialKind, OsEntropy, TokenFormat, TokenHash};

fuzz_target!(|text: &str| {
    if let Some(key) = CredentialKey::of(text) {
        assert!(text.len() <= TokenFormat::MAX_LENGTH);
        // base64url has the underscore, too: the body is what stands at the end.
        let body = &text[text.len() - 64..];
        let bytes = URL_SAFE_NO_PAD.decode(body).expect("its body is base64url");
        assert_eq!((bytes.len(), &bytes[..16]), (48, key.grant.as_bytes().as_slice()));
        assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), body);
        assert_eq!(key.hash, TokenHash::of(text));
        if let Some(format) = TokenFormat::new(text.split('_').next().unwrap_or_default()) {
            let (minted, minted_key) = format.mint(CredentialKind::AccessToken, key.grant, &OsEntropy);
            assert_eq!(CredentialKey::of(minted.expose()), Some(minted_key));
        }
    }
});
