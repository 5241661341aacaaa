//! The key that ties a session to its principal.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use oauth_core::{Entropy, OsEntropy, Secret, random};
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

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
pub struct SessionKey(Arc<Shared>);

struct Shared {
    key: Key,
    opened: Cache<Box<[u8]>, Opened>,
}

/// An identifier that was opened before: for whom, and what it is to the inner service.
#[derive(Clone)]
struct Opened {
    caller: Option<Authorized>,
    inner: HeaderValue,
}

/// How many opened identifiers are remembered.
const MOST_OPENED: u64 = 4096;

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
        Self::with(Key::new(HMAC_SHA256, &random::<32>(entropy)))
    }

    /// A key that several processes share, from a secret that is used for nothing else. `None` if it is shorter than 22 characters.
    #[must_use]
    pub fn derived_from(secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        (text.len() >= MIN_SECRET).then(|| Self::with(Key::new(HMAC_SHA256, text.as_bytes())))
    }

    fn with(key: Key) -> Self {
        // Grows as it fills: a personal server has three sessions.
        Self(Arc::new(Shared { key, opened: Cache::with_weighter(64, MOST_OPENED, UnitWeighter) }))
    }

    /// What the client gets to see of the identifier that the inner service gave out.
    pub(crate) fn seal(&self, inner: &str, caller: Option<&Authorized>) -> String {
        let mut outward = String::with_capacity(inner.len() + 1 + TAG_TEXT);
        outward.push_str(inner);
        outward.push('.');
        URL_SAFE_NO_PAD.encode_string(self.tag(inner, caller), &mut outward);
        outward
    }

    /// The identifier that the inner service gave out, as a header's value, if it was to this caller. What was opened before for the very
    /// same principal is not computed anew: every request of a session names it.
    pub(crate) fn open_header(
        &self,
        outward: &HeaderValue,
        caller: Option<&Authorized>,
    ) -> Option<HeaderValue> {
        let is_for = |opened: &Opened| match (&opened.caller, caller) {
            // Whom the tag names, and nothing else of the token: one that was renewed opens the same session.
            (Some(own), Some(caller)) => own.is_principal(caller),
            (own, caller) => own.is_none() && caller.is_none(),
        };
        if let Some(opened) = self.0.opened.get(outward.as_bytes()).filter(is_for) {
            return Some(opened.inner);
        }
        let text = outward.to_str().ok()?;
        // A part of a header's value is one.
        let inner = HeaderValue::from_str(self.open(text, caller)?).ok()?;
        let opened = Opened { caller: caller.cloned(), inner: inner.clone() };
        self.0.opened.insert(outward.as_bytes().into(), opened);
        Some(inner)
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
        let mut context = Context::with_key(&self.0.key);
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
    fn what_was_opened_before_is_opened_for_the_same_principal_alone() {
        // RS-82, A-AUD-8
        let key = SessionKey::random();
        let alice = caller("https://as", "alice", "app");
        let outward: HeaderValue = key.seal("a.b-c", Some(&alice)).try_into().unwrap();
        let again = caller("https://as", "alice", "app");
        let inner = HeaderValue::from_static("a.b-c");
        for _ in 0..2 {
            for theirs in [&alice, &again] {
                assert_eq!(key.open_header(&outward, Some(theirs)), Some(inner.clone()));
            }
            for other in
                [Some(caller("https://as", "bob", "app")), Some(caller("https://as", "alice", "b")), None]
            {
                assert_eq!(key.open_header(&outward, other.as_ref()), None, "{other:?}");
            }
            // Another key has its own memory.
            assert_eq!(SessionKey::random().open_header(&outward, Some(&alice)), None);
        }
        let nobodys: HeaderValue = key.seal("x", None).try_into().unwrap();
        assert!(key.open_header(&nobodys, None).is_some() && key.open_header(&nobodys, None).is_some());
        assert_eq!(key.open_header(&nobodys, Some(&alice)), None);
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
