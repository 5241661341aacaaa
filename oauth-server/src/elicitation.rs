//! What an MCP server answers where it needs an account elsewhere: a link to a page of this server.

use oauth_core::{Claims, SubjectKind};
use serde::Serialize;

use crate::interaction::connect::Elicited;
use crate::server::AuthorizationServer;

/// A URL-mode elicitation of MCP. Serialized, it is the `params` of `elicitation/create`, and one of the `elicitations` of the error
/// [`REQUIRED`](Self::REQUIRED).
///
/// The link lets nobody in and says nothing of anybody: whoever opens it signs in, and goes no further unless they are who asked. A client, a
/// model and a log may see it (RS-91). It is for accounts at third parties alone: an MCP client that may not call a tool is answered with a
/// challenge, never with a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename = "url", rename_all = "camelCase")]
#[non_exhaustive]
pub struct Elicitation {
    /// Names it, for `notifications/elicitation/complete`.
    pub elicitation_id: String,
    /// Where the user goes, within [`Policy::interaction`](crate::Policy::interaction).
    pub url: String,
    /// What they read in their client.
    pub message: String,
}

impl Elicitation {
    /// `URLElicitationRequiredError`, of the protocol versions up to 2025-11-25: the code of the error whose data are
    /// `{"elicitations": […]}`. From 2026-07-28 on, the same elicitation is one of the `inputRequests` of a result.
    pub const REQUIRED: i32 = -32042;
}

/// Why there is no link.
///
/// ```
/// use oauth_server::ElicitationFault;
/// assert_eq!(ElicitationFault::Unknown("github".into()).to_string(), "no account can be connected at \"github\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElicitationFault {
    /// This server has no such third party.
    #[error("no account can be connected at {0:?}")]
    Unknown(Box<str>),
    /// The token is of another issuer, whose users nobody knows here.
    #[error("the caller is known to another issuer")]
    OtherIssuer,
    /// A client acts for itself: nobody can be asked.
    #[error("the caller is no user")]
    NoUser,
}

impl AuthorizationServer {
    /// The way to connect an account at the third party `connection`, for who called a tool: `caller` are the claims of their token, checked
    /// (`authorized.claims()`). Ask it when [`ConnectedAccounts::token_for`](oauth_core::ConnectedAccounts::token_for) has nothing for them, or
    /// [`refused`](oauth_core::ConnectedAccounts::refused) has nothing instead.
    ///
    /// # Errors
    /// [`ElicitationFault`].
    ///
    /// ```
    /// # use oauth_core::{Connection, ConnectionFault, ConnectionReply, Departure, Presented, ProviderId, ScopeSet, Secret, async_trait};
    /// # use oauth_core::{IdentityProvider, SignInFault, SignInReply, SignInStart, SignInStep};
    /// # struct Here(ProviderId);
    /// # #[async_trait]
    /// # impl IdentityProvider for Here {
    /// #     fn id(&self) -> &ProviderId { &self.0 }
    /// #     fn label(&self) -> &str { "here" }
    /// #     async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> { Err(SignInFault::Refused("nobody")) }
    /// #     async fn resume(&self, _: SignInReply<'_>) -> Result<SignInStep, SignInFault> { Err(SignInFault::Refused("nobody")) }
    /// # }
    /// # struct Weather(ProviderId, ScopeSet);
    /// # #[async_trait]
    /// # impl Connection for Weather {
    /// #     fn id(&self) -> &ProviderId { &self.0 }
    /// #     fn label(&self) -> &str { "Weather" }
    /// #     fn issuer(&self) -> &str { "https://weather.example" }
    /// #     fn scopes(&self) -> &ScopeSet { &self.1 }
    /// #     async fn begin(&self, _: &str, _: Timestamp) -> Result<Departure, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
    /// #     async fn finish(&self, _: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
    /// #     fn present(&self, _: &Secret, _: Timestamp) -> Presented { Presented::Useless }
    /// #     async fn renew(&self, _: &Secret, _: Timestamp) -> Result<Secret, ConnectionFault> { Err(ConnectionFault::Refused("example")) }
    /// #     fn spawn(&self, work: oauth_core::Background) { tokio::spawn(work); }
    /// # }
    /// use oauth_core::{Claims, Clock as _, ConnectedAccounts, SealedVault, Stores, SystemClock, Timestamp, VaultKeyring};
    /// use oauth_server::{AuthorizationServer, Elicitation};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let (here, weather) = (Here("here".parse()?), Weather("weather".parse()?, ScopeSet::empty()));
    /// let stores = Stores::memory();
    /// let vault = SealedVault::new(stores.vault.clone(), VaultKeyring::new("2026-11", &[7; 32])?);
    /// let accounts = ConnectedAccounts::new("https://as.example".parse()?, weather, vault); // `OAuthConnection` of `oauth-providers`, say
    /// let server = AuthorizationServer::builder("https://as.example", stores)
    ///     .resource("https://as.example/mcp")
    ///     .sign_in_with(here)
    ///     .connect(accounts.clone())
    ///     .build()
    ///     .await?;
    ///
    /// // In a tool, with the caller's checked claims:
    /// let caller = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
    /// assert!(accounts.token_for(&caller, SystemClock.now()).await?.is_none());
    /// let elicitation = server.elicitation("weather", &caller)?;
    /// let error = serde_json::json!({
    ///     "code": Elicitation::REQUIRED,
    ///     "message": elicitation.message,
    ///     "data": { "elicitations": [elicitation] },
    /// });
    /// assert_eq!(error["data"]["elicitations"][0]["mode"], "url");
    /// assert!(elicitation.url.starts_with("https://as.example/connect/weather?request="));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn elicitation(&self, connection: &str, caller: &Claims) -> Result<Elicitation, ElicitationFault> {
        let context = &*self.context;
        let unknown = || ElicitationFault::Unknown(connection.into());
        let label = context.accounts_at(connection).ok_or_else(unknown)?.connection().label();
        // Another issuer's `alice` is not ours.
        if *caller.issuer != *context.issuer.as_str() {
            return Err(ElicitationFault::OtherIssuer);
        }
        if caller.subject_kind != SubjectKind::User {
            return Err(ElicitationFault::NoUser);
        }
        let now = context.clock.now();
        let elicited = Elicited::new(context, caller.subject.clone(), caller.client_id.clone(), now);
        let sealed = elicited.seal_link(context, connection);
        Ok(Elicitation {
            elicitation_id: elicited.id().to_string(),
            url: context.issuer.endpoint(&format!("/connect/{connection}?request={sealed}")),
            message: format!(
                "This needs your account at {label}. Connect it on the page that opens, then try again."
            ),
        })
    }
}
