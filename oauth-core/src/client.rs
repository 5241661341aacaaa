//! The client record, [RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2), as it was accepted.

use serde::{Deserialize, Serialize};

use crate::grant_type::GrantTypeName;
use crate::id::ClientId;
use crate::redirect::{RedirectKind, RedirectUri};
use crate::scope::ScopeSet;
use crate::secret::TokenHash;
use crate::time::Timestamp;

/// How a client became known, and so how far its own words are believed.
///
/// ```
/// use oauth_core::ClientOrigin;
/// assert!(ClientOrigin::Configured.is_vouched_for());
/// assert!(!ClientOrigin::Registered.is_vouched_for());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientOrigin {
    /// By the operator.
    Configured,
    /// By itself, at the registration endpoint (RFC 7591).
    Registered,
    /// By the document at its `client_id` (CIMD).
    MetadataDocument,
}

impl ClientOrigin {
    /// Whether the operator vouches for it. All others are marked as unverified on the consent page (AS-67).
    #[must_use]
    pub const fn is_vouched_for(self) -> bool {
        matches!(self, Self::Configured)
    }
}

/// `token_endpoint_auth_method` (RFC 7591 §2).
///
/// ```
/// use oauth_core::AuthMethod;
/// assert_eq!(AuthMethod::ClientSecretBasic.as_str(), "client_secret_basic");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthMethod {
    /// A public client: it has no secret.
    None,
    /// Its secret in the `Authorization` header.
    ClientSecretBasic,
    /// Its secret in the form.
    ClientSecretPost,
}

impl AuthMethod {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// How a client proves who it is. A secret without a method, or a method without its secret, cannot be written.
///
/// ```
/// use oauth_core::{AuthMethod, ClientAuth};
/// assert_eq!(ClientAuth::Public.method(), AuthMethod::None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuth {
    /// Not at all (`none`).
    Public,
    /// By a secret in the `Authorization` header (`client_secret_basic`).
    SecretBasic(Vec<ClientSecret>),
    /// By a secret in the form (`client_secret_post`).
    SecretPost(Vec<ClientSecret>),
}

impl ClientAuth {
    /// The method's registered name.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Public => AuthMethod::None,
            Self::SecretBasic(_) => AuthMethod::ClientSecretBasic,
            Self::SecretPost(_) => AuthMethod::ClientSecretPost,
        }
    }

    /// Its secrets, of which several may be live while one is rotated (CAUTH-14).
    #[must_use]
    pub fn secrets(&self) -> &[ClientSecret] {
        match self {
            Self::Public => &[],
            Self::SecretBasic(secrets) | Self::SecretPost(secrets) => secrets,
        }
    }
}

/// What is kept of a client secret: its hash, and until when it counts.
///
/// ```
/// use oauth_core::{ClientSecret, TokenHash};
/// let secret = ClientSecret { hash: TokenHash::of("s3cret"), expires_at: None };
/// assert!(secret.hash.matches("s3cret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// The hash of the secret, which is 256 random bits.
    pub hash: TokenHash,
    /// Until when it counts; `None`: as long as the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// `application_type` (OpenID Connect Registration §2, DCR-6).
///
/// ```
/// use oauth_core::ApplicationType;
/// assert_eq!(serde_json::to_string(&ApplicationType::Native)?, "\"native\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// On a web server.
    Web,
    /// On the user's machine.
    Native,
}

/// A client as this server accepted it. Stores keep it whole, as JSON, beside the few members they search by.
///
/// ```
/// use oauth_core::{Client, Timestamp};
///
/// let client = Client::public("app".parse()?, ["https://app.example/cb".parse()?]);
/// assert!(client.redirect_for("https://app.example/cb").is_some());
/// assert!(client.redirect_for("https://evil.example/cb").is_none());
/// assert!(client.is_live(Timestamp::from_secs(1_700_000_000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// How it became known.
    pub origin: ClientOrigin,
    /// What it calls itself. Never shown without its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// Where it may be redirected to.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves who it is.
    pub auth: ClientAuth,
    /// What it may ask the token endpoint for.
    pub grant_types: Vec<GrantTypeName>,
    /// The most it may be granted, set by an operator alone: what a client registers is a wish, not a ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_ceiling: Option<ScopeSet>,
    /// `web` or `native`, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ApplicationType>,
    /// What else it registered, told back as it was accepted: `scope`, `client_uri`, `software_id`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    /// When it became known.
    pub issued_at: Timestamp,
    /// Until when it is known, unless it is used; `None`: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The hash of a public client's whole metadata: who registers the very same again gets the same `client_id` (DCR-11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<TokenHash>,
    /// Whether it has ever been used for a grant. Unused registrations are counted and end soon (DCR-10).
    #[serde(default)]
    pub used: bool,
}

impl Client {
    /// A public client that the operator vouches for: authorization code and refresh, PKCE, no secret.
    #[must_use]
    pub fn public(id: ClientId, redirect_uris: impl IntoIterator<Item = RedirectUri>) -> Self {
        Self {
            id,
            origin: ClientOrigin::Configured,
            name: None,
            redirect_uris: redirect_uris.into_iter().collect(),
            auth: ClientAuth::Public,
            grant_types: vec![GrantTypeName::AuthorizationCode, GrantTypeName::RefreshToken],
            scope_ceiling: None,
            application_type: None,
            extra: None,
            issued_at: Timestamp::default(),
            expires_at: None,
            fingerprint: None,
            used: false,
        }
    }

    /// Whether its registration still counts.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The registered URI that admits `asked`.
    #[must_use]
    pub fn redirect_for(&self, asked: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|registered| registered.admits(asked))
    }

    /// Whether it may ask for `grant_type`.
    #[must_use]
    pub fn may(&self, grant_type: &GrantTypeName) -> bool {
        self.grant_types.contains(grant_type)
    }

    /// Whether every redirect leads to the user's own machine, where any program can listen (AS-66).
    #[must_use]
    pub fn is_local_only(&self) -> bool {
        self.redirect_uris.iter().all(|uri| uri.kind() == RedirectKind::Loopback)
    }

    /// The hash of what a user agreed to when they agreed to this client, answered at `redirect_uri`: its name, redirects, way to
    /// authenticate and keys. Consent given to another state of the client, or for another of its addresses, does not count (AS-68,
    /// CIMD-12).
    #[must_use]
    pub fn consent_fingerprint(&self, redirect_uri: &str) -> TokenHash {
        let shown = (&self.id, &self.name, &self.redirect_uris, self.auth.method(), redirect_uri);
        let mut text = serde_json::to_string(&shown).expect("a tuple of texts has a json form");
        for name in ["jwks", "jwks_uri"] {
            if let Some(keys) = self.extra.as_ref().and_then(|extra| extra.get(name)) {
                text.push_str(&keys.to_string());
            }
        }
        TokenHash::of(&text)
    }
}
