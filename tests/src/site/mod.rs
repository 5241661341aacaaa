//! A whole site in this process: an authorization server, the MCP server that it protects, clients it knows, an owner who signs in.

mod builder;
mod clients;
mod heard;
mod mcp;
mod visit;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use oauth_core::Stores;
use oauth_core::fetch::StaticFetch;
use oauth_core::testing::FixedClock;
use oauth_server::{AuthorizationServer, PeerAddress};
use url::Url;

use crate::browser::{Browser, BrowserError};
use crate::client::{Client, ClientError, Registration};
use crate::faulty::Faults;
use crate::person::Person;
use crate::wire::InProcess;

pub use builder::SiteBuilder;
pub use clients::KnownClient;
pub use heard::Heard;
pub use mcp::{Call, Calls};
pub use visit::Visit;

/// An authorization server and a protected MCP server on a clock that stands still, over a store that can fail.
///
/// Both live at [`Site::ORIGIN`], put together as a program would: the MCP server at [`Site::MCP`] has the tools `list_notes`
/// (scope `notes:read`), `add_note` (`notes:write`) and `delete_note` (`notes:delete`, which is granted on request alone), and answers
/// every other method, too. The owner signs in with [`Site::PASSPHRASE`].
///
/// ```
/// use oauth_testing::{KnownClient, Site};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let site = Site::new().await?;
/// let mut visit = site.visit(KnownClient::Desktop).await?;
/// let tokens = visit.connect().await?;
/// visit.call_tool(&tokens, "list_notes").await?.result()?;
///
/// assert_eq!(site.calls().last().and_then(|call| call.scope.as_deref().map(str::to_owned)).as_deref(), Some("notes:read notes:write"));
/// # Ok::<(), oauth_testing::SiteError>(())
/// # }).unwrap();
/// ```
pub struct Site {
    app: Router,
    server: AuthorizationServer,
    clock: FixedClock,
    stores: Stores,
    faults: Faults,
    documents: Arc<StaticFetch>,
    events: Heard,
    calls: Calls,
    plan: builder::Plan,
}

impl Site {
    /// Where everything is, and who issues tokens.
    pub const ORIGIN: &'static str = "https://mcp.example";
    /// The MCP server.
    pub const MCP: &'static str = "https://mcp.example/mcp";
    /// The owner's passphrase.
    pub const PASSPHRASE: &'static str = "correct horse battery staple";
    /// The secret by which the MCP server may introspect tokens.
    pub const RESOURCE_SECRET: &'static str = "a secret of the resource";
    /// Where requests come from, unless a test says otherwise.
    pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// A site over a store in memory.
    ///
    /// # Errors
    /// [`SiteError::Build`].
    pub async fn new() -> Result<Self, SiteError> {
        Self::builder().build().await
    }

    /// A site of which everything can be bent.
    pub fn builder() -> SiteBuilder {
        SiteBuilder::default()
    }

    /// The same site as another process serves it: the same store, key and clock, and caches of its own.
    ///
    /// # Errors
    /// [`SiteError::Build`].
    pub async fn twin(&self) -> Result<Self, SiteError> {
        self.plan.clone().build().await
    }

    /// The way to it.
    #[must_use]
    pub fn wire(&self) -> InProcess<Router> {
        self.wire_from(Self::ADDRESS)
    }

    /// The way to it from another address.
    #[must_use]
    pub fn wire_from(&self, address: IpAddr) -> InProcess<Router> {
        InProcess::new(self.app.clone()).with_prepared(move |request| {
            request.extensions_mut().insert(PeerAddress(address));
        })
    }

    /// The routes, to be mounted elsewhere or served.
    pub fn router(&self) -> Router {
        self.app.clone()
    }

    /// A fresh browser on the site's clock.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.wire()).with_clock(Arc::new(self.clock.clone()))
    }

    /// The owner, who agrees to everything.
    #[must_use]
    pub fn owner(&self) -> Person {
        Person::new(Self::PASSPHRASE)
    }

    /// A client that waits for the browser at `redirect_uri`.
    ///
    /// # Errors
    /// None: the address is one.
    pub fn client(&self, redirect_uri: &str) -> Result<Client, ClientError> {
        Ok(Client::new(self.wire(), Self::MCP)?.with_redirect_uri(redirect_uri))
    }

    /// A client that the operator knows, on its way in with a fresh browser.
    ///
    /// # Errors
    /// [`SiteError::Client`] if discovery fails.
    pub async fn visit(&self, client: KnownClient) -> Result<Visit, SiteError> {
        self.visit_as(client.registration(), client.redirect_uri()).await
    }

    /// Any client, on its way in with a fresh browser.
    ///
    /// # Errors
    /// [`SiteError::Client`] if discovery fails.
    pub async fn visit_as(&self, registration: Registration, redirect_uri: &str) -> Result<Visit, SiteError> {
        let client = self.client(redirect_uri)?;
        let found = client.discover().await?;
        Ok(Visit { client, found, registration, browser: self.browser(), person: self.owner() })
    }

    /// A client that nobody knew before, registered (RFC 7591), on its way in with a fresh browser.
    ///
    /// # Errors
    /// [`SiteError::Client`] if discovery or registration fails.
    pub async fn visit_of_newcomer(&self) -> Result<Visit, SiteError> {
        let client = self.client(Client::REDIRECT_URI)?;
        let found = client.discover().await?;
        let registration = client.register(&found, &client.registration()).await?;
        Ok(Visit { client, found, registration, browser: self.browser(), person: self.owner() })
    }

    /// An address on the site: `/token`.
    ///
    /// # Panics
    /// If `path` does not begin with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        assert!(path.starts_with('/'), "a path begins with a slash: {path:?}");
        // An origin and a path make a URL.
        format!("{}{path}", Self::ORIGIN).parse().expect("an origin and a path make a url")
    }

    /// The authorization server, as a program has it beside the routes.
    #[must_use]
    pub fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &FixedClock {
        &self.clock
    }

    /// Its store.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// What makes the store fail.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the internet answers when the server fetches clients' metadata documents.
    #[must_use]
    pub fn documents(&self) -> &StaticFetch {
        &self.documents
    }

    /// The audit so far.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.events.all()
    }

    /// What reached the MCP server so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.all()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("origin", &Self::ORIGIN).finish_non_exhaustive()
    }
}

/// Why a site could not be built, or a visit did not come to its end.
///
/// ```
/// use oauth_testing::{ClientError, SiteError};
/// assert_eq!(SiteError::from(ClientError::Missing("code")).to_string(), "no code in the answer");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The server cannot be built so.
    #[error(transparent)]
    Build(#[from] oauth_server::BuildError),
    /// The resource cannot be protected so.
    #[error(transparent)]
    Resource(#[from] oauth_resource::ConfigErrors),
    /// The passphrase cannot be kept.
    #[error(transparent)]
    Passphrase(#[from] oauth_providers::PassphraseError),
    /// The client could not go on.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The browser could not go on.
    #[error(transparent)]
    Browser(#[from] BrowserError),
}

impl From<oauth_core::StoreError> for SiteError {
    fn from(error: oauth_core::StoreError) -> Self {
        Self::Passphrase(error.into())
    }
}
