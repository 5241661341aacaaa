//! The protected resource's metadata, [RFC 9728 §2](https://www.rfc-editor.org/rfc/rfc9728#section-2).

use serde::{Deserialize, Serialize};

use crate::issuer::Issuer;
use crate::resource::ResourceUri;
use crate::scope::ScopeSet;

/// The document that tells a client which authorization server a resource trusts. What is not there is left out: never
/// `null`, never an empty list (RS-7).
///
/// ```
/// use oauth_core::metadata::ProtectedResourceMetadata;
///
/// let document = ProtectedResourceMetadata::new("https://mcp.example/mcp".parse()?, "https://as.example".parse()?)
///     .with_scopes(&"notes:read offline_access".parse()?);
/// assert_eq!(
///     serde_json::to_value(&document)?,
///     serde_json::json!({
///         "resource": "https://mcp.example/mcp",
///         "authorization_servers": ["https://as.example"],
///         // No resource decides on refresh tokens (RS-8).
///         "scopes_supported": ["notes:read"],
///         "bearer_methods_supported": ["header"],
///     }),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProtectedResourceMetadata {
    /// The resource's identifier.
    pub resource: ResourceUri,
    /// Whose tokens it accepts, byte for byte as those servers call themselves (RS-1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<Issuer>,
    /// What basic use needs; more is asked for by challenges (RS-9).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// How a token is presented: `header` alone (RS-10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// For people who write clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    /// How clients may use what they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<String>,
    /// The operator's terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<String>,
    /// The keys of the resource itself, if it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// With what a proof of possession may be signed (RFC 9449 §5.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether only bound tokens are accepted; left out where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_bound_access_tokens_required: Option<bool>,
    /// All of this once more, as a JWT of the resource; what is signed takes precedence (§2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_metadata: Option<String>,
}

/// The scope by which a client asks an authorization server for a refresh token. No business of a resource (RS-8).
///
/// ```
/// use oauth_core::metadata::{OFFLINE_ACCESS, ProtectedResourceMetadata};
///
/// let document = ProtectedResourceMetadata::new("https://mcp.example/mcp".parse()?, "https://as.example".parse()?);
/// let document = document.with_scopes(&format!("notes:read {OFFLINE_ACCESS}").parse()?);
/// assert_eq!(document.scopes_supported, ["notes:read"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const OFFLINE_ACCESS: &str = "offline_access";

impl ProtectedResourceMetadata {
    /// A resource and the authorization server that it trusts.
    #[must_use]
    pub fn new(resource: ResourceUri, authorization_server: Issuer) -> Self {
        Self {
            resource,
            authorization_servers: vec![authorization_server],
            scopes_supported: Vec::new(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: None,
            resource_documentation: None,
            resource_policy_uri: None,
            resource_tos_uri: None,
            jwks_uri: None,
            dpop_signing_alg_values_supported: Vec::new(),
            dpop_bound_access_tokens_required: None,
            signed_metadata: None,
        }
    }

    /// What basic use needs. `offline_access` is left out (RS-8).
    #[must_use]
    pub fn with_scopes(mut self, scopes: &ScopeSet) -> Self {
        self.scopes_supported =
            scopes.iter().filter(|scope| *scope != OFFLINE_ACCESS).map(str::to_owned).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_is_left_out() {
        // RS-7, and wire fact 1: a null breaks clients.
        let document =
            ProtectedResourceMetadata::new("https://h/p".parse().unwrap(), "https://as".parse().unwrap());
        let json = serde_json::to_string(&document).unwrap();
        assert!(!json.contains("null") && !json.contains("[]"), "{json}");
        assert_eq!(serde_json::from_str::<ProtectedResourceMetadata>(&json).unwrap(), document);
    }
}
