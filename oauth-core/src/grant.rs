//! The records of the ledger: grants, and the credentials issued under them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, GrantId, Subject};
use crate::issuer::Issuer;
use crate::pkce::CodeChallenge;
use crate::redirect::RedirectUri;
use crate::resource::ResourceSet;
use crate::scope::ScopeSet;
use crate::time::Timestamp;
use crate::token::{CredentialKey, CredentialKind};

/// What kind of party a subject is. A client's or a workload's token cannot be taken for a user's (RS-57).
///
/// ```
/// use oauth_core::SubjectKind;
/// assert_ne!(SubjectKind::User, SubjectKind::Client);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectKind {
    /// A person who signed in.
    #[default]
    User,
    /// A client that acts for itself (RFC 6749 §4.4).
    Client,
    /// A workload known by its platform's assertion.
    Workload,
}

/// One user's (or client's) permission for one client. Revoking it is one write to one row.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Grant, GrantId, OsEntropy, ResourceSet, ResourceUri, ScopeSet, SubjectKind, Timestamp};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let grant = Grant {
///     id: GrantId::generate(&OsEntropy),
///     subject: "alice".parse()?,
///     subject_kind: SubjectKind::User,
///     client_id: "app".parse()?,
///     scopes: "notes:read".parse()?,
///     resources: ResourceSet::from("https://mcp.example/mcp".parse::<ResourceUri>()?),
///     issued_at: now,
///     expires_at: now + Duration::from_secs(90 * 86_400),
///     auth_time: Some(now),
///     revoked_at: None,
/// };
/// assert!(grant.is_live(now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantId,
    /// Who gave it.
    pub subject: Subject,
    /// What kind of party that is.
    #[serde(default)]
    pub subject_kind: SubjectKind,
    /// To which client.
    pub client_id: ClientId,
    /// For what. No credential under it has more.
    pub scopes: ScopeSet,
    /// Where. No credential under it is for another resource.
    pub resources: ResourceSet,
    /// When it was given.
    pub issued_at: Timestamp,
    /// When it ends, however often it is refreshed (REF-8).
    pub expires_at: Timestamp,
    /// When the user last proved who they are (OIDC Core §2 `auth_time`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl Grant {
    /// Neither expired nor revoked.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// To what a credential is bound: who has it may use it, or who has the key may.
///
/// ```
/// use oauth_core::{Binding, Thumbprint};
/// assert_ne!(Binding::Bearer, Binding::Dpop(Thumbprint::from_bytes([1; 32])));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Binding {
    /// Whoever bears it ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    #[default]
    Bearer,
    /// Whoever proves to have the key ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).
    Dpop(Thumbprint),
}

/// A key's SHA-256 thumbprint, [RFC 7638](https://www.rfc-editor.org/rfc/rfc7638). Public, unlike a [`TokenHash`](crate::TokenHash).
///
/// ```
/// use oauth_core::Thumbprint;
/// assert_eq!(Thumbprint::from_bytes([0; 32]).to_string().len(), 43);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// A thumbprint from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CodeChallenge::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CodeChallenge::from_bytes(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CodeChallenge::deserialize(deserializer).map(|read| Self(*read.as_bytes()))
    }
}

