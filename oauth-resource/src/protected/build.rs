//! From what was set to a resource: every check, then every layer.

use std::sync::Arc;

use http::HeaderName;
use oauth_core::metadata::ProtectedResourceMetadata;
use oauth_core::{Issuer, ResourceUri, ScopeSet, TokenVerifier};
use url::Url;

use crate::bearer::{MAX_LEEWAY, RequireBearerLayer};
use crate::config::{ConfigError, ConfigErrors, networks};
use crate::guard::{GuardLayer, Hosts, Origins};
use crate::metadata::MetadataService;
use crate::protected::builder::{Link, Policy, ProtectedResourceBuilder};
use crate::protected::{ProtectedLayer, ProtectedResource};
use crate::scope::{RequireScopeLayer, ScopePolicy};
use crate::session::SessionKey;

impl<V> ProtectedResourceBuilder<V> {
    /// The resource, ready to protect.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    // The bound is the method's, not the impl's: only then does the compiler say what `TokenVerifier` has to say to who named no verifier.
    pub fn build(self) -> Result<ProtectedResource<V>, ConfigErrors>
    where
        V: TokenVerifier,
    {
        let Self { verifier, set } = self;
        let mut errors = Vec::new();
        let resource = keep(&mut errors, set.resource.parse::<ResourceUri>().map_err(ConfigError::Resource));
        let mut read = |issuers: &[String]| -> Vec<Issuer> {
            let read = |issuer: &String| keep(&mut errors, issuer.parse().map_err(ConfigError::Issuer));
            issuers.iter().filter_map(read).collect()
        };
        let (issuers, unlisted) = (read(&set.issuers), read(&set.unlisted_issuers));
        let policy: Option<Arc<dyn ScopePolicy>> = match set.policy {
            Policy::Own(policy) => Some(policy),
            Policy::Rules(rules) => match rules.build() {
                Ok(rules) => Some(Arc::new(rules)),
                Err(ConfigErrors(wrong)) => {
                    errors.extend(wrong);
                    None
                }
            },
        };
        let supported = set.scopes_supported.map(|text| {
            let wrong = |source| ConfigError::Scopes {
                text: text.clone(),
                what: "scopes_supported".to_owned(),
                source,
            };
            keep(&mut errors, text.parse::<ScopeSet>().map_err(wrong)).unwrap_or_default()
        });
        for (link, url) in &set.links {
            if !Url::parse(url).is_ok_and(|url| url.scheme() == "https") {
                errors.push(ConfigError::Link { what: link.name(), url: url.clone() });
            }
        }
        let identity: Vec<_> = set
            .identity
            .iter()
            .filter_map(|(name, claim)| {
                let read = HeaderName::try_from(name.as_str()).map_err(|_| ConfigError::Header(name.clone()));
                keep(&mut errors, read).map(|name| (name, *claim))
            })
            .collect();
        let proxies = networks(set.proxies.iter().map(String::as_str), &mut errors);
        if set.leeway > MAX_LEEWAY {
            errors.push(ConfigError::Leeway(set.leeway.as_secs()));
        }
        if resource.as_ref().is_some_and(|resource| resource.path().starts_with("/.well-known")) {
            let why = "that path is kept for metadata";
            errors.push(ConfigError::Rule { what: format!("resource {:?}", set.resource), why });
        }
        // What follows is checked against a stand-in if the resource itself is wrong, so that all is said at once.
        let named = resource.clone().unwrap_or_else(stand_in);
        let mut origins = Origins::of(&named);
        errors.extend(set.origins.into_iter().filter(|origin| !origins.add(origin)).map(ConfigError::Origin));
        let mut hosts = Hosts::of_loopback(&named);
        if !set.hosts.is_empty() {
            let listed = hosts.get_or_insert_with(|| Hosts::of(&named));
            errors.extend(set.hosts.into_iter().filter(|host| !listed.add(host)).map(ConfigError::Host));
        }
        if set.any_host {
            tracing::warn!("insecure_any_host: this server answers to any host name");
            hosts = None;
        }
        let (Some(resource), Some(policy), [issuer, further @ ..], true) =
            (resource, policy, issuers.as_slice(), errors.is_empty())
        else {
            return Err(ConfigErrors(errors));
        };

        let mut document = ProtectedResourceMetadata::new(resource.clone(), issuer.clone())
            .with_scopes(supported.as_ref().unwrap_or_else(|| policy.minimum()));
        document.authorization_servers.extend(further.iter().cloned());
        document.resource_name = set.name;
        if let Some(dpop) = &set.dpop {
            document.dpop_signing_alg_values_supported =
                dpop.algorithms().into_iter().map(str::to_owned).collect();
            document.dpop_bound_access_tokens_required = dpop.is_required().then_some(true);
        }
        for (link, url) in set.links {
            *link.of(&mut document) = Some(url);
        }
        if let Some(key) = &set.metadata_key {
            let signed = key.sign(document, set.clock.now());
            document = signed.map_err(|_| ConfigErrors(vec![ConfigError::MetadataKey]))?;
        }
        let mut metadata = if set.shares_origin {
            MetadataService::without_root(&document)
        } else {
            MetadataService::new([&document])
        };
        if let Some(key) = &set.metadata_key {
            metadata = metadata.with_keys(&document, key);
        }

        // A set that leaves the minimum out is no set for basic use: challenges then name what the operation needs, and nothing else (RS-19).
        let basic = supported.clone().filter(|all| policy.minimum().is_subset(all)).unwrap_or_default();
        if let Some(all) = &supported {
            let missing = policy.hierarchy().missing(all, policy.minimum());
            if !missing.is_empty() {
                tracing::warn!(%missing, supported = %all, "scopes_supported leaves out what basic use needs");
            }
        }
        let mut bearer = RequireBearerLayer::new(resource.clone(), verifier)
            .with_issuers(issuers.iter().chain(&unlisted))
            // What basic use needs, in one sign-in: the document says the same (RS-9, RS-19).
            .with_scopes(basic.union(policy.minimum()))
            .with_hierarchy(policy.hierarchy().clone())
            .with_leeway(set.leeway)
            .with_trusted_proxies(proxies)
            .with_clock(set.clock.clone())
            .deferring();
        if let Some(revocations) = set.revocations {
            bearer = bearer.with_revocations(revocations);
        }
        if set.binds_content {
            bearer = bearer.binding_content();
        }
        if let Some((capacity, ttl)) = set.cache {
            bearer = bearer.with_cache(capacity, ttl);
        }
        for (name, claim) in identity {
            bearer = match claim {
                Some(claim) => bearer.with_identity_header(name, claim),
                None => bearer.with_stripped_header(name),
            };
        }
        let mut scope = RequireScopeLayer::shared(&resource, policy)
            .with_basic_scopes(basic)
            .with_challenge_that_includes_granted(set.includes_granted)
            .with_clock(set.clock);
        if let Some(dpop) = set.dpop {
            scope = scope.with_dpop(&dpop);
            bearer = bearer.with_dpop(dpop);
        }
        if let Some(bytes) = set.max_body {
            scope = scope.with_max_body(bytes);
        }
        let layer = ProtectedLayer {
            guard: GuardLayer::with(hosts, origins, metadata.clone()),
            bearer,
            scope,
            session: set.session_key.unwrap_or_else(SessionKey::random),
        };
        Ok(ProtectedResource { document, metadata, layer })
    }
}

fn keep<T>(errors: &mut Vec<ConfigError>, read: Result<T, ConfigError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn stand_in() -> ResourceUri {
    "https://resource.invalid".parse().expect("an https url without query or fragment")
}

impl Link {
    const fn name(self) -> &'static str {
        match self {
            Self::Documentation => "documentation",
            Self::Policy => "policy",
            Self::Terms => "terms",
        }
    }

    const fn of(self, document: &mut ProtectedResourceMetadata) -> &mut Option<String> {
        match self {
            Self::Documentation => &mut document.resource_documentation,
            Self::Policy => &mut document.resource_policy_uri,
            Self::Terms => &mut document.resource_tos_uri,
        }
    }
}
