//! What a request is entitled to: decided by a grant type, moved to the mint, never widened.

use oauth_core::{
    CredentialKey, Grant, ResourceSet, ScopeSet, Secret, Subject, SubjectKind, Timestamp, TokenHash,
};

use super::fault::TokenFault;
use super::grant_type::Asked;

/// What a request is entitled to. It can be narrowed, not widened, and is used up by minting.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{GrantTypeName, SubjectKind, async_trait};
/// use oauth_server::{Asked, Entitlement, GrantType, TokenFault};
///
/// /// Jobs may read, for a minute.
/// struct Jobs;
///
/// #[async_trait]
/// impl GrantType for Jobs {
///     fn name(&self) -> GrantTypeName {
///         GrantTypeName::ClientCredentials
///     }
///     async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
///         let job = "job:nightly".parse().map_err(|_| TokenFault::UnauthorizedClient)?;
///         let read = "notes:read".parse().map_err(|_| TokenFault::ScopeMalformed)?;
///         let entitlement = Entitlement::new(&asked, job, SubjectKind::Client)?;
///         Ok(entitlement.narrowed_to(&read).until(asked.now() + Duration::from_secs(60)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let clients = r#"[{"client_id": "job", "token_endpoint_auth_method": "client_secret_post",
/// #     "client_secret": "sixteen characters", "grant_types": ["client_credentials"], "scope": "notes:read notes:write"}]"#;
/// # let server = oauth_server::AuthorizationServer::builder("https://as.example", oauth_core::Stores::memory())
/// #     .resource("https://as.example/mcp")
/// #     .scope(oauth_server::OfferedScope::new("notes:read", "Read"))
/// #     .scope(oauth_server::OfferedScope::new("notes:write", "Write"))
/// #     .clients_json(clients).insecure_approve_all("owner").grant_type(Jobs).build().await?;
/// # let form = "grant_type=client_credentials&client_id=job&client_secret=sixteen+characters";
/// # let request = http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
/// # let request = request.body(http_body_util::Full::<bytes::Bytes>::from(form))?;
/// # let response = tower::ServiceExt::oneshot(server, request).await?;
/// # let status = response.status();
/// # let body = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
/// # let answer: serde_json::Value = serde_json::from_slice(&body)?;
/// # assert_eq!(status, 200);
/// assert_eq!(answer["scope"], "notes:read");
/// assert_eq!(answer["expires_in"], 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "an entitlement that nobody mints from buys nothing"]
#[derive(Debug)]
pub struct Entitlement {
    pub(super) basis: Basis,
    pub(super) scopes: ScopeSet,
    pub(super) resources: ResourceSet,
    pub(super) not_after: Option<Timestamp>,
}

/// On what it rests.
#[derive(Debug)]
pub(super) enum Basis {
    /// A credential that is spent for it.
    Spends {
        key: CredentialKey,
        presented: Secret,
        grant: Box<Grant>,
        is_code: bool,
        /// What a retry must ask for again.
        request: TokenHash,
    },
    /// Nothing that was there before: a grant of its own, without a refresh token (REF-13).
    Opens { subject: Subject, kind: SubjectKind },
}

impl Entitlement {
    /// What `subject` is entitled to by itself: the scopes and resources that are asked for, within what this server grants and the
    /// client's ceiling. It never comes with a refresh token (REF-13).
    ///
    /// # Errors
    /// [`TokenFault::ScopeMalformed`], [`TokenFault::ScopeNotGranted`], [`TokenFault::TargetNotGranted`].
    pub fn new(asked: &Asked<'_>, subject: Subject, kind: SubjectKind) -> Result<Self, TokenFault> {
        let context = asked.context;
        let ceiling = asked.client.scope_ceiling.as_ref().unwrap_or(&context.advertised);
        let scopes = asked.scopes_within(&context.grantable.intersection(ceiling))?;
        let known: ResourceSet = context.resources.iter().map(|(resource, _)| resource.clone()).collect();
        let resources = if asked.form.get("resource").is_some() {
            asked.resources_within(&known)?
        } else {
            context.default_resource.clone()
        };
        Ok(Self { basis: Basis::Opens { subject, kind }, scopes, resources, not_after: None })
    }

    /// Only what is in `scopes`, too.
    pub fn narrowed_to(mut self, scopes: &ScopeSet) -> Self {
        self.scopes = self.scopes.intersection(scopes);
        self
    }

    /// Nothing that is issued lives longer than this.
    pub fn until(mut self, not_after: Timestamp) -> Self {
        self.not_after = Some(self.not_after.map_or(not_after, |earlier| earlier.min(not_after)));
        self
    }

    /// The scopes of the access token.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The resources of the access token.
    #[must_use]
    pub fn resources(&self) -> &ResourceSet {
        &self.resources
    }
}