/// What can be presented under a grant. All of it is immutable; only whether it is spent changes, and a store keeps that.
///
/// No secret is in it: who reads it, as JSON for instance, can present nothing.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Binding, Credential, CredentialKind, GrantId, OsEntropy, Timestamp, TokenFormat};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let (_secret, key) = TokenFormat::default().mint(CredentialKind::AccessToken, GrantId::generate(&OsEntropy), &OsEntropy);
/// let credential = Credential {
///     key,
///     kind: CredentialKind::AccessToken,
///     binding: Binding::Bearer,
///     scopes: "notes:read".parse()?,
///     resources: "https://mcp.example/mcp".parse::<oauth_core::ResourceUri>()?.into(),
///     issued_at: now,
///     expires_at: now + Duration::from_secs(600),
///     code: None,
/// };
/// assert!(!credential.is_expired(now));
/// assert!(credential.is_expired(now + Duration::from_secs(600)));
///
/// let json = serde_json::to_string(&credential)?;
/// assert_eq!(serde_json::from_str::<Credential>(&json)?, credential);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// How it is looked up.
    pub key: CredentialKey,
    /// What it can do.
    pub kind: CredentialKind,
    /// To what it is bound.
    pub binding: Binding,
    /// For what: within the grant's scopes.
    pub scopes: ScopeSet,
    /// Where: within the grant's resources.
    pub resources: ResourceSet,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends. From then on it buys nothing.
    pub expires_at: Timestamp,
    /// What an authorization code is bound to besides; `None` for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Box<CodeBinding>>,
}

impl Credential {
    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// What an authorization code is bound to besides client, scope and resource (AS-58).
///
/// ```
/// use oauth_core::CodeBinding;
///
/// let json = r#"{"issuer":"https://as.example","redirect_uri":"https://app.example/cb","challenge":"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}"#;
/// let binding: CodeBinding = serde_json::from_str(json)?;
/// assert_eq!(serde_json::to_string(&binding)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeBinding {
    /// Who issued it: of several issuers over one store, no other redeems it (A-CODE-5).
    pub issuer: Issuer,
    /// Where the code was sent, as the client asked for it: with the port of the day.
    pub redirect_uri: Box<str>,
    /// What the redeemer's verifier must meet.
    pub challenge: CodeChallenge,
    /// OpenID Connect's `nonce`, for the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Box<str>>,
    /// The key that the redeemer must prove (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Thumbprint>,
}

impl CodeBinding {
    /// Where the code was sent: a URI that `registered` admits.
    #[must_use]
    pub fn was_sent_to(&self, registered: &RedirectUri) -> bool {
        registered.admits(&self.redirect_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OsEntropy, TokenFormat};

    #[test]
    fn a_credential_is_read_as_it_was_written_and_has_no_secret() {
        let grant = GrantId::generate(&OsEntropy);
        let (secret, key) = TokenFormat::default().mint(CredentialKind::AuthorizationCode, grant, &OsEntropy);
        let code = CodeBinding {
            issuer: "https://as.example".parse().unwrap(),
            redirect_uri: "https://app.example/cb".into(),
            challenge: CodeChallenge::from_bytes([1; 32]),
            nonce: None,
            dpop_jkt: Some(Thumbprint::from_bytes([2; 32])),
        };
        let bound = Credential {
            key,
            kind: CredentialKind::AuthorizationCode,
            binding: Binding::Dpop(Thumbprint::from_bytes([3; 32])),
            scopes: "notes:read".parse().unwrap(),
            resources: "https://mcp.example/mcp".parse::<crate::ResourceUri>().unwrap().into(),
            issued_at: Timestamp::from_secs(1),
            expires_at: Timestamp::from_secs(2),
            code: Some(Box::new(code)),
        };
        let plain = Credential { binding: Binding::Bearer, code: None, ..bound.clone() };
        for credential in [bound, plain] {
            let json = serde_json::to_string(&credential).unwrap();
            assert_eq!(serde_json::from_str::<Credential>(&json).unwrap(), credential);
            assert!(!json.contains(secret.expose()), "{json}");
        }
    }

    #[test]
    fn a_credential_without_a_binding_is_not_taken_for_a_bearers() {
        let json = r#"{"key":{"grant":"AAAAAAAAAAAAAAAAAAAAAA","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
            "kind":"access_token","scopes":"a","resources":["https://mcp.example/mcp"],"issued_at":1,"expires_at":2}"#;
        let with = json.replace(r#""kind""#, r#""binding":"bearer","kind""#);
        assert!(serde_json::from_str::<Credential>(json).unwrap_err().to_string().contains("binding"));
        assert!(serde_json::from_str::<Credential>(&with).is_ok());
    }
}
