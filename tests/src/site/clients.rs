//! The clients that a site's operator vouches for, and one that is known by its document.

use crate::client::{Client, Registration};

/// A client that a [`Site`](crate::Site) knows.
///
/// ```
/// use oauth_testing::KnownClient;
/// assert_eq!(KnownClient::Gateway.registration().auth_method, "client_secret_basic");
/// assert_eq!(KnownClient::Document.registration().client_id, "https://tool.example/client.json");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownClient {
    /// Public, on the web: the only one that gets its redirects by https without a secret.
    WebApp,
    /// Public, on the user's own machine: loopback.
    Desktop,
    /// With a secret, by HTTP Basic.
    Gateway,
    /// With a secret, in the form.
    Legacy,
    /// Known by the metadata document at its `client_id`. Nobody vouches for it.
    Document,
}

impl KnownClient {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::WebApp, Self::Desktop, Self::Gateway, Self::Legacy, Self::Document];

    /// The secret of those that have one.
    pub const SECRET: &'static str = "s3cret of a client & more: 100%";

    /// The document of [`Document`](Self::Document).
    pub const DOCUMENT: &'static str = r#"{
        "client_id": "https://tool.example/client.json",
        "client_name": "Tool",
        "client_uri": "https://tool.example",
        "redirect_uris": ["https://tool.example/cb", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none"
    }"#;

    /// What stands in the configuration.
    pub(super) const CONFIGURED: &'static str = r#"[
        {"client_id":"web-app","client_name":"Web App","redirect_uris":["https://app.example/cb"]},
        {"client_id":"desktop","client_name":"Desktop","redirect_uris":["http://127.0.0.1:33418/oauth/callback"]},
        {"client_id":"gateway","client_name":"Gateway","redirect_uris":["https://gateway.example/cb"],
         "client_secret":"s3cret of a client & more: 100%"},
        {"client_id":"legacy","client_name":"Legacy","redirect_uris":["https://legacy.example/cb"],
         "client_secret":"s3cret of a client & more: 100%","token_endpoint_auth_method":"client_secret_post"}
    ]"#;

    /// Who it is.
    #[must_use]
    pub fn registration(self) -> Registration {
        match self {
            Self::WebApp => Registration::public("web-app"),
            Self::Desktop => Registration::public("desktop"),
            Self::Gateway => Registration::confidential("gateway", Self::SECRET, "client_secret_basic"),
            Self::Legacy => Registration::confidential("legacy", Self::SECRET, "client_secret_post"),
            Self::Document => Registration::public("https://tool.example/client.json"),
        }
    }

    /// Where it waits for the browser.
    #[must_use]
    pub const fn redirect_uri(self) -> &'static str {
        match self {
            Self::WebApp => "https://app.example/cb",
            Self::Desktop => Client::REDIRECT_URI,
            Self::Gateway => "https://gateway.example/cb",
            Self::Legacy => "https://legacy.example/cb",
            Self::Document => "https://tool.example/cb",
        }
    }
}
