//! The form of tokens and codes: `<prefix>_<kind>_<base64url(grant id ‖ 32 random bytes)>`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::id::GrantId;
use crate::secret::{Secret, TokenHash};

/// What a credential can do.
///
/// ```
/// use oauth_core::CredentialKind;
/// assert_eq!(CredentialKind::RefreshToken.tag(), "rt");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// Redeemed once for tokens (RFC 6749 §4.1).
    AuthorizationCode,
    /// Exchanged for a successor (RFC 6749 §6).
    RefreshToken,
    /// Presented to a resource (RFC 6749 §1.4).
    AccessToken,
    /// Polled with, then redeemed once (RFC 8628).
    DeviceCode,
}

impl CredentialKind {
    /// The two letters that stand in the secret, so that a scanner can tell what leaked.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "ac",
            Self::RefreshToken => "rt",
            Self::AccessToken => "at",
            Self::DeviceCode => "dc",
        }
    }
}

/// How a credential is looked up: its grant, by which it is sharded, and its hash.
///
/// ```
/// use oauth_core::{CredentialKey, CredentialKind, GrantId, OsEntropy, TokenFormat};
///
/// let grant = GrantId::generate(&OsEntropy);
/// let (token, key) = TokenFormat::default().mint(CredentialKind::AccessToken, grant, &OsEntropy);
/// assert_eq!(CredentialKey::of(token.expose()), Some(key));
/// assert_eq!(CredentialKey::of("something else"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialKey {
    /// The grant it was issued under.
    pub grant: GrantId,
    /// The hash of the whole text.
    pub hash: TokenHash,
}

/// Characters of base64url for the 48 bytes of grant id and secret.
const BODY: usize = 64;

impl CredentialKey {
    /// Reads what somebody presented. `None`: no credential of ours has that form, so there is nothing to look up.
    ///
    /// The prefix is not judged, so that tokens outlive a change of configuration; the kind is, by the stored row.
    #[must_use]
    pub fn of(presented: &str) -> Option<Self> {
        if presented.len() > TokenFormat::MAX_LENGTH {
            return None;
        }
        let body = presented.len().checked_sub(BODY)?;
        let (prefix, body) = presented.split_at_checked(body)?;
        if !prefix.ends_with('_') {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 48]);
        // 48 bytes fill 64 characters exactly: there is one spelling only (A-JWT-19).
        URL_SAFE_NO_PAD.decode_slice(body, bytes.as_mut_slice()).ok().filter(|read| *read == 48)?;
        let grant = GrantId::from_bytes(bytes[..16].try_into().ok()?);
        Some(Self { grant, hash: TokenHash::of(presented) })
    }
}

/// The prefix by which secret scanners know this server's tokens.
///
/// ```
/// use oauth_core::{CredentialKind, GrantId, OsEntropy, TokenFormat};
///
/// let format = TokenFormat::new("acme").unwrap();
/// let (token, _) = format.mint(CredentialKind::RefreshToken, GrantId::generate(&OsEntropy), &OsEntropy);
/// assert!(token.expose().starts_with("acme_rt_"));
/// ```
#[derive(Clone, Debug)]
pub struct TokenFormat {
    prefix: Box<str>,
}

impl TokenFormat {
    /// How many characters a token of this server may have: the bound on what is looked at.
    pub const MAX_LENGTH: usize = 128;

    /// Tokens that begin with `prefix`: 1 to 16 lower-case letters and digits. `None` for anything else.
    #[must_use]
    pub fn new(prefix: &str) -> Option<Self> {
        let fits = (1..=16).contains(&prefix.len());
        let plain = prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        (fits && plain).then(|| Self { prefix: prefix.into() })
    }

    /// A new secret of 256 random bits under `grant`, and the key by which it is stored (TOK-13, TOK-14).
    #[must_use]
    pub fn mint(
        &self,
        kind: CredentialKind,
        grant: GrantId,
        entropy: &dyn Entropy,
    ) -> (Secret, CredentialKey) {
        let mut bytes = Zeroizing::new([0; 48]);
        bytes[..16].copy_from_slice(grant.as_bytes());
        entropy.fill(&mut bytes[16..]);
        let mut text = String::with_capacity(self.prefix.len() + 4 + BODY);
        text.push_str(&self.prefix);
        text.push('_');
        text.push_str(kind.tag());
        text.push('_');
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        let secret = Secret::new(text);
        let key = CredentialKey { grant, hash: secret.hash() };
        (secret, key)
    }
}

impl Default for TokenFormat {
    /// Tokens that begin with `mcp_`.
    fn default() -> Self {
        Self { prefix: "mcp".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    #[test]
    fn only_the_form_that_we_write_is_looked_up() {
        let (token, key) = TokenFormat::default().mint(
            CredentialKind::AccessToken,
            GrantId::generate(&OsEntropy),
            &OsEntropy,
        );
        let text = token.expose();
        assert_eq!(CredentialKey::of(text).unwrap(), key);
        let padded = format!("{text}=");
        let long = format!("{}{text}", "a".repeat(100));
        for bad in [
            "",
            "mcp_at_",
            &text[1 + text.len() - BODY..],
            &padded,
            &long,
            &text.replace("at_", "at."),
            &"é".repeat(64),
            &"a".repeat(1 << 20),
        ] {
            assert_eq!(CredentialKey::of(bad), None, "{bad:.80}");
        }
    }
}
