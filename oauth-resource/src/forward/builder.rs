//! What can be set of forward auth.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use oauth_core::{ResourceUri, ScopeSet, TokenVerifier};
use tower_layer::Layer as _;

use crate::canonical::canonical;
use crate::config::{ConfigError, ConfigErrors, networks};
use crate::forward::decide::{Ask, Decide};
use crate::forward::original::ProxyStyle;
use crate::forward::path::is_plain;
use crate::forward::rules::PathRules;
use crate::forward::service::{ForwardAuth, Settings, Site};
use crate::identity::IdentityClaim;
use crate::protected::ProtectedResource;

/// Collects a configuration; what is wrong with it is said by [`build`](Self::build), all at once.
///
/// ```
/// use oauth_resource::{ForwardAuth, IdentityClaim, ProxyStyle};
///
/// let errors = ForwardAuth::builder(ProxyStyle::OriginalUri)
///     .trusted_proxy("everybody")
///     .identity_header("X User", IdentityClaim::Subject)
///     .build()
///     .unwrap_err();
/// // And there is no resource.
/// assert_eq!(errors.iter().count(), 3);
/// ```
pub struct ForwardAuthBuilder {
    style: ProxyStyle,
    path: String,
    proxies: Vec<String>,
    identity: Option<Vec<(String, IdentityClaim)>>,
    sites: Vec<(ResourceUri, PathRules, MakeAsk)>,
}

type MakeAsk = Box<dyn FnOnce(PathRules) -> Arc<dyn Ask> + Send>;

/// The headers of the answer unless others are named.
const IDENTITY: [(&str, IdentityClaim); 3] = [
    ("x-user-id", IdentityClaim::Subject),
    ("x-user-name", IdentityClaim::Name),
    ("x-auth-scopes", IdentityClaim::Scope),
];

impl ForwardAuthBuilder {
    pub(super) fn new(style: ProxyStyle) -> Self {
        Self { style, path: "/verify".to_owned(), proxies: Vec::new(), identity: None, sites: Vec::new() }
    }

    /// Where the proxy asks. Without it, `/verify`. A router that strips the prefix leaves `/`, or nothing with [`ProxyStyle::Path`].
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// A network (`10.0.0.0/8`) whose questions are answered: the reverse proxy's. Nobody's, unless named.
    #[must_use]
    pub fn trusted_proxy(mut self, network: &str) -> Self {
        self.proxies.push(network.to_owned());
        self
    }

    /// A resource behind the proxy, and what its paths need. It shares token cache and settings with the resource's own layer; origins,
    /// hosts and the scopes of tools are no part of it. Of several, the longest path counts.
    #[must_use]
    pub fn resource<V: TokenVerifier>(mut self, resource: &ProtectedResource<V>, rules: PathRules) -> Self {
        let bearer = resource.bearer().clone();
        let challenge = bearer.challenge().clone();
        let basic: ScopeSet = resource.basic_scopes().clone();
        let uri = resource.resource().clone();
        let make: MakeAsk =
            Box::new(move |rules| Arc::new(bearer.layer(Decide::new(rules, challenge, basic, &uri))));
        self.sites.push((resource.resource().clone(), rules, make));
        self
    }

    /// Tells this claim by this header. The first call replaces the headers that stand without it: `X-User-Id`, `X-User-Name` and
    /// `X-Auth-Scopes`.
    #[must_use]
    pub fn identity_header(mut self, name: &str, claim: IdentityClaim) -> Self {
        self.identity.get_or_insert_default().push((name.to_owned(), claim));
        self
    }

    /// The service.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    pub fn build(self) -> Result<ForwardAuth, ConfigErrors> {
        let mut errors = Vec::new();
        let proxies = networks(self.proxies.iter().map(String::as_str), &mut errors);
        let named = self
            .identity
            .unwrap_or_else(|| IDENTITY.iter().map(|(name, claim)| ((*name).to_owned(), *claim)).collect());
        let mut identity = Vec::new();
        for (name, claim) in named {
            match HeaderName::try_from(name.as_str()) {
                Ok(name) => identity.push((name, claim)),
                Err(_) => errors.push(ConfigError::Header(name)),
            }
        }
        let is_own_path = is_plain(&self.path) && (self.path == "/" || !self.path.ends_with('/'));
        let is_stripped = self.path.is_empty() && self.style.goes_below();
        if !(is_own_path || is_stripped) {
            let why = "a path is written plainly, from / on, without a slash at the end";
            errors.push(ConfigError::Rule { what: format!("forward auth at {:?}", self.path), why });
        }
        if self.sites.is_empty() {
            let why = "without a resource everything is refused";
            errors.push(ConfigError::Rule { what: "forward auth".to_owned(), why });
        }
        for (resource, rules, _) in &self.sites {
            errors.extend(rules.check(resource.path()));
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let mut sites: Vec<Site> = self
            .sites
            .into_iter()
            .map(|(resource, rules, make)| {
                let origins = rules.origins().clone();
                Site { resource, origins, ask: make(rules) }
            })
            .collect();
        sites.sort_by_key(|site| std::cmp::Reverse(canonical(site.resource.path()).len()));
        let settings = Settings { style: self.style, path: self.path, proxies, identity, sites };
        Ok(ForwardAuth::new(settings))
    }
}

impl fmt::Debug for ForwardAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardAuthBuilder")
            .field("style", &self.style)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
