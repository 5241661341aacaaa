//! The key that ties a session to its principal.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::{Entropy, OsEntropy, Secret, random};

use crate::authorized::Authorized;

/// Ties session identifiers to their principals. Servers that share sessions share it; it is of no use to anybody else.
///
/// ```
/// use oauth_core::Secret;
/// use oauth_resource::SessionKey;
///
/// assert!(SessionKey::derived_from(&Secret::new("too short".to_owned())).is_none());
/// assert!(SessionKey::derived_from(&Secret::generate(&oauth_core::OsEntropy)).is_some());
/// ```
#[derive(Clone)]
pub struct SessionKey(Arc<Key>);

/// 128 bits of the tag: nobody guesses one, and headers stay short.
const TAG: usize = 16;
/// The tag in base64url.
const TAG_TEXT: usize = 22;
/// How long an identifier may be that is looked at.
const MAX_ID: usize = 1024;
/// The secret has at least as many characters as 128 random bits need.
const MIN_SECRET: usize = 22;

impl SessionKey {
    /// A key of this process alone: its sessions end with it.
    #[must_use]
    pub fn random() -> Self {
        Self::from_entropy(&OsEntropy)
    }

    pub(crate) fn from_entropy(entropy: &dyn Entropy) -> Self {
        Self(Arc::new(Key::new(HMAC_SHA256, &random::<32>(entropy))))
    }

    /// A key that several processes share, from a secret that is used for nothing else. `None` if it is shorter than 22 characters.
    #[must_use]
    pub fn derived_from(secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        (text.len() >= MIN_SECRET).then(|| Self(Arc::new(Key::new(HMAC_SHA256, text.as_bytes()))))
    }

    /// What the client gets to see of the identifier that the inner service gave out.
    pub(crate) fn seal(&self, inner: &str, caller: Option<&Authorized>) -> String {
        let mut outward = String::with_capacity(inner.len() + 1 + TAG_TEXT);
        outward.push_str(inner);
        outward.push('.');
        URL_SAFE_NO_PAD.encode_string(self.tag(inner, caller), &mut outward);
        outward
    }

    /// The identifier that the inner service gave out, if it was to this caller.
    pub(crate) fn open<'a>(&self, outward: &'a str, caller: Option<&Authorized>) -> Option<&'a str> {
        if outward.len() > MAX_ID {
            return None;
        }
        let (inner, tag) = outward.rsplit_once('.')?;
        let mut presented = [0; TAG + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut presented).ok()?;
        verify_slices_are_equal(&presented[..length], &self.tag(inner, caller)).ok()?;
        Some(inner)
    }

    fn tag(&self, inner: &str, caller: Option<&Authorized>) -> [u8; TAG] {
        let mut context = Context::with_key(&self.0);
        // Each part with its length, so that no two principals share a text.
        let mut part = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        part("mcp session");
        part(inner);
        if let Some(caller) = caller {
            part(caller.issuer());
            part(caller.subject().as_str());
            part(caller.client_id().as_str());
        }
        let tag = context.sign();
        let mut short = [0; TAG];
        short.copy_from_slice(&tag.as_ref()[..TAG]);
        short
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_core::{Claims, Timestamp};

    fn caller(issuer: &str, subject: &str, client: &str) -> Authorized {
        Authorized::assertion(Claims::new(
            issuer,
            subject.parse().unwrap(),
            client.parse().unwrap(),
            Timestamp::MAX,
        ))
    }

    #[test]
    fn only_who_opened_a_session_can_name_it() {
        // RS-82, A-AUD-8
        let key = SessionKey::random();
        let alice = caller("https://as", "alice", "app");
        let outward = key.seal("a.b-c", Some(&alice));
        assert_eq!(key.open(&outward, Some(&alice)), Some("a.b-c"));
        for other in [
            caller("https://as2", "alice", "app"),
            caller("https://as", "bob", "app"),
            caller("https://as", "alice", "other"),
            caller("https://as", "alicea", "pp"),
        ] {
            assert_eq!(key.open(&outward, Some(&other)), None, "{other:?}");
        }
        assert_eq!(key.open(&outward, None), None);
        assert_eq!(SessionKey::random().open(&outward, Some(&alice)), None);
        for forged in [
            "",
            ".",
            "a.b-c",
            "a.b-c.",
            &outward[..outward.len() - 1],
            &format!("{outward}A"),
            &format!("x{outward}"),
            &"a".repeat(2000),
        ] {
            assert_eq!(key.open(forged, Some(&alice)), None, "{forged}");
        }
    }
}
