//! The builder.

use std::fmt;
use std::sync::Arc;

use oauth_core::fetch::Fetch;
use oauth_core::{
    Client, Clock, ConnectedAccounts, Entropy, EventSink, IdentityProvider, NoEvents, OsEntropy, Sealer,
    StoreError, Stores, SystemClock,
};

use super::checked::Checked;
use super::documents::DocumentPolicy;
use super::options::{OfferedScope, Registration};
use crate::clients::configured::ClientConfig;
use crate::pages::{DefaultPages, PageRenderer, Theme};
use crate::policy::{Limits, Policy};
use crate::server::AuthorizationServer;
use crate::token::GrantType;

/// Everything that is wrong with a configuration, a line each.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_server::{AuthorizationServer, BuildError};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let wrong = AuthorizationServer::builder("http://as.example", Stores::memory()).trusted_proxy("everybody").build().await;
/// let Err(BuildError::Config(faults)) = wrong else { panic!("nothing in it is right") };
/// // The issuer, the resource that is missing, the network, the way to sign in that is missing: all at once.
/// assert_eq!(faults.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Values that cannot be meant.
    #[error("the configuration is wrong:{}", .0.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Config(Vec<String>),
    /// The key that seals tickets cannot be read from the store.
    #[error("the store cannot be read at start")]
    Store(#[from] StoreError),
}

/// Builds an [`AuthorizationServer`].
///
/// What is not set has a safe default: S256 alone, consent on, secrets hashed, limits on. Holes are called `insecure_*`.
///
/// ```
/// use oauth_core::Stores;
/// use oauth_server::{AuthorizationServer, Limits, OfferedScope, Policy, Registration, pages::Theme};
/// # use oauth_core::{IdentityProvider, ProviderId, SignInFault, SignInReply, SignInStart, SignInStep, async_trait};
/// # struct Nobody(ProviderId);
/// # #[async_trait]
/// # impl IdentityProvider for Nobody {
/// #     fn id(&self) -> &ProviderId { &self.0 }
/// #     fn label(&self) -> &str { "nobody" }
/// #     async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> { Err(SignInFault::Refused("nobody")) }
/// #     async fn resume(&self, _: SignInReply<'_>) -> Result<SignInStep, SignInFault> { Err(SignInFault::Refused("nobody")) }
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let provider = Nobody("nobody".parse()?); // the example of `IdentityProvider` is a whole one
/// let mut limits = Limits::default();
/// limits.set("register-source=10/60")?;
///
/// let server = AuthorizationServer::builder("https://as.example", Stores::memory())
///     .theme(&Theme::new("Notes")?)
///     .named_resource("https://mcp.example/mcp", "Notes")
///     .scope(OfferedScope::new("notes:read", "Read your notes").required())
///     .scope(OfferedScope::new("notes:delete", "Delete your notes").on_request())
///     .sign_in_with(provider)
///     .registration(Registration::RedirectHosts(vec!["app.example".into()]))
///     .policy(Policy::strict())
///     .limits(limits)
///     .trusted_proxy("10.0.0.0/8")
///     .build()
///     .await?;
/// assert_eq!(server.issuer().as_str(), "https://as.example");
/// assert_eq!(server.advertised_scopes().as_str(), "notes:read");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use]
pub struct Builder {
    pub(crate) issuer: String,
    pub(crate) stores: Stores,
    pub(crate) resources: Vec<(String, Option<String>)>,
    pub(crate) scopes: Vec<OfferedScope>,
    pub(crate) clients: Vec<ClientConfig>,
    pub(crate) resource_secrets: Vec<(String, String)>,
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    pub(crate) connected: Vec<ConnectedAccounts>,
    pub(crate) grant_types: Vec<Arc<dyn GrantType>>,
    pub(crate) registration: Registration,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    pub(crate) pinned: Vec<(String, String)>,
    pub(crate) document_policy: DocumentPolicy,
    pub(crate) logos: Option<Arc<dyn Fetch>>,
    pub(crate) development_documents: bool,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) pages: Arc<dyn PageRenderer>,
    pub(crate) token_prefix: String,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) approve_all: Option<String>,
    pub(crate) advertise_offline_access: bool,
    pub(crate) links: Links,
    pub(crate) landing: bool,
}

