//! The authorization server: what all its operations share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use oauth_core::fetch::Network;
use oauth_core::{
    Clock, ConnectedAccounts, Entropy, Event, EventSink, GrantTypeName, IdentityProvider, Issuer,
    MemoryStore, RateLimiter, ResourceSet, ResourceUri, ScopeSet, Sealer, Stores, Subject, TokenFormat,
};

use url::Url;

use crate::clients::Clients;
use crate::config::{Builder, Checked, Links, OfferedScope, Registration};
use crate::pages::PageRenderer;
use crate::policy::{Limits, Policy};
use crate::token::{GrantType, authorization_code, refresh};

/// An OAuth 2.1 authorization server over one set of stores. Cloning shares it.
///
/// It is a `tower::Service` over all its paths, for any request body. A refused request is a response: it has no error.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Full;
/// use oauth_core::Stores;
/// use oauth_server::{AuthorizationServer, OfferedScope};
/// use tower::ServiceExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = AuthorizationServer::builder("https://as.example", Stores::memory())
///     .resource("https://as.example/mcp")
///     .scope(OfferedScope::new("notes:read", "Read your notes"))
///     .insecure_approve_all("owner") // in place of a way to sign in
///     .build()
///     .await?;
///
/// let request = Request::get("/.well-known/oauth-authorization-server").body(Full::<bytes::Bytes>::default())?;
/// let response = server.oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::OK);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuthorizationServer {
    pub(crate) context: Arc<Context>,
}

/// What every operation may use. Nothing in it changes while the server runs.
pub(crate) struct Context {
    pub(crate) issuer: Issuer,
    pub(crate) resources: Vec<(ResourceUri, Option<String>)>,
    pub(crate) default_resource: ResourceSet,
    pub(crate) resource_secrets: Vec<(ResourceUri, oauth_core::TokenHash)>,
    pub(crate) scopes: Vec<OfferedScope>,
    pub(crate) advertised: ScopeSet,
    pub(crate) grantable: ScopeSet,
    pub(crate) clients: Clients,
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    pub(crate) connected: Vec<ConnectedAccounts>,
    pub(crate) grant_types: HashMap<GrantTypeName, Arc<dyn GrantType>>,
    pub(crate) registration: Registration,
    pub(crate) stores: Stores,
    pub(crate) flood: Arc<dyn RateLimiter>,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) pages: Arc<dyn PageRenderer>,
    pub(crate) sealer: Sealer,
    pub(crate) format: TokenFormat,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) approve_all: Option<Subject>,
    pub(crate) advertise_offline_access: bool,
    pub(crate) links: Links,
    pub(crate) landing: bool,
}

impl AuthorizationServer {
    /// Begins to build a server that is `issuer`: an https URL (http on loopback for development), as clients will see it.
    pub fn builder(issuer: &str, stores: Stores) -> Builder {
        Builder::new(issuer, stores)
    }

    /// Its identifier.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.context.issuer
    }

    /// The scopes that clients should ask for at sign-in.
    #[must_use]
    pub fn advertised_scopes(&self) -> &ScopeSet {
        &self.context.advertised
    }

    pub(crate) fn assemble(builder: Builder, checked: Checked, sealer: Sealer) -> Self {
        let mut grant_types: HashMap<GrantTypeName, Arc<dyn GrantType>> = HashMap::new();
        for grant_type in [
            Arc::new(authorization_code::AuthorizationCode) as Arc<dyn GrantType>,
            Arc::new(refresh::RefreshToken),
        ]
        .into_iter()
        .chain(builder.grant_types)
        {
            grant_types.insert(grant_type.name(), grant_type);
        }
        let clients = Clients::new(
            checked.clients,
            builder.stores.clients.clone(),
            builder.fetch,
            builder.pinned,
            builder.development_documents,
            builder.document_policy,
            builder.logos,
        );
        let default_resource = ResourceSet::from(checked.resources[0].0.clone());
        Self {
            context: Arc::new(Context {
                issuer: checked.issuer,
                default_resource,
                resources: checked.resources,
                resource_secrets: checked.resource_secrets,
                scopes: builder.scopes,
                advertised: checked.advertised,
                grantable: checked.grantable,
                clients,
                providers: builder.providers,
                connected: builder.connected,
                grant_types,
                registration: builder.registration,
                stores: builder.stores,
                // Floods are counted in the process: a write for each request would be the flood's aim.
                flood: Arc::new(MemoryStore::default()),
                policy: builder.policy,
                limits: builder.limits,
                clock: builder.clock,
                entropy: builder.entropy,
                events: builder.events,
                pages: builder.pages,
                sealer,
                format: checked.format,
                trusted_proxies: checked.trusted_proxies,
                approve_all: checked.approve_all,
                advertise_offline_access: builder.advertise_offline_access,
                links: builder.links,
                landing: builder.landing,
            }),
        }
    }
}

impl Context {
    /// Whether tokens may be issued for `resource`.
    pub(crate) fn knows_resource(&self, resource: &ResourceUri) -> bool {
        self.resources.iter().any(|(own, _)| own == resource)
    }

    /// Whether the URL is of this server itself, also with the dot of the root behind its host.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        is_of(url, &self.issuer)
    }

    /// The accounts at a third party.
    pub(crate) fn accounts_at(&self, connection: &str) -> Option<&ConnectedAccounts> {
        self.connected.iter().find(|accounts| accounts.connection().id().as_str() == connection)
    }

    pub(crate) fn record(&self, event: &Event<'_>) {
        self.events.record(event);
    }
}

/// Whether the URL is of `issuer`'s origin.
pub(crate) fn is_of(url: &Url, issuer: &Issuer) -> bool {
    let host = |url: &Url| url.host_str().map(|host| host.trim_end_matches('.').to_owned());
    Url::parse(issuer.as_str()).is_ok_and(|own| {
        own.scheme() == url.scheme()
            && host(&own) == host(url)
            && own.port_or_known_default() == url.port_or_known_default()
    })
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer").field("issuer", &self.context.issuer).finish_non_exhaustive()
    }
}
