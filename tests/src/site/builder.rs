//! How a site is put together: as a program would, on parts that a test can bend.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use oauth_core::fetch::{Fetched, StaticFetch};
use oauth_core::testing::FixedClock;
use oauth_core::{Backend, Identity, MemoryStore, OsEntropy, ProviderId, Quota, Stores};
use oauth_providers::{OWNER, OwnerPassphrase, PROVIDER};
use oauth_resource::{ProtectedResource, ScopeRules, ScopeRulesBuilder, WELL_KNOWN};
use oauth_server::{AuthorizationServer, Builder, OfferedScope};
use tower_layer::Layer as _;

use super::clients::KnownClient;
use super::heard::Heard;
use super::mcp::Calls;
use super::{Site, SiteError};
use crate::faulty::{Faults, FaultyStore};

/// The hash of [`Site::PASSPHRASE`], with the least memory that Argon2id knows: tests sign in often.
const HASH: &str =
    "chosen $argon2id$v=19$m=8,t=1,p=1$YSBzYWx0IGZvciB0ZXN0cw$ff5RFSya8XLaFQj4nZaAobl2ketRNZnoQhXZqUKfGEQ";

type Connect = dyn Fn() -> Stores + Send + Sync;
type Bend = dyn Fn(Builder) -> Builder + Send + Sync;
type Rules = dyn Fn(ScopeRulesBuilder) -> ScopeRulesBuilder + Send + Sync;

/// Collects what is different about a [`Site`].
///
/// ```
/// use oauth_server::Policy;
/// use oauth_testing::Site;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let site = Site::builder().server(|server| server.policy(Policy::strict())).build().await?;
/// assert!(site.events().is_empty());
/// # Ok::<(), oauth_testing::SiteError>(())
/// # }).unwrap();
/// ```
#[must_use]
pub struct SiteBuilder {
    connect: Arc<Connect>,
    faults: Faults,
    bend: Arc<Bend>,
    rules: Arc<Rules>,
    attempts: Option<(Quota, Quota)>,
}

/// Everything that a second process needs to serve the same site.
#[derive(Clone)]
pub(super) struct Plan {
    connect: Arc<Connect>,
    faults: Faults,
    bend: Arc<Bend>,
    rules: Arc<Rules>,
    attempts: Option<(Quota, Quota)>,
    clock: FixedClock,
    documents: Arc<StaticFetch>,
}

impl Default for SiteBuilder {
    fn default() -> Self {
        let (connect, faults) = connect(MemoryStore::default());
        Self {
            connect,
            faults,
            bend: Arc::new(|server| server),
            rules: Arc::new(|rules| rules),
            attempts: None,
        }
    }
}

fn connect(backend: impl Backend) -> (Arc<Connect>, Faults) {
    let (store, faults) = FaultyStore::new(backend);
    (Arc::new(move || Stores::new(store.clone())), faults)
}

impl SiteBuilder {
    /// Over another store.
    pub fn store(mut self, backend: impl Backend) -> Self {
        (self.connect, self.faults) = connect(backend);
        self
    }

    /// With an authorization server that is different: other limits, another policy, a further resource.
    pub fn server(mut self, bend: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Self {
        self.bend = Arc::new(bend);
        self
    }

    /// What the MCP server's tools need beyond the site's own rules.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_resource::Authentication;
    /// use oauth_testing::Site;
    ///
    /// let lately = Authentication::within(Duration::from_secs(300));
    /// let site = Site::builder().rules(move |rules| rules.tool_authentication("delete_note", lately.clone()));
    /// # let _ = site;
    /// ```
    pub fn rules(
        mut self,
        rules: impl Fn(ScopeRulesBuilder) -> ScopeRulesBuilder + Send + Sync + 'static,
    ) -> Self {
        self.rules = Arc::new(rules);
        self
    }

    /// With other limits on passphrases.
    pub fn attempts(mut self, per_address: Quota, in_total: Quota) -> Self {
        self.attempts = Some((per_address, in_total));
        self
    }

    /// The site.
    ///
    /// # Errors
    /// [`SiteError::Build`] if the server cannot be built so.
    pub async fn build(self) -> Result<Site, SiteError> {
        let document = Fetched::json(KnownClient::DOCUMENT);
        let plan = Plan {
            connect: self.connect,
            faults: self.faults,
            bend: self.bend,
            rules: self.rules,
            attempts: self.attempts,
            clock: FixedClock::default(),
            documents: Arc::new(
                StaticFetch::new().with(KnownClient::Document.registration().client_id, document),
            ),
        };
        plan.build().await
    }
}

impl Plan {
    pub(super) async fn build(self) -> Result<Site, SiteError> {
        let stores = (self.connect)();
        let events = Heard::default();
        let calls = Calls::default();

        let server = AuthorizationServer::builder(Site::ORIGIN, stores.clone())
            .named_resource(Site::MCP, "Notes")
            .resource_secret(Site::MCP, Site::RESOURCE_SECRET)
            .scope(OfferedScope::new("notes:read", "Read your notes").required())
            .scope(OfferedScope::new("notes:write", "Add notes"))
            .scope(OfferedScope::new("notes:delete", "Delete notes").on_request())
            .clients_json(KnownClient::CONFIGURED)
            .client_documents(self.documents.clone())
            .sign_in_with(self.owner(&stores).await?)
            .clock(self.clock.clone())
            .events(events.clone());
        let server = (self.bend)(server).build().await?;

        let resource = ProtectedResource::builder(Site::MCP, Site::ORIGIN)
            .name("Notes")
            .scopes((self.rules)(
                ScopeRules::builder("notes:read")
                    .tool("list_notes", "notes:read")
                    .tool("add_note", "notes:write")
                    .tool("delete_note", "notes:delete"),
            ))
            .scopes_supported("notes:read notes:write")
            .stores(&stores)
            .clock(Arc::new(self.clock.clone()))
            .build()?;

        let app = Router::new()
            .route_service("/mcp", resource.layer().layer(calls.server()))
            .route_service(WELL_KNOWN, resource.metadata())
            .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata())
            .fallback_service(server.clone());
        // What building asked of the store is nobody's flow.
        self.faults.reset();
        Ok(Site {
            app,
            server,
            clock: self.clock.clone(),
            stores,
            faults: self.faults.clone(),
            documents: self.documents.clone(),
            events,
            calls,
            plan: self,
        })
    }

    async fn owner(&self, stores: &Stores) -> Result<OwnerPassphrase, SiteError> {
        let provider: Result<ProviderId, _> = PROVIDER.parse();
        // The providers' own constant.
        let provider = provider.expect("the provider's name is one");
        stores.accounts.set_verifier(&Identity { provider, id: OWNER.to_owned() }, HASH).await?;
        let (provider, _) = OwnerPassphrase::open(stores, &OsEntropy).await?;
        Ok(match self.attempts {
            Some((per_address, in_total)) => provider.with_attempts(per_address, in_total),
            None => provider,
        })
    }
}

impl fmt::Debug for SiteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteBuilder").finish_non_exhaustive()
    }
}
