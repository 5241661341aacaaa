//! Names of grant types: the registered ones, and those that others define.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many bytes the name of an extension may have.
const MAX_NAME: usize = 255;

/// A value of `grant_type`.
///
/// ```
/// use oauth_core::GrantTypeName;
///
/// assert_eq!(GrantTypeName::RefreshToken.as_str(), "refresh_token");
/// // One of your own is a URI that nobody else gives away (RFC 6749 §4.5).
/// let own: GrantTypeName = "https://example.com/grant-type/one-time-code".parse()?;
/// assert!(matches!(own, GrantTypeName::Extension(_)));
/// assert_eq!("refresh_token".parse::<GrantTypeName>()?, GrantTypeName::RefreshToken);
/// assert!("password".parse::<GrantTypeName>().is_err());
/// # Ok::<(), oauth_core::GrantTypeNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GrantTypeName {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 7523 §2.1.
    JwtBearer,
    /// RFC 8693.
    TokenExchange,
    /// RFC 8628.
    DeviceCode,
    /// Another, by an absolute URI (RFC 6749 §4.5). Made by [`FromStr`].
    Extension(ExtensionGrantType),
}

/// The name of a grant type that nobody registered.
///
/// ```
/// use oauth_core::GrantTypeName;
///
/// let GrantTypeName::Extension(name) = "urn:example:one-time-code".parse()? else { unreachable!() };
/// assert_eq!(name.as_str(), "urn:example:one-time-code");
/// # Ok::<(), oauth_core::GrantTypeNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionGrantType(Arc<str>);

impl ExtensionGrantType {
    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text names no grant type that a server could offer.
///
/// ```
/// use oauth_core::GrantTypeName;
/// let error = "implicit".parse::<GrantTypeName>().unwrap_err();
/// assert_eq!(error.to_string(), "a grant type is a registered name of OAuth 2.1, or an absolute uri of up to 255 characters");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a grant type is a registered name of OAuth 2.1, or an absolute uri of up to {MAX_NAME} characters")]
pub struct GrantTypeNameError;

const REGISTERED: [GrantTypeName; 6] = [
    GrantTypeName::AuthorizationCode,
    GrantTypeName::RefreshToken,
    GrantTypeName::ClientCredentials,
    GrantTypeName::JwtBearer,
    GrantTypeName::TokenExchange,
    GrantTypeName::DeviceCode,
];

impl GrantTypeName {
    /// What stands in a request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Extension(name) => name.as_str(),
        }
    }
}

impl FromStr for GrantTypeName {
    type Err = GrantTypeNameError;

    fn from_str(text: &str) -> Result<Self, GrantTypeNameError> {
        if let Some(registered) = REGISTERED.iter().find(|name| name.as_str() == text) {
            return Ok(registered.clone());
        }
        let is_uri = text.len() <= MAX_NAME
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
            && url::Url::parse(text).is_ok();
        if is_uri { Ok(Self::Extension(ExtensionGrantType(text.into()))) } else { Err(GrantTypeNameError) }
    }
}

impl fmt::Display for GrantTypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for GrantTypeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for GrantTypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_registered_or_a_uri() {
        for name in REGISTERED {
            assert_eq!(name.as_str().parse::<GrantTypeName>().as_ref(), Ok(&name));
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<GrantTypeName>(&json).unwrap(), name);
        }
        let long = format!("urn:x:{}", "y".repeat(MAX_NAME));
        for bad in
            ["", "password", "implicit", "code", "Refresh_token", "urn", "urn:x y", "https://x/#y", &long]
        {
            assert!(bad.parse::<GrantTypeName>().is_err(), "{bad}");
        }
    }
}