/// Pages of the operator that the metadata names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) documentation: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) terms: Option<String>,
    pub(crate) languages: Vec<String>,
}

/// How the pages look until somebody says it: they bear the issuer's host.
fn theme_of(issuer: &str) -> Theme {
    let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let named = host.map(Theme::new).and_then(Result::ok);
    named.unwrap_or_else(|| Theme::new("Authorization").expect("a plain name is a theme"))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(issuer: &str, stores: Stores) -> Self {
        Self {
            issuer: issuer.to_owned(),
            stores,
            resources: Vec::new(),
            scopes: Vec::new(),
            clients: Vec::new(),
            resource_secrets: Vec::new(),
            providers: Vec::new(),
            connected: Vec::new(),
            grant_types: Vec::new(),
            registration: Registration::default(),
            fetch: None,
            pinned: Vec::new(),
            document_policy: DocumentPolicy::default(),
            logos: None,
            development_documents: false,
            policy: Policy::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            events: Arc::new(NoEvents),
            pages: Arc::new(DefaultPages::new(&theme_of(issuer))),
            token_prefix: "mcp".to_owned(),
            trusted_proxies: Vec::new(),
            approve_all: None,
            advertise_offline_access: false,
            links: Links::default(),
            landing: true,
        }
    }

    /// A resource that tokens are issued for (RFC 8707). The first is the default for clients that name none (AS-42).
    pub fn resource(mut self, id: &str) -> Self {
        self.resources.push((id.to_owned(), None));
        self
    }

    /// A resource with the name that people read.
    pub fn named_resource(mut self, id: &str, name: &str) -> Self {
        self.resources.push((id.to_owned(), Some(name.to_owned())));
        self
    }

    /// A scope that can be granted.
    pub fn scope(mut self, scope: OfferedScope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// A client that the operator vouches for.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(ClientConfig::from(client));
        self
    }

    /// Clients from configuration: a JSON list with `client_id`, `redirect_uris`, `client_name`, `token_endpoint_auth_method`,
    /// `client_secret`, `scope`, `grant_types`, `logo_uri`. Scopes and grant types are some that this server offers.
    ///
    /// ```
    /// use oauth_core::Stores;
    /// use oauth_server::AuthorizationServer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let clients = r#"[{"client_id": "console", "client_name": "Console", "redirect_uris": ["https://console.example/cb"],
    ///     "token_endpoint_auth_method": "client_secret_basic", "client_secret": "at least sixteen characters"}]"#;
    /// let builder = AuthorizationServer::builder("https://as.example", Stores::memory()).resource("https://as.example/mcp");
    /// assert!(builder.insecure_approve_all("owner").clients_json(clients).build().await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn clients_json(mut self, json: &str) -> Self {
        self.clients.push(ClientConfig::Json(json.to_owned()));
        self
    }

    /// A secret by which the resource `id` authenticates at the introspection endpoint: as a bearer token, in the header
    /// `X-Resource-Secret`, or as the password of HTTP Basic beside the resource's identifier.
    pub fn resource_secret(mut self, id: &str, secret: &str) -> Self {
        self.resource_secrets.push((id.to_owned(), secret.to_owned()));
        self
    }

    /// A way to sign in. Several are offered side by side.
    pub fn sign_in_with(mut self, provider: impl IdentityProvider) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// A third party at which users connect an account of theirs, when a tool needs it: on the page that
    /// [`elicitation`](AuthorizationServer::elicitation) leads to. Its redirect URI, to be registered there, is the issuer with
    /// `/connect/{id}/callback`.
    pub fn connect(mut self, accounts: ConnectedAccounts) -> Self {
        self.connected.push(accounts);
        self
    }

    /// A grant type besides authorization code and refresh, which are this server's own. Each name once.
    pub fn grant_type(mut self, grant_type: impl GrantType) -> Self {
        self.grant_types.push(Arc::new(grant_type));
        self
    }

    /// Who may register (RFC 7591).
    pub fn registration(mut self, registration: Registration) -> Self {
        self.registration = registration;
        self
    }

    /// How long things live.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How often things may happen.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the time comes from.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where random bytes come from.
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Who hears what happens.
    pub fn events(mut self, events: impl EventSink) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Name, logo and colour of the pages. The name is the issuer's host by default.
    pub fn theme(self, theme: &Theme) -> Self {
        self.pages(DefaultPages::new(theme))
    }

    /// Other pages.
    pub fn pages(mut self, pages: impl PageRenderer) -> Self {
        self.pages = Arc::new(pages);
        self
    }

    /// What tokens begin with, for secret scanners: 1 to 16 lower-case letters and digits; `mcp` by default.
    pub fn token_prefix(mut self, prefix: &str) -> Self {
        self.token_prefix = prefix.to_owned();
        self
    }

    /// A network (`10.0.0.0/8`) whose `X-Forwarded-For` is believed: the reverse proxy's. Nobody's, unless named.
    ///
    /// # Deployment
    /// Whoever is in this network can claim any address by that header: name the proxy, not the whole of a company. With a proxy and without
    /// this, all visitors have the proxy's address, and share its limits.
    pub fn trusted_proxy(mut self, network: &str) -> Self {
        self.trusted_proxies.push(network.to_owned());
        self
    }

    /// Advertises `offline_access`: some clients then ask for it by themselves, and for consent each time. Refresh tokens are issued
    /// without, too (AS-18).
    pub fn advertise_offline_access(mut self) -> Self {
        self.advertise_offline_access = true;
        self
    }

    /// A page for people who write clients (`service_documentation`).
    pub fn documentation(mut self, url: &str) -> Self {
        self.links.documentation = Some(url.to_owned());
        self
    }

    /// The operator's privacy policy (`op_policy_uri`).
    pub fn privacy_policy(mut self, url: &str) -> Self {
        self.links.policy = Some(url.to_owned());
        self
    }

    /// The operator's terms (`op_tos_uri`).
    pub fn terms_of_service(mut self, url: &str) -> Self {
        self.links.terms = Some(url.to_owned());
        self
    }

    /// The languages of the [`pages`](Self::pages), as tags of RFC 5646 (`ui_locales_supported`). None is named unless it is said here: pages
    /// of your own know what they speak. The ones that come along speak English.
    pub fn ui_locales<'l>(mut self, tags: impl IntoIterator<Item = &'l str>) -> Self {
        self.links.languages = tags.into_iter().map(str::to_owned).collect();
        self
    }

    /// Without the page at the server's own address, `/`, which tells browsers what this is and how to connect to it. A layer leaves that
    /// address to the app it stands before, whatever is said here, and a router's own route goes before its fallback: this is for who
    /// wants nothing there.
    ///
    /// ```
    /// use http::{Request, header::ACCEPT};
    /// use http_body_util::Full;
    /// use oauth_core::Stores;
    /// use oauth_server::AuthorizationServer;
    /// use tower::ServiceExt as _;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let builder = || {
    ///     let builder = AuthorizationServer::builder("https://as.example", Stores::memory()).resource("https://as.example/mcp");
    ///     builder.insecure_approve_all("owner")
    /// };
    /// let visit = || Request::get("/").header(ACCEPT, "text/html").body(Full::<bytes::Bytes>::default());
    /// assert_eq!(builder().build().await?.oneshot(visit()?).await?.status(), 200);
    /// assert_eq!(builder().without_landing_page().build().await?.oneshot(visit()?).await?.status(), 404);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn without_landing_page(mut self) -> Self {
        self.landing = false;
        self
    }

    /// **No sign-in and no consent**: whoever asks is `subject` and agrees to all. For test suites whose clients have no browser.
    pub fn insecure_approve_all(mut self, subject: &str) -> Self {
        self.approve_all = Some(subject.to_owned());
        self
    }

    /// Checks everything and reads, or makes, the key that servers over this store share.
    ///
    /// # Errors
    /// [`BuildError::Config`] with all that is wrong, or [`BuildError::Store`].
    pub async fn build(self) -> Result<AuthorizationServer, BuildError> {
        let checked = Checked::of(&self)?;
        let now = self.clock.now();
        let sealer = Sealer::shared(&*self.stores.keys, &*self.entropy, now).await?;
        if self.approve_all.is_some() {
            tracing::warn!("insecure_approve_all: nobody is asked who they are, or whether they agree");
        }
        if !checked.issuer.is_https() {
            tracing::info!(issuer = %checked.issuer, "http: for this machine alone");
        }
        Ok(AuthorizationServer::assemble(self, checked, sealer))
    }
}
