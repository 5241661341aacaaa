//! The port for grant types: what a request is entitled to.

use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{
    Client, Form, GrantStore, GrantTypeName, Issuer, ResourceSet, ResourceUri, ScopeSet, StoreError, Subject,
    Timestamp, async_trait,
};

use super::entitlement::Entitlement;
use super::fault::TokenFault;
use crate::server::Context;

/// One value of `grant_type`. It *decides* what a request is entitled to, and issues nothing.
///
/// ```
/// use oauth_core::{GrantTypeName, SubjectKind, async_trait};
/// use oauth_server::{Asked, Entitlement, GrantType, TokenFault};
///
/// /// RFC 6749 §4.4, for confidential clients.
/// struct ClientCredentials;
///
/// #[async_trait]
/// impl GrantType for ClientCredentials {
///     fn name(&self) -> GrantTypeName {
///         GrantTypeName::ClientCredentials
///     }
///
///     async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
///         if asked.client().auth.secrets().is_empty() {
///             return Err(TokenFault::UnauthorizedClient);
///         }
///         let subject = format!("client:{}", asked.client().id).parse().map_err(|_| TokenFault::UnauthorizedClient)?;
///         Entitlement::new(&asked, subject, SubjectKind::Client)
///     }
/// }
/// ```
#[async_trait]
pub trait GrantType: Send + Sync + 'static {
    /// Its registered name.
    fn name(&self) -> GrantTypeName;

    /// What the request is entitled to. The client is authenticated and may use this grant type.
    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault>;
}

/// A token request by an authenticated client.
///
/// ```
/// use oauth_core::{GrantTypeName, SubjectKind, async_trait};
/// use oauth_server::{Asked, Entitlement, GrantType, TokenFault};
///
/// /// Jobs say which they are.
/// struct Jobs;
///
/// #[async_trait]
/// impl GrantType for Jobs {
///     fn name(&self) -> GrantTypeName {
///         GrantTypeName::ClientCredentials
///     }
///     async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
///         let job = asked.form().get("job").ok_or(TokenFault::Malformed("job is missing"))?;
///         let subject = format!("{}:{job}", asked.client().id).parse().map_err(|_| TokenFault::Malformed("job is no name"))?;
///         Entitlement::new(&asked, subject, SubjectKind::Client)
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
/// // Nobody said which.
/// assert_eq!((status.as_u16(), &answer["error"]), (400, &"invalid_request".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub(crate) form: &'a Form<'a>,
    pub(crate) client: &'a Client,
    pub(crate) context: &'a Context,
    pub(crate) now: Timestamp,
}

impl<'a> Asked<'a> {
    /// The request's parameters. `resource` and `audience` may stand there more than once: [`Form::all`]. `scope` is as it was sent, control
    /// characters included; [`scopes_within`](Self::scopes_within) reads it.
    #[must_use]
    pub const fn form(&self) -> &'a Form<'a> {
        self.form
    }

    /// Who asks.
    #[must_use]
    pub const fn client(&self) -> &'a Client {
        self.client
    }

    /// When.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// This server.
    #[must_use]
    pub fn issuer(&self) -> &'a Issuer {
        &self.context.issuer
    }

    /// The ledger.
    #[must_use]
    pub fn grants(&self) -> &'a dyn GrantStore {
        &*self.context.stores.grants
    }

    /// Those of `granted` that are this server's, today: another issuer's over the same store are not (A-CODE-5, REF-10).
    pub(crate) fn offered(&self, granted: &ResourceSet) -> ResourceSet {
        granted.as_slice().iter().filter(|resource| self.context.knows_resource(resource)).cloned().collect()
    }

    /// The resources that are asked for (RFC 8707 §2.2), all within `granted`; all of `granted` if none is named.
    ///
    /// # Errors
    /// [`TokenFault::TargetNotGranted`].
    pub fn resources_within(&self, granted: &ResourceSet) -> Result<ResourceSet, TokenFault> {
        let named: Result<Vec<ResourceUri>, _> = self.form.all("resource").map(str::parse).collect();
        let named = named.map_err(|_| TokenFault::TargetNotGranted)?;
        if named.is_empty() {
            return Ok(granted.clone());
        }
        let asked: ResourceSet = named.into_iter().collect();
        if asked.is_subset(granted) { Ok(asked) } else { Err(TokenFault::TargetNotGranted) }
    }

    /// The scopes that are asked for, all within `granted`; all of `granted` if none is named.
    ///
    /// Nothing is dropped: what was granted was told (RFC 6749 §6). `offline_access` asks for no scope, and goes with any.
    ///
    /// # Errors
    /// [`TokenFault::ScopeMalformed`], [`TokenFault::ScopeNotGranted`].
    pub fn scopes_within(&self, granted: &ScopeSet) -> Result<ScopeSet, TokenFault> {
        let Some(text) = self.form.get("scope") else {
            return Ok(granted.clone());
        };
        let named: ScopeSet = text.parse().map_err(|_| TokenFault::ScopeMalformed)?;
        let asked: ScopeSet =
            named.iter().filter(|scope| *scope != OFFLINE_ACCESS || granted.contains(scope)).collect();
        if !asked.is_subset(granted) {
            return Err(TokenFault::ScopeNotGranted);
        }
        Ok(if asked.is_empty() { granted.clone() } else { asked })
    }

    /// Whether the subject has an account that was disabled.
    pub(crate) async fn is_disabled(&self, subject: &Subject) -> Result<bool, StoreError> {
        Ok(self.context.stores.accounts.find(subject).await?.is_some_and(|account| account.disabled))
    }
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("client", &self.client.id).finish_non_exhaustive()
    }
}
