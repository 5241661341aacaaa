//! Forward auth over a resource with tokens to hand out.

use std::time::Duration;

use oauth_core::{Claims, SourceNetwork, Timestamp, TokenVerifier, VerifyFault, async_trait};
use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle};

pub(crate) const ISSUER: &str = "https://as.example";

/// `subject.scope.scope`; `down` cannot be asked about.
#[derive(Clone)]
pub(crate) struct Names(pub(crate) String);

#[async_trait]
impl TokenVerifier for Names {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Claims, VerifyFault> {
        if token == "down" {
            return Err(VerifyFault::Unavailable {
                retry_after: Duration::from_secs(2),
                source: "on purpose".into(),
            });
        }
        let (subject, scopes) = token.split_once('.').ok_or(VerifyFault::Invalid)?;
        let subject = subject.replace('_', " ").parse().map_err(|_| VerifyFault::Invalid)?;
        let scopes = scopes.split('.').map(|name| format!("notes:{name}")).collect::<Vec<_>>().join(" ");
        let mut claims = Claims::new(ISSUER, subject, "app".parse().unwrap(), Timestamp::MAX)
            .with_audience([&*self.0])
            .with_scopes(scopes.parse().unwrap());
        let name = serde_json::json!({ "name": "Älice 100%\r\nX-User-Id: root" });
        claims.extra = name.as_object().cloned().map(std::sync::Arc::new);
        Ok(claims)
    }

    /// `whence` is called as the network that the request came from.
    async fn verify_from(
        &self,
        token: &str,
        now: Timestamp,
        source: Option<SourceNetwork>,
    ) -> Result<Claims, VerifyFault> {
        let mut claims = self.verify(token, now).await?;
        if let (Some(source), "whence") = (source, claims.subject.as_str()) {
            claims.subject = source.to_string().parse().unwrap();
        }
        Ok(claims)
    }
}

pub(crate) fn notes(resource: &str) -> ProtectedResource<Names> {
    ProtectedResource::builder(resource, ISSUER)
        .scopes_supported("notes:read")
        .verifier(Names(resource.to_owned()))
        .build()
        .unwrap()
}

/// The one that may call.
pub(crate) const PAGE: &str = "https://app.example";

pub(crate) fn rules() -> PathRules {
    PathRules::new("notes:read").below("/mcp/admin", "notes:admin").anonymous(http::Method::GET, "/mcp/open")
}

pub(crate) fn forward(style: ProxyStyle, resource: &str) -> ForwardAuth {
    ForwardAuth::builder(style)
        .trusted_proxy("127.0.0.0/31")
        .resource(&notes(resource), rules().page(PAGE))
        .build()
        .unwrap()
}
