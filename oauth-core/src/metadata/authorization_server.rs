//! The authorization server's metadata, [RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2).

use serde::{Deserialize, Serialize};

use crate::issuer::Issuer;

/// The document that clients read before anything else. What is not there is left out: never `null`, never an empty list
/// (AS-21).
///
/// ```
/// use oauth_core::metadata::AuthorizationServerMetadata;
///
/// let document = AuthorizationServerMetadata::new("https://as.example".parse()?, "https://as.example/authorize", "https://as.example/token");
/// let json = serde_json::to_value(&document)?;
/// assert_eq!(json["code_challenge_methods_supported"], serde_json::json!(["S256"]));
/// assert!(json.get("registration_endpoint").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuthorizationServerMetadata {
    /// The identifier, byte for byte as it stands in `iss`.
    pub issuer: Issuer,
    /// Where a browser is sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Public keys. Some clients require it even where no token is signed (AS-8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// RFC 7591.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// RFC 7662.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// The scopes that may be asked for. All clients ask for what stands here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `code` alone.
    pub response_types_supported: Vec<String>,
    /// `query` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Explicit: the RFC's default has the implicit grant (AS-12).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// `S256` alone (AS-7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// How clients may authenticate at the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How clients may authenticate at the revocation endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// How callers may authenticate at the introspection endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 9207: every authorization response carries `iss`.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a `client_id` may be the URL of a metadata document.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
    /// RFC 9728 §4: the resources it issues tokens for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    /// For people who write clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    /// The operator's privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_policy_uri: Option<String>,
    /// The operator's terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_tos_uri: Option<String>,
    /// The languages of its pages, as tags of RFC 5646.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// What an OpenID Connect document has besides; `None` in the document of RFC 8414.
    #[serde(flatten)]
    pub openid: Option<OpenIdMetadata>,
}

/// What OpenID Connect Discovery §3 requires besides. Clients read that document too, and some refuse it without these (AS-8,
/// AS-19).
///
/// ```
/// use oauth_core::metadata::OpenIdMetadata;
/// assert!(!OpenIdMetadata::default().request_uri_parameter_supported);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenIdMetadata {
    /// `public`.
    pub subject_types_supported: Vec<String>,
    /// With what ID tokens would be signed.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Explicit.
    pub claims_parameter_supported: bool,
    /// Explicit.
    pub request_parameter_supported: bool,
    /// Explicit: OpenID's default is `true`.
    pub request_uri_parameter_supported: bool,
}

impl Default for OpenIdMetadata {
    fn default() -> Self {
        Self {
            subject_types_supported: vec!["public".to_owned()],
            id_token_signing_alg_values_supported: vec!["ES256".to_owned()],
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
        }
    }
}

impl AuthorizationServerMetadata {
    /// The document of a server that does the code grant with `S256`, and nothing else yet.
    #[must_use]
    pub fn new(issuer: Issuer, authorization_endpoint: &str, token_endpoint: &str) -> Self {
        Self {
            issuer,
            authorization_endpoint: authorization_endpoint.to_owned(),
            token_endpoint: token_endpoint.to_owned(),
            jwks_uri: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            introspection_endpoint: None,
            scopes_supported: Vec::new(),
            response_types_supported: vec!["code".to_owned()],
            response_modes_supported: vec!["query".to_owned()],
            grant_types_supported: Vec::new(),
            code_challenge_methods_supported: vec!["S256".to_owned()],
            token_endpoint_auth_methods_supported: Vec::new(),
            revocation_endpoint_auth_methods_supported: Vec::new(),
            introspection_endpoint_auth_methods_supported: Vec::new(),
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: false,
            protected_resources: Vec::new(),
            service_documentation: None,
            op_policy_uri: None,
            op_tos_uri: None,
            ui_locales_supported: Vec::new(),
            openid: None,
        }
    }
}
