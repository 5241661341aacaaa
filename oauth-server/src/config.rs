//! What a server is built from, and everything that is wrong with it, said at once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use oauth_core::fetch::{Fetch, Network};
use oauth_core::{
    Client, ClientId, ClientOrigin, Clock, Entropy, EventSink, GrantTypeName, IdentityProvider, Issuer,
    KeyPurpose, NoEvents, OsEntropy, ResourceUri, ScopeSet, Sealer, StoreError, StoredKey, Stores,
    SystemClock, TokenFormat, random,
};

use crate::clients::configured::ClientConfig;
use crate::pages::{DefaultPages, PageRenderer, Theme};
use crate::policy::{Limits, Policy};
use crate::server::AuthorizationServer;
use crate::token::GrantType;

/// A scope that this server grants, and what it means in words.
///
/// ```
/// use oauth_server::OfferedScope;
///
/// let read = OfferedScope::new("notes:read", "Read your notes").required();
/// let delete = OfferedScope::new("notes:delete", "Delete your notes").on_request();
/// assert!(read.is_advertised() && !delete.is_advertised());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScope {
    pub(crate) name: String,
    pub(crate) words: String,
    pub(crate) required: bool,
    pub(crate) advertised: bool,
}

impl OfferedScope {
    /// A scope that is advertised, granted when nothing is asked for, and can be unticked on the consent page.
    #[must_use]
    pub fn new(name: &str, words: &str) -> Self {
        Self { name: name.to_owned(), words: words.to_owned(), required: false, advertised: true }
    }

    /// It cannot be unticked: without it the client could do nothing.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It is granted only to who asks for it by name: clients learn of it by a challenge (step-up), because they ask at sign-in for
    /// all that is advertised.
    #[must_use]
    pub fn on_request(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// Whether it stands in the metadata and is granted when nothing is asked for.
    #[must_use]
    pub const fn is_advertised(&self) -> bool {
        self.advertised
    }
}

/// Who may be registered as a client, and how.
///
/// ```
/// use oauth_server::Registration;
/// assert_eq!(Registration::default(), Registration::Open);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Registration {
    /// Whoever asks, within the limits: what most MCP clients need.
    #[default]
    Open,
    /// Whoever asks and is redirected to one of these hosts, or to the user's own machine.
    RedirectHosts(Vec<String>),
    /// Who has the initial access token (RFC 7591 §3), known by its hash.
    InitialAccessToken(oauth_core::TokenHash),
    /// Nobody.
    Off,
}

/// Everything that is wrong with a configuration, a line each.
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
#[must_use]
pub struct Builder {
    pub(crate) issuer: String,
    pub(crate) stores: Stores,
    pub(crate) resources: Vec<(String, Option<String>)>,
    pub(crate) scopes: Vec<OfferedScope>,
    pub(crate) clients: Vec<ClientConfig>,
    pub(crate) resource_secrets: Vec<(String, String)>,
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    pub(crate) grant_types: Vec<Arc<dyn GrantType>>,
    pub(crate) registration: Registration,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    pub(crate) pinned: Vec<(String, String)>,
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
}

/// Pages of the operator that the metadata names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) documentation: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) terms: Option<String>,
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
            grant_types: Vec::new(),
            registration: Registration::default(),
            fetch: None,
            pinned: Vec::new(),
            development_documents: false,
            policy: Policy::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            events: Arc::new(NoEvents),
            pages: Arc::new(DefaultPages::new(&Theme::new("MCP server").expect("a plain name is a theme"))),
            token_prefix: "mcp".to_owned(),
            trusted_proxies: Vec::new(),
            approve_all: None,
            advertise_offline_access: false,
            links: Links::default(),
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
    /// `client_secret`, `scope`, `grant_types`.
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

    /// A grant type besides authorization code and refresh.
    pub fn grant_type(mut self, grant_type: impl GrantType) -> Self {
        self.grant_types.push(Arc::new(grant_type));
        self
    }

    /// Who may register (RFC 7591).
    pub fn registration(mut self, registration: Registration) -> Self {
        self.registration = registration;
        self
    }

    /// Lets clients be known by the document at their `client_id`, fetched by `fetch`.
    pub fn client_documents(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// The document of one client, in place of what its URL answers: for documents that cannot be fetched from here (CIMD-18).
    pub fn pinned_document(mut self, client_id: &str, json: &str) -> Self {
        self.pinned.push((client_id.to_owned(), json.to_owned()));
        self
    }

    /// Lets the `client_id` be an `http` URL on a loopback address: for those who develop a client on this machine (CIMD-19). Needs a
    /// fetcher that may go there, and an issuer on loopback.
    pub fn insecure_development_documents(mut self) -> Self {
        self.development_documents = true;
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

    /// Name, logo and colour of the pages.
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
        let candidate =
            StoredKey::new("1", KeyPurpose::Seal, "A256GCM", random::<32>(&*self.entropy).to_vec(), now);
        self.stores.keys.first(&candidate).await?;
        let mut sealer: Option<Sealer> = None;
        for key in self.stores.keys.keys(KeyPurpose::Seal).await? {
            let material: &[u8; 32] = key
                .material
                .as_slice()
                .try_into()
                .map_err(|_| StoreError::corrupt("a sealing key does not have 32 bytes"))?;
            sealer = Some(match sealer {
                None => Sealer::new(material),
                Some(sealer) => sealer.with_earlier(material),
            });
        }
        let sealer = sealer.ok_or_else(|| StoreError::corrupt("the sealing key is gone"))?;
        if self.approve_all.is_some() {
            tracing::warn!("insecure_approve_all: nobody is asked who they are, or whether they agree");
        }
        if !checked.issuer.is_https() {
            tracing::info!(issuer = %checked.issuer, "http: for this machine alone");
        }
        Ok(AuthorizationServer::assemble(self, checked, sealer))
    }
}

/// A configuration without faults.
pub(crate) struct Checked {
    pub(crate) issuer: Issuer,
    pub(crate) resources: Vec<(ResourceUri, Option<String>)>,
    pub(crate) resource_secrets: Vec<(ResourceUri, oauth_core::TokenHash)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) advertised: ScopeSet,
    pub(crate) grantable: ScopeSet,
    pub(crate) format: TokenFormat,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) approve_all: Option<oauth_core::Subject>,
}

impl Checked {
    fn of(builder: &Builder) -> Result<Self, BuildError> {
        let mut faults = builder.policy.faults();
        let mut check = |result: Result<(), String>| {
            if let Err(fault) = result {
                faults.push(fault);
            }
        };
        let issuer = builder.issuer.parse::<Issuer>();
        check(issuer.as_ref().map(|_| ()).map_err(|error| format!("issuer: {error}")));

        let mut resources: Vec<(ResourceUri, Option<String>)> = Vec::new();
        if builder.resources.is_empty() {
            check(Err("resource: there must be at least one".to_owned()));
        }
        for (id, name) in &builder.resources {
            match id.parse::<ResourceUri>() {
                Ok(id) if resources.iter().any(|(other, _)| *other == id) => {
                    check(Err(format!("resource: {id} stands twice")));
                }
                Ok(id) => resources.push((id, name.clone())),
                Err(error) => check(Err(format!("resource: {error}"))),
            }
        }
        let mut resource_secrets = Vec::new();
        for (id, secret) in &builder.resource_secrets {
            match id.parse::<ResourceUri>() {
                Ok(id) if !resources.iter().any(|(other, _)| *other == id) => {
                    check(Err(format!("resource_secret: {id} is not a resource of this server")));
                }
                Ok(_) if secret.len() < MIN_SECRET => {
                    check(Err(format!(
                        "resource_secret: the secret of {id} must have at least {MIN_SECRET} characters"
                    )));
                }
                Ok(id) => resource_secrets.push((id, oauth_core::TokenHash::of(secret))),
                Err(error) => check(Err(format!("resource_secret: {error}"))),
            }
        }

        for scope in &builder.scopes {
            let one = scope
                .name
                .parse::<ScopeSet>()
                .is_ok_and(|set| set.iter().count() == 1 && set.as_str() == scope.name);
            check(one.then_some(()).ok_or_else(|| format!("scope: {:?} is not one scope", scope.name)));
            if scope.name == OFFLINE_ACCESS {
                check(Err("scope: offline_access is not a resource's scope; see advertise_offline_access"
                    .to_owned()));
            }
            if builder.scopes.iter().filter(|other| other.name == scope.name).count() > 1 {
                check(Err(format!("scope: {:?} stands twice", scope.name)));
            }
        }
        let names = |only_advertised: bool| {
            builder
                .scopes
                .iter()
                .filter(move |scope| scope.advertised || !only_advertised)
                .map(|scope| scope.name.as_str())
        };

        let mut clients: Vec<Client> = Vec::new();
        for config in &builder.clients {
            match config.read() {
                Ok(read) => {
                    for client in read {
                        if clients.iter().any(|other| other.id == client.id) {
                            check(Err(format!("client: {:?} stands twice", client.id.as_str())));
                        }
                        clients.push(client);
                    }
                }
                Err(errors) => {
                    for error in errors {
                        check(Err(error));
                    }
                }
            }
        }
        for client in &clients {
            check(configured_client(client));
        }

        let format = TokenFormat::new(&builder.token_prefix);
        check(format.as_ref().map(|_| ()).ok_or_else(|| {
            format!("token_prefix: {:?} must be 1 to 16 lower-case letters and digits", builder.token_prefix)
        }));

        let mut trusted_proxies = Vec::new();
        for network in &builder.trusted_proxies {
            match network.parse::<Network>() {
                Ok(network) => trusted_proxies.push(network),
                Err(error) => check(Err(format!("trusted_proxy: {error}"))),
            }
        }

        let approve_all = match builder.approve_all.as_deref().map(str::parse).transpose() {
            Ok(subject) => subject,
            Err(error) => {
                check(Err(format!("insecure_approve_all: {error}")));
                None
            }
        };
        if builder.providers.is_empty() && approve_all.is_none() {
            check(Err("sign_in_with: there must be at least one way to sign in".to_owned()));
        }
        for (at, provider) in builder.providers.iter().enumerate() {
            let id = provider.id().as_str();
            if builder.providers[..at].iter().any(|other| other.id() == provider.id()) {
                check(Err(format!("sign_in_with: {id:?} stands twice")));
            }
            if !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                check(Err(format!("sign_in_with: {id:?} must be lower-case letters, digits and '-'")));
            }
        }
        for (name, url) in [
            ("documentation", &builder.links.documentation),
            ("privacy_policy", &builder.links.policy),
            ("terms_of_service", &builder.links.terms),
        ] {
            if let Some(url) = url {
                check(if url.starts_with("https://") {
                    Ok(())
                } else {
                    Err(format!("{name}: {url:?} must be https"))
                });
            }
        }
        if builder.development_documents && issuer.as_ref().is_ok_and(Issuer::is_https) {
            check(Err("insecure_development_documents: only for an issuer on loopback".to_owned()));
        }
        for (client_id, json) in &builder.pinned {
            if let Err(error) = crate::clients::document::pinned(client_id, json) {
                check(Err(format!("pinned_document: {client_id:?}: {error}")));
            }
        }

        match (issuer, format) {
            (Ok(issuer), Some(format)) if faults.is_empty() => Ok(Self {
                issuer,
                resources,
                resource_secrets,
                clients,
                advertised: names(true).collect(),
                grantable: names(false).collect(),
                format,
                trusted_proxies,
                approve_all,
            }),
            _ => Err(BuildError::Config(faults)),
        }
    }
}

/// How many characters a configured secret must have.
pub(crate) const MIN_SECRET: usize = 16;

/// Asked for by many, granted by the refresh grant, and no scope of a resource.
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

fn configured_client(client: &Client) -> Result<(), String> {
    let id: &ClientId = &client.id;
    if client.origin != ClientOrigin::Configured {
        return Err(format!("client: {:?} must be configured, not registered", id.as_str()));
    }
    let wants_redirect = client.may(GrantTypeName::AuthorizationCode);
    if wants_redirect && client.redirect_uris.is_empty() {
        return Err(format!(
            "client: {:?} must have a redirect uri for the authorization code grant",
            id.as_str()
        ));
    }
    Ok(())
}

/// The address that a request came from: put it into the request's extensions, so that limits can tell callers apart.
///
/// ```
/// use oauth_server::PeerAddress;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddress("192.0.2.7".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);
